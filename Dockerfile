# Two images, each one static program and nothing else: scripts/images builds
# them, with the programs for each architecture in the build's folder.
#   --target memwatchd | memwatch-hub

FROM scratch AS memwatchd
ARG TARGETARCH
ARG ROOTS=ca-certificates.crt
COPY ${ROOTS} /etc/ssl/certs/ca-certificates.crt
COPY linux/${TARGETARCH}/memwatchd /memwatchd
WORKDIR /var/lib/memwatch
USER 65532:65532
EXPOSE 4001
ENTRYPOINT ["/memwatchd"]
CMD ["run"]

FROM scratch AS memwatch-hub
ARG TARGETARCH
ARG ROOTS=ca-certificates.crt
COPY ${ROOTS} /etc/ssl/certs/ca-certificates.crt
COPY linux/${TARGETARCH}/memwatch-hub /memwatch-hub
WORKDIR /var/lib/memwatch
USER 65532:65532
EXPOSE 4000
ENTRYPOINT ["/memwatch-hub"]
CMD ["serve"]
