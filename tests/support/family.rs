//! The families of database servers: how one is set up for a test, and what it calls things. One table for each.
//!
//! A test says what it means by the names of these fields. Only a test of what one family alone does, which is in a
//! program for that family, spells its words.

use std::sync::OnceLock;

use super::find;

pub(crate) struct Family {
    /// The server program, and the Debian package that has it.
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    /// The group in its configuration file, and the settings of every test's server.
    pub(crate) group: &'static str,
    pub(crate) settings: &'static str,
    /// Settings that ask for the opposite of a closed server.
    pub(crate) open_settings: &'static str,
    /// What makes system tables: the program, its options, and the option that names a file with statements.
    pub(crate) installer: (&'static str, &'static [&'static str], &'static str),
    /// Statements in that file that only this family knows.
    pub(crate) grants: &'static str,
    /// Exactly what docs/operations.md lists for an `admin_user`, and for the `replication_user`.
    pub(crate) administrator: &'static [&'static str],
    pub(crate) replication: &'static str,
    /// Makes the account of fence_baton's option sql_fence.
    pub(crate) fencing_account: &'static [&'static str],
    /// A part of the data directory without which no server starts.
    pub(crate) system_tables: &'static str,

    pub(crate) stop_receiver: &'static str,
    pub(crate) start_receiver: &'static str,
    pub(crate) stop_applier: &'static str,
    pub(crate) start_applier: &'static str,
    pub(crate) replica_status: &'static str,
    /// Columns of the replica's status.
    pub(crate) source: &'static str,
    pub(crate) receiver: &'static str,
    pub(crate) applier: &'static str,
    pub(crate) received: &'static str,

    /// What a server has in its binary log.
    pub(crate) position: &'static str,
    /// The function that waits for a position.
    pub(crate) wait: &'static str,
    /// What a server has beyond the position of another one, `{}`.
    pub(crate) beyond: &'static str,

    /// Whether crash recovery always commits what was written to the binary log and nobody confirmed.
    pub(crate) recovery_commits: bool,
    /// Whether clients that wait for an acknowledgement are told OK when the server is shut down.
    pub(crate) shutdown_confirms: bool,
    /// Whether a prepared transaction can be committed on a read-only server.
    pub(crate) commits_prepared_when_closed: bool,

    /// Lets an administrator write to a server that is read-only, and forbids it again.
    pub(crate) unbind_root: &'static [&'static str],
    pub(crate) bind_root: &'static [&'static str],
    pub(crate) arm_semi_sync: &'static [&'static str],
    pub(crate) semi_sync_enabled: &'static str,
    /// The variable by which a replica acknowledges, and the status variable that counts such replicas.
    pub(crate) acknowledge: &'static str,
    pub(crate) clients: &'static str,
    /// The status variable that counts commits which wait for an acknowledgement.
    pub(crate) waiting: &'static str,
    /// The command, as the process list names it, that sends the binary log to a replica.
    pub(crate) dump: &'static str,
    /// The locks that a backup takes.
    pub(crate) backup_locks: &'static [&'static str],
    /// Makes an applier that is stopped leave out a table.
    pub(crate) leave_out: &'static str,
    /// A statement after which nothing can be proven of a server, and the setting that it changes.
    pub(crate) unprovable: (&'static str, &'static str),
}

const OWN_TABLES: &str = "GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON baton.* TO baton@localhost;";

const MARIADB: Family = Family {
    program: "mariadbd",
    package: "mariadb-server",
    group: "mariadbd",
    settings: "innodb_log_file_size=8M\nperformance_schema=0\nlog_slave_updates=1\ngtid_strict_mode=1\n\
        slave_net_timeout=4\n",
    open_settings: "read_only=0\nrpl_semi_sync_master_enabled=1\nskip_slave_start=0\n",
    installer: (
        "mariadb-install-db",
        &["--skip-test-db", "--skip-log-bin"],
        "--extra-file",
    ),
    grants: "",
    administrator: &[
        "GRANT SUPER, RELOAD, PROCESS, CONNECTION ADMIN, READ ONLY ADMIN, BINLOG ADMIN ON *.* TO baton@localhost;",
        "GRANT REPLICA MONITOR, REPLICATION MASTER ADMIN, REPLICATION SLAVE ADMIN ON *.* TO baton@localhost;",
        "GRANT SELECT ON mysql.global_priv TO baton@localhost;",
        "GRANT SELECT ON mysql.roles_mapping TO baton@localhost;",
        OWN_TABLES,
    ],
    replication: "GRANT REPLICATION SLAVE, REPLICA MONITOR ON *.* TO replica@'%';",
    fencing_account: &[
        "CREATE USER fence@'%' IDENTIFIED BY 'fence'",
        "GRANT SUPER, READ_ONLY ADMIN, CONNECTION ADMIN, PROCESS, REPLICA MONITOR ON *.* TO fence@'%'",
    ],
    system_tables: "mysql",

    stop_receiver: "STOP SLAVE IO_THREAD",
    start_receiver: "START SLAVE IO_THREAD",
    stop_applier: "STOP SLAVE SQL_THREAD",
    start_applier: "START SLAVE SQL_THREAD",
    replica_status: "SHOW SLAVE STATUS",
    source: "Master_Host",
    receiver: "Slave_IO_Running",
    applier: "Slave_SQL_Running",
    received: "Gtid_IO_Pos",

    position: "SELECT @@gtid_binlog_pos",
    wait: "MASTER_GTID_WAIT",
    // A position is the last transaction of its domain.
    beyond: "SELECT @@gtid_binlog_pos",
    recovery_commits: false,
    shutdown_confirms: false,
    commits_prepared_when_closed: false,

    // Whoever has all privileges writes anyway.
    unbind_root: &[],
    bind_root: &[],
    arm_semi_sync: &[
        "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC",
        "SET GLOBAL rpl_semi_sync_master_timeout=4294967295",
        "SET GLOBAL rpl_semi_sync_master_enabled=ON",
    ],
    semi_sync_enabled: "SELECT @@rpl_semi_sync_master_enabled",
    acknowledge: "rpl_semi_sync_slave_enabled",
    clients: "Rpl_semi_sync_master_clients",
    waiting: "Rpl_semi_sync_master_wait_sessions",
    dump: "Binlog Dump",
    backup_locks: &["BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"],
    leave_out: "SET GLOBAL replicate_wild_ignore_table='app.scratch%'",
    unprovable: ("SET GLOBAL gtid_strict_mode=0", "gtid_strict_mode"),
};

const MYSQL: Family = Family {
    program: "mysqld",
    package: "mysql-server",
    group: "mysqld",
    // Small and quick: the X protocol would want a port of its own, and pages need no second copy where no machine
    // loses its power.
    settings: "innodb_redo_log_capacity=8M\ninnodb_doublewrite=OFF\nmysqlx=OFF\ntable_open_cache=200\n\
        table_definition_cache=400\ngtid_mode=ON\nenforce_gtid_consistency=ON\nlog_replica_updates=1\n\
        relay_log_recovery=OFF\nreplica_preserve_commit_order=ON\nreplica_parallel_workers=4\nreplica_net_timeout=4\n\
        plugin_load_add=semisync_source.so\nplugin_load_add=semisync_replica.so\n",
    open_settings: "read_only=0\nsuper_read_only=0\nrpl_semi_sync_source_enabled=1\nskip_replica_start=0\n",
    installer: ("mysqld", &["--initialize-insecure", "--skip-log-bin"], "--init-file"),
    grants: "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';\n\
        ALTER USER root@localhost IDENTIFIED WITH auth_socket;\n\
        GRANT BACKUP_ADMIN ON *.* TO app@localhost;\n",
    administrator: &[
        "GRANT RELOAD, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, REPLICATION_SLAVE_ADMIN ON *.* TO baton@localhost;",
        "GRANT SYSTEM_VARIABLES_ADMIN, PERSIST_RO_VARIABLES_ADMIN, CONNECTION_ADMIN, XA_RECOVER_ADMIN, SYSTEM_USER \
         ON *.* TO baton@localhost;",
        "GRANT SELECT ON performance_schema.* TO baton@localhost;",
        OWN_TABLES,
    ],
    replication: "GRANT REPLICATION SLAVE, REPLICATION CLIENT, CONNECTION_ADMIN ON *.* TO replica@'%';",
    fencing_account: &[
        "CREATE USER fence@'%' IDENTIFIED BY 'fence'",
        "GRANT SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, PROCESS, REPLICATION CLIENT ON *.* TO fence@'%'",
    ],
    system_tables: "mysql.ibd",

    stop_receiver: "STOP REPLICA IO_THREAD",
    start_receiver: "START REPLICA IO_THREAD",
    stop_applier: "STOP REPLICA SQL_THREAD",
    start_applier: "START REPLICA SQL_THREAD",
    replica_status: "SHOW REPLICA STATUS",
    source: "Source_Host",
    receiver: "Replica_IO_Running",
    applier: "Replica_SQL_Running",
    received: "Retrieved_Gtid_Set",

    position: "SELECT @@gtid_executed",
    wait: "WAIT_FOR_EXECUTED_GTID_SET",
    beyond: "SELECT GTID_SUBTRACT(@@gtid_executed, '{}')",
    recovery_commits: true,
    shutdown_confirms: true,
    commits_prepared_when_closed: true,

    unbind_root: &["SET GLOBAL super_read_only=OFF"],
    bind_root: &["SET GLOBAL super_read_only=ON"],
    arm_semi_sync: &[
        "SET GLOBAL rpl_semi_sync_source_wait_point=AFTER_SYNC",
        "SET GLOBAL rpl_semi_sync_source_timeout=4294967295",
        "SET GLOBAL rpl_semi_sync_source_enabled=ON",
    ],
    semi_sync_enabled: "SELECT @@rpl_semi_sync_source_enabled",
    acknowledge: "rpl_semi_sync_replica_enabled",
    clients: "Rpl_semi_sync_source_clients",
    waiting: "Rpl_semi_sync_source_wait_sessions",
    dump: "Binlog Dump GTID",
    backup_locks: &["LOCK INSTANCE FOR BACKUP"],
    leave_out: "CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE=('app.scratch%')",
    unprovable: ("SET GLOBAL gtid_mode=ON_PERMISSIVE", "gtid_mode"),
};

pub(crate) const ALL: [&Family; 2] = [&MARIADB, &MYSQL];

/// The family of the server that is installed. MariaDB comes first: its packages may have a link `mysqld`.
pub(crate) fn family() -> &'static Family {
    static FOUND: OnceLock<&Family> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = ALL.into_iter().find(|family| find(family.program).is_some());
        found.expect("no database server is installed: tests/setup installs one (Debian package mariadb-server)")
    })
}
