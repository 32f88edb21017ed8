//! What differs between the families of servers: programs, statements, columns. `LAB_FLAVOUR` decides which one runs.
//!
//! No other file of these tests spells a word that only one family knows.

use mysql::Row;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    MariaDb,
    MySql,
}

/// Statements, separated by semicolons, or a command, in the words of each family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) mariadb: &'static str,
    pub(crate) mysql: &'static str,
}

impl Words {
    pub(crate) fn of(self, family: Family) -> &'static str {
        match family {
            Family::MariaDb => self.mariadb,
            Family::MySql => self.mysql,
        }
    }
}

/// Words that both families understand.
pub(crate) const fn both(words: &'static str) -> Words {
    Words {
        mariadb: words,
        mysql: words,
    }
}

/// 1 on a server that is as closed as its family can be, for some administrators too.
pub(crate) const CLOSED: Words = Words {
    mariadb: "SELECT @@GLOBAL.read_only",
    mysql: "SELECT @@GLOBAL.super_read_only",
};
/// Everything executed: equal text, but for the order of its parts, means equal contents.
pub(crate) const POSITION: Words = Words {
    mariadb: "SELECT @@GLOBAL.gtid_current_pos",
    mysql: "SELECT @@GLOBAL.gtid_executed",
};
/// 1 on a primary whose commits wait for a replica.
pub(crate) const WAITS: Words = Words {
    mariadb: "SELECT @@GLOBAL.rpl_semi_sync_master_enabled",
    mysql: "SELECT @@GLOBAL.rpl_semi_sync_source_enabled",
};
/// How many replicas acknowledge.
pub(crate) const ACKNOWLEDGING: Words = Words {
    mariadb: "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
              WHERE VARIABLE_NAME = 'Rpl_semi_sync_master_clients'",
    mysql: "SELECT VARIABLE_VALUE FROM performance_schema.global_status \
            WHERE VARIABLE_NAME = 'Rpl_semi_sync_source_clients'",
};

/// On a replica, a row that its primary does not have, and that no other server gets.
pub(crate) const ROW_OF_ITS_OWN: Words = Words {
    mariadb: "SET sql_log_bin = 0; INSERT INTO app.writes VALUES (4000000000, 1)",
    mysql: "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; INSERT INTO app.writes VALUES (4000000000, 1); \
            SET GLOBAL super_read_only = ON",
};
pub(crate) const NO_ROW_OF_ITS_OWN: Words = Words {
    mariadb: "SET sql_log_bin = 0; DELETE FROM app.writes WHERE writer = 4000000000",
    mysql: "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; DELETE FROM app.writes WHERE writer = 4000000000; \
            SET GLOBAL super_read_only = ON",
};
/// On a replica, a transaction that its primary does not have and that does not stop replication.
pub(crate) const ERRANT_TRANSACTION: Words = Words {
    mariadb: "SET SESSION gtid_domain_id = 9; INSERT INTO app.writes VALUES (4000000000, 2)",
    mysql: "SET GLOBAL super_read_only = OFF; INSERT INTO app.writes VALUES (4000000000, 2); \
            SET GLOBAL super_read_only = ON",
};
/// What the cluster says of a replica on which a transaction without data was made by hand. MariaDB numbers it like
/// the primary's next one, which then cannot be executed; in MySQL it is one more that the primary does not have.
pub(crate) const SAID_OF_FLUSHED: Words = Words {
    mariadb: "the replica cannot apply: error 1950",
    mysql: "does not have",
};
/// Settings that would open a server at its next start.
pub(crate) const OPEN_AT_BOOT: Words = Words {
    mariadb: "printf '%s\n' '[mariadbd]' read_only=OFF event_scheduler=ON rpl_semi_sync_master_enabled=ON \
              >/etc/mysql/mariadb.conf.d/99-open.cnf",
    mysql: "mysql --execute 'SET PERSIST_ONLY super_read_only = OFF; SET PERSIST_ONLY read_only = OFF; \
            SET PERSIST_ONLY offline_mode = ON; SET PERSIST_ONLY event_scheduler = ON'",
};
pub(crate) const FORGET_OPEN_AT_BOOT: Words = Words {
    mariadb: "rm /etc/mysql/mariadb.conf.d/99-open.cnf",
    mysql: "mysql --execute 'RESET PERSIST IF EXISTS super_read_only; RESET PERSIST IF EXISTS read_only; \
            RESET PERSIST IF EXISTS offline_mode; RESET PERSIST IF EXISTS event_scheduler'",
};
/// The server is killed and started at once, as a supervisor of its own would do it: as its configuration says.
pub(crate) const RESTART_OPEN: Words = Words {
    mariadb: "pkill -KILL --exact mariadbd; (setsid mariadbd --user=mysql >/dev/null 2>&1 &)",
    mysql: "pkill -KILL --exact mysqld; (setsid mysqld --user=mysql >/dev/null 2>&1 &)",
};
/// The same, closed; MariaDB's drops what no replica confirmed, and may drop the last thing that one did.
pub(crate) const RESTART_CLOSED: Words = Words {
    mariadb: "pkill -KILL --exact mariadbd; (setsid mariadbd --user=mysql --read-only --init-rpl-role=SLAVE \
              >/dev/null 2>&1 &)",
    mysql: "pkill -KILL --exact mysqld; (setsid mysqld --user=mysql --super-read-only=ON >/dev/null 2>&1 &)",
};

/// What a replica says of its replication.
pub(crate) struct Replication {
    pub(crate) source: String,
    pub(crate) receiver: String,
    pub(crate) applier: String,
}

impl Family {
    /// The family that the lab's nodes of this flavour have.
    pub(crate) fn of_flavour(flavour: &str) -> Family {
        match flavour {
            "sid" => Family::MySql,
            _ => Family::MariaDb,
        }
    }

    /// The command line client, as an administrator's, through the local socket.
    pub(crate) fn client(self) -> &'static str {
        match self {
            Family::MariaDb => "mariadb",
            Family::MySql => "mysql",
        }
    }

    /// Waits for a moment until all of that is executed; 0 when it is.
    pub(crate) fn wait_for(self, position: &str) -> String {
        match self {
            Family::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', 1)"),
            Family::MySql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 1)"),
        }
    }

    /// Reads a row of `SHOW REPLICA STATUS`.
    pub(crate) fn replication(self, row: &Row) -> Replication {
        let [source, receiver, applier] = match self {
            Family::MariaDb => ["Master_Host", "Slave_IO_Running", "Slave_SQL_Running"],
            Family::MySql => ["Source_Host", "Replica_IO_Running", "Replica_SQL_Running"],
        };
        let text = |column: &str| row.get::<String, _>(column).unwrap_or_default();
        Replication {
            source: text(source),
            receiver: text(receiver),
            applier: text(applier),
        }
    }
}
