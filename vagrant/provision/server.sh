#!/usr/bin/env bash
# Configures the database server for replication and makes a data directory with the lab's accounts, once.
# The server is left stopped: the cluster starts it.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=members.sh
. "${BASH_SOURCE%/*}/members.sh"

datadir=/var/lib/mysql
logs=/var/log/mysql
password_file=/etc/baton/replication.password
# Not in the data directory, which agents may replace.
done_marker=/etc/baton/datadir.done

# What is different in each family: the unit, the file for our settings and the group in it, and the functions
# family_settings, replica_grants and make_system_tables ACCOUNTS_FILE.
if command -v mariadbd >/dev/null; then
    # shellcheck source-path=SCRIPTDIR source=mariadb.sh
    . "${BASH_SOURCE%/*}/mariadb.sh"
else
    # shellcheck source-path=SCRIPTDIR source=mysql.sh
    . "${BASH_SOURCE%/*}/mysql.sh"
fi

# On a virtual machine the unit must not start the server behind the cluster's back. The directory for the socket
# went with the unit.
retire_unit() {
    systemctl disable --now "$unit"
    systemctl mask "$unit"
    echo 'd /run/mysqld 0755 mysql mysql' >/etc/tmpfiles.d/baton-lab.conf
    systemd-tmpfiles --create baton-lab.conf
}

write_password() {
    mkdir -p /etc/baton
    install -m 600 /dev/null "$password_file"
    secret replication >"$password_file"
}

common_settings() {
    cat <<CONF
[$group]
server_id = $(node_number)
bind_address = 0.0.0.0
skip_name_resolve = ON
log_error = $logs/error.log
innodb_buffer_pool_size = 64M

log_bin = binlog
relay_log = relay
sync_binlog = 1
sync_relay_log = 1
innodb_flush_log_at_trx_commit = 1

CONF
}

write_settings() {
    { common_settings; family_settings; } >"$settings_file"
    install -d -o mysql -g adm -m 2750 "$logs"
}

# One statement a line: the server reads this while it makes its system tables, before it knows any account.
accounts() {
    cat <<SQL
FLUSH PRIVILEGES;
CREATE USER replica@'%' IDENTIFIED BY '$(<"$password_file")';
$(replica_grants)
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON app.* TO app@'%';
SQL
}

make_data_directory() {
    local accounts_file
    accounts_file=$(mktemp)
    accounts >"$accounts_file"
    chown mysql "$accounts_file"
    find "$datadir" -mindepth 1 -delete
    make_system_tables "$accounts_file"
    rm "$accounts_file"
}

if has_systemd; then
    retire_unit
fi
write_settings
if [[ ! -e $done_marker ]]; then
    write_password
    make_data_directory
    touch "$done_marker"
fi
