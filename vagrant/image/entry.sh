#!/usr/bin/env bash
# The life of a node: clean what the last one left, configure, start corosync, run pacemakerd to its end.
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

# Pacemaker relies on it that a machine takes longer to boot than its fencing takes to be reported: a node that hears of
# its own fencing stops for good.
boot_slowly() {
    local booted=/var/lib/baton-lab-booted
    if [[ -e $booted ]]; then
        sleep 2
    fi
    touch "$booted"
}

# When Pacemaker was told to stop and is done, corosync leaves the membership, as both do under systemd: the others need
# not find out.
run_pacemaker() {
    local code=0
    pacemakerd --foreground &
    trap 'kill -TERM $!' TERM
    # The order to stop ends the first wait.
    while kill -0 $! 2>/dev/null; do
        wait $! && code=0 || code=$?
    done
    corosync-cfgtool -H || true
    # The node goes with this process: not before the others have heard of it.
    tail --pid="$(pgrep -x corosync)" --sleep-interval=0.1 --follow /dev/null || true
    return "$code"
}

boot_slowly
make_run_directories
start_syslog
"$provision/corosync.sh"
# The membership forms while the rest is prepared.
corosync
"$provision/pacemaker.sh"
"$provision/server.sh"
wait_for_corosync

set -o allexport
# shellcheck source=/dev/null
. /etc/default/pacemaker
run_pacemaker
