package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the child when this process dies, however it does.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
