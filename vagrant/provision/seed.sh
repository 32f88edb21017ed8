#!/usr/bin/env bash
# Moves a copy of a running server's data to a node whose server is stopped, with the position that it stands for.
# usage: seed.sh give >ARCHIVE    on the node that has the data
#        seed.sh take <ARCHIVE    on the node that needs them
set -Eeuo pipefail

datadir=/var/lib/mysql
socket=/run/mysqld/seed.sock

is_mariadb() {
    command -v mariadbd >/dev/null
}

give() {
    local work
    work=$(mktemp --directory)
    # The server writes the copy itself if it is MySQL.
    chown mysql "$work"
    if is_mariadb; then
        mariadb-backup --backup --target-dir="$work/copy" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
        mariadb-backup --prepare --target-dir="$work/copy" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    else
        mysql --execute "INSTALL PLUGIN clone SONAME 'mysql_clone.so'" 2>/dev/null || true
        mysql --execute "CLONE LOCAL DATA DIRECTORY = '$work/copy'"
    fi
    tar --create --directory "$work/copy" .
    rm -rf "$work"
}

# MariaDB's copy does not know as a replica what its source had executed.
set_position() {
    local position told="$datadir/mariadb_backup_binlog_info" tries=0
    [[ -e $told ]] || told="$datadir/xtrabackup_binlog_info" # before MariaDB 11.1
    position=$(cut --fields=3 "$told")
    mariadbd --user=mysql --skip-networking --skip-log-bin --skip-slave-start --socket="$socket" >/dev/null 2>&1 &
    until mariadb --socket="$socket" --execute "SET GLOBAL gtid_slave_pos = '$position'" 2>/dev/null; do
        ((++tries < 200)) || { echo "seed: the server does not start" >&2; exit 1; }
        sleep 0.05
    done
    mariadb-admin --socket="$socket" shutdown
    wait
}

take() {
    find "$datadir" -mindepth 1 -delete
    tar --extract --directory "$datadir" --no-same-owner
    chown --recursive mysql:mysql "$datadir"
    if is_mariadb; then
        set_position
    fi
}

case ${1:-} in
    give) give ;;
    take) take ;;
    *) sed -n 's/^# \(usage\|  *seed\)/\1/p' "$0" >&2; exit 2 ;;
esac
