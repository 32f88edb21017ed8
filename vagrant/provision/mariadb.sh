#!/usr/bin/env bash
# Configures MariaDB for replication and makes a data directory with the lab's accounts, once.
# The server is left stopped: the cluster starts it.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=members.sh
. "${BASH_SOURCE%/*}/members.sh"

datadir=/var/lib/mysql
password_file=/etc/baton/replication.password
# Not in the data directory, which agents may replace.
done_marker=/etc/baton/datadir.done

# On a virtual machine the unit must not start the server behind the cluster's back. The directory for the socket
# went with the unit.
retire_unit() {
    systemctl disable --now mariadb.service
    systemctl mask mariadb.service
    echo 'd /run/mysqld 0755 mysql mysql' >/etc/tmpfiles.d/baton-lab.conf
    systemd-tmpfiles --create baton-lab.conf
}

write_password() {
    mkdir -p /etc/baton
    install -m 600 /dev/null "$password_file"
    secret replication >"$password_file"
}

write_configuration() {
    cat >/etc/mysql/mariadb.conf.d/60-baton.cnf <<CONF
[mariadbd]
server_id = $(node_number)
bind_address = 0.0.0.0
skip_name_resolve = ON
log_error = /var/log/mysql/error.log
innodb_buffer_pool_size = 64M
innodb_log_file_size = 32M

log_bin = binlog
binlog_format = ROW
log_slave_updates = ON
gtid_strict_mode = ON
relay_log = relay
skip_slave_start = ON
slave_net_timeout = 4

sync_binlog = 1
sync_relay_log = 1
innodb_flush_log_at_trx_commit = 1
rpl_semi_sync_master_wait_point = AFTER_SYNC
CONF
    install -d -o mysql -g adm -m 2750 /var/log/mysql
}

# One statement a line: the server reads this while it makes its system tables, before it knows any account.
accounts() {
    cat <<SQL
FLUSH PRIVILEGES;
CREATE USER replica@'%' IDENTIFIED BY '$(<"$password_file")';
GRANT REPLICATION SLAVE, REPLICA MONITOR, BINLOG MONITOR ON *.* TO replica@'%';
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON app.* TO app@'%';
SQL
}

# Without a binary log there is no GTID: every node starts at the same, empty position.
make_data_directory() {
    local accounts_file
    accounts_file=$(mktemp)
    accounts >"$accounts_file"
    find "$datadir" -mindepth 1 -delete
    mariadb-install-db --user=mysql --datadir="$datadir" --skip-test-db --skip-log-bin \
        --extra-file="$accounts_file" >/var/log/mysql/install.log
    rm "$accounts_file"
}

if has_systemd; then
    retire_unit
fi
write_configuration
if [[ ! -e $done_marker ]]; then
    write_password
    make_data_directory
    touch "$done_marker"
fi
