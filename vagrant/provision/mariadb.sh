# shellcheck shell=bash disable=SC2034,SC2154  # the names come from server.sh, and are used there
# Sourced by server.sh: what is MariaDB's own.

unit=mariadb.service
settings_file=/etc/mysql/mariadb.conf.d/60-baton.cnf
group=mariadbd

family_settings() {
    cat <<CONF
innodb_log_file_size = 32M
binlog_format = ROW
log_slave_updates = ON
gtid_strict_mode = ON
skip_slave_start = ON
slave_net_timeout = 4
rpl_semi_sync_master_wait_point = AFTER_SYNC
CONF
}

replica_grants() {
    echo "GRANT REPLICATION SLAVE, REPLICA MONITOR ON *.* TO replica@'%';"
}

# Without a binary log there is no GTID: every node starts at the same, empty position.
make_system_tables() {
    mariadb-install-db --user=mysql --datadir="$datadir" --skip-test-db --skip-log-bin \
        --extra-file="$1" >"$logs/install.log"
}
