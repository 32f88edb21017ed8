# shellcheck shell=bash disable=SC2034,SC2154  # the names come from server.sh, and are used there
# Sourced by server.sh: what is MySQL's own.

unit=mysql.service
# Files are read in the order of their names, and the package's mysqld.cnf binds to the loopback address.
settings_file=/etc/mysql/mysql.conf.d/zz-baton.cnf
group=mysqld

family_settings() {
    cat <<CONF
innodb_redo_log_capacity = 64M
gtid_mode = ON
enforce_gtid_consistency = ON
log_replica_updates = ON
report_host = $LAB_NODE
skip_replica_start = ON
relay_log_recovery = OFF
replica_net_timeout = 4
replica_parallel_workers = 4
replica_preserve_commit_order = ON
plugin_load_add = semisync_source.so
plugin_load_add = semisync_replica.so
CONF
}

# CONNECTION_ADMIN: offline_mode must not cut replication.
replica_grants() {
    echo "GRANT REPLICATION SLAVE, REPLICATION CLIENT, CONNECTION_ADMIN ON *.* TO replica@'%';"
}

# The administrator is known by the operating system's account, as in the package's own data directory.
administrator() {
    cat <<SQL
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
ALTER USER root@localhost IDENTIFIED WITH auth_socket;
SQL
}

# Without a binary log there is no GTID: every node starts at the same, empty position, under a uuid of its own.
make_system_tables() {
    administrator >>"$1"
    mysqld --initialize-insecure --user=mysql --datadir="$datadir" --skip-log-bin \
        --init-file="$1" --log-error="$logs/install.log"
}
