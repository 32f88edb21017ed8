#!/usr/bin/env bash
# Installs the cluster stack and the database server.
# LAB_FLAVOUR: the Debian release, which decides what server that is.
set -Eeuo pipefail

packages=(
    corosync pacemaker pacemaker-cli-utils crmsh pcs resource-agents
    iproute2 iputils-arping libxml2-utils procps nftables tcpdump
    tini socat strace busybox
)
case ${LAB_FLAVOUR:?is not set} in
    sid)
        packages+=(mysql-server)
        # Its accounts are made by systemd-sysusers. Asked for by nobody else, that would bring all of systemd along.
        command -v systemd-sysusers >/dev/null || packages+=(systemd-standalone-sysusers)
        ;;
    *) packages+=(mariadb-server mariadb-backup) ;;
esac

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
