#!/usr/bin/env bash
# Installs the cluster stack and the database server.
set -Eeuo pipefail

packages=(
    corosync pacemaker pacemaker-cli-utils crmsh pcs resource-agents
    iproute2 iputils-arping libxml2-utils procps nftables tcpdump
    mariadb-server mariadb-backup tini socat strace busybox
)

# Nothing may start before it is configured.
forbid_service_start() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

if dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    exit 0
fi
forbid_service_start
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "${packages[@]}"
