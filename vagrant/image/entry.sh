#!/usr/bin/env bash
# The boot of a node: clean what the last life left, configure, start corosync, become pacemakerd.
set -Eeuo pipefail
trap 'echo "entry: failed at line $LINENO: $BASH_COMMAND" >&2' ERR

provision=/opt/baton-lab/provision

# /run and /dev/shm are memory and come up empty; these directories are what systemd-tmpfiles would make.
make_run_directories() {
    mkdir -p /run/lock
    install -d -o mysql -g mysql -m 755 /run/mysqld
    install -d -o hacluster -g haclient -m 750 /run/crm
    install -d -m 755 /run/resource-agents
}

# Agents log to /dev/log; without a listener their words are lost. Standard output is never rotated away. The
# subshell makes it a child of PID 1, not of pacemakerd.
start_syslog() {
    rm -f /dev/log
    (busybox syslogd -n -O - >>/var/log/syslog &)
}

wait_for_corosync() {
    local tries=0
    until corosync-cfgtool -s >/dev/null 2>&1; do
        ((++tries < 200)) || { echo "entry: corosync is not ready after 10 s" >&2; exit 1; }
        sleep 0.05
    done
}

make_run_directories
start_syslog
"$provision/corosync.sh"
# The membership forms while the rest is prepared.
corosync
"$provision/pacemaker.sh"
"$provision/mariadb.sh"
wait_for_corosync

set -o allexport
# shellcheck source=/dev/null
. /etc/default/pacemaker
exec pacemakerd --foreground
