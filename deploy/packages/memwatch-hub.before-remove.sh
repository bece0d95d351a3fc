#!/bin/sh
# Not before an upgrade: Debian says "remove" when it is none, RPM says 0.
set -e
if [ -d /run/systemd/system ]; then
  case "$1" in
    remove|0) systemctl disable --now memwatch-hub.service ;;
  esac
fi
