//! MariaDB's words, 10.5 to 12: every statement that is sent to one. What it answers is read in `read.rs`.
//!
//! Facts and their versions: <https://mariadb.com/kb/en/gtid/>,
//! <https://mariadb.com/kb/en/semisynchronous-replication/>, <https://mariadb.com/kb/en/change-master-to/>.

mod read;

use std::path::PathBuf;
use std::time::Duration;

use super::{Version, allowed, end_each, probe, reign, relay_log_base};
use crate::error::Result;
use crate::mysql::decide::Recovery;
use crate::mysql::node::{Database, Source};
use crate::mysql::reign::Reign;
use crate::mysql::sql::{Connection, Row, Statement, quote};
use crate::mysql::state::{Epoch, Server, Thread};
use crate::mysql::why::NO_FALLBACK_MS;

/// No row when the server follows nobody.
const REPLICA_STATUS: &str = "SHOW SLAVE STATUS";

/// Sessions that a demotion may have to end: everything except replication, the server's own threads and ourselves.
const CLIENT_SESSIONS: &str = "SELECT ID AS id FROM information_schema.PROCESSLIST \
    WHERE USER NOT IN ('system user', 'event_scheduler') AND COMMAND NOT IN ('Binlog Dump', 'Daemon', 'Slave_IO', \
    'Slave_SQL', 'Slave_worker') AND ID <> CONNECTION_ID()";

/// STOP SLAVE tells the source to end its side of the connection, and waits this long (seconds) for a source that is
/// dead: the default of 5 delays every promotion after a power failure. 0 would wait for more than two minutes.
const DEAD_SOURCE_LIMIT: &str = "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1";

/// Only while no session waits: switching it off answers waiting commits with OK. On a replica it must be off, or its
/// applier waits for acknowledgements that nobody sends.
const DISARM: &str = "SET GLOBAL rpl_semi_sync_master_enabled=OFF";

/// Command line with which a server comes up closed: read-only, replication not started, not waiting for anybody, no
/// event that writes with its definer's privileges. MariaDB has no persisted variables: the command line wins over every
/// configuration file. The replica's semi-sync flag must be off at boot: releases before those of [`can_truncate`] take
/// it as the order to drop an unconfirmed tail.
const CLOSED_AT_BOOT: [&str; 5] = [
    "--read-only=1",
    "--skip-slave-start",
    "--rpl-semi-sync-master-enabled=OFF",
    "--rpl-semi-sync-slave-enabled=OFF",
    "--event-scheduler=OFF",
];

/// Removes transactions that were never confirmed from the binary log during crash recovery. It may remove the last
/// confirmed one as well, so another node must hold everything.
const TRUNCATE_UNCONFIRMED: &str = "--init-rpl-role=SLAVE";
/// Keeps them, whatever a configuration file says.
const COMMIT_UNCONFIRMED: &str = "--init-rpl-role=MASTER";
/// First versions of each series that decide by this option (MDEV-33465); in later series it is always there.
const TRUNCATES_SINCE: [Version; 6] = [
    Version(10, 6, 19),
    Version(10, 11, 9),
    Version(11, 1, 6),
    Version(11, 2, 5),
    Version(11, 4, 3),
    Version(11, 5, 2),
];

pub(crate) fn can_truncate(version: Version) -> bool {
    let series = TRUNCATES_SINCE
        .iter()
        .find(|since| (since.0, since.1) == (version.0, version.1));
    match series {
        Some(since) => version >= *since,
        None => version > Version(11, 5, 2),
    }
}

/// Options that a server is always launched with, after all others.
pub(crate) fn boot_options(recovery: Recovery) -> Vec<String> {
    let tail = match recovery {
        Recovery::Commit => COMMIT_UNCONFIRMED,
        Recovery::Truncate => TRUNCATE_UNCONFIRMED,
    };
    let options = CLOSED_AT_BOOT.iter().chain([&tail]);
    options.map(|option| (*option).to_owned()).collect()
}

/// Bits of a privilege in `mysql.global_priv`.
const SUPER: u64 = 1 << 15;
const READ_ONLY_ADMIN: u64 = 1 << 33;
/// From this version on, SUPER alone does not write to a read-only server.
const SUPER_IS_BOUND: Version = Version(10, 11, 0);
/// What an older version wrote to `mysql.global_priv` is read as it was meant: there, SUPER has READ ONLY ADMIN in it.
/// Such a row stays until the next GRANT to its account (sql/privilege.h, `User_table_json::adjust_access`).
const SPLIT_OF_SUPER: &str = "100502";

/// Accounts with one of these privileges, also through roles, except the server's own, the administrator's, and the one that
/// asks.
fn holders_of(privileges: u64) -> String {
    format!(
        "WITH RECURSIVE holder (host, user) AS (SELECT Host, User FROM mysql.global_priv \
         WHERE JSON_VALUE(Priv, '$.access') & {privileges} OR JSON_VALUE(Priv, '$.access') & {SUPER} \
         AND COALESCE(JSON_VALUE(Priv, '$.version_id'), 0) < {SPLIT_OF_SUPER} UNION SELECT mapping.Host, mapping.User \
         FROM mysql.roles_mapping mapping JOIN holder ON holder.user = mapping.Role AND holder.host = '') \
         SELECT DISTINCT CONCAT(user, '@', host) AS account FROM holder WHERE host <> '' \
         AND user NOT IN ('root', 'mysql', 'mariadb.sys') HAVING account <> CURRENT_USER() ORDER BY account"
    )
}

pub(crate) struct MariaDb {
    connection: Connection,
    version: Version,
}

impl MariaDb {
    pub(crate) fn new(connection: Connection, version: Version) -> MariaDb {
        MariaDb { connection, version }
    }

    /// Accounts that `read_only` does not bind, by themselves or by a role.
    fn bypassing(&mut self) -> Result<Option<Vec<String>>> {
        let privileges = if self.version < SUPER_IS_BOUND {
            READ_ONLY_ADMIN | SUPER
        } else {
            READ_ONLY_ADMIN
        };
        let holders = allowed(self.connection.rows(&holders_of(privileges)))?;
        let account = |row: &Row| row.get(&["account"]).map(str::to_owned);
        Ok(holders.map(|rows| rows.iter().filter_map(account).collect()))
    }
}

impl Database for MariaDb {
    fn observe(&mut self) -> Result<Server> {
        // The replica's own status before the positions: what is received may only be counted too low, never too high.
        let replica = self.connection.rows(REPLICA_STATUS)?;
        let variables = self.connection.row(read::VARIABLES)?;
        let semi_sync = self.connection.rows(read::SEMI_SYNC_STATUS)?;
        let replicas = self.connection.rows(read::REPLICAS)?;
        let server = read::server(&variables, replica.first(), &semi_sync, replicas.len())?;
        Ok(Server {
            bypassing: self.bypassing()?,
            ..server
        })
    }

    fn observe_as_peer(&mut self) -> Result<Server> {
        let replica = allowed(self.connection.rows(REPLICA_STATUS))?.unwrap_or_default();
        let variables = self.connection.row(read::VARIABLES)?;
        read::server(&variables, replica.first(), &[], 0)
    }

    fn relay_log_base(&mut self) -> Result<Option<String>> {
        let replica = self.connection.rows(REPLICA_STATUS)?;
        let base = |status| relay_log_base(&mut self.connection, status);
        replica.first().map_or(Ok(None), base)
    }

    /// Starting anything while both threads are stopped deletes the relay logs: the caller knows that one runs.
    fn start_applier(&mut self) -> Result<()> {
        self.connection.run("START SLAVE SQL_THREAD")
    }

    fn start_replication(&mut self) -> Result<()> {
        self.connection.run("START SLAVE")
    }

    fn stop_replication(&mut self) -> Result<()> {
        self.connection.run("STOP SLAVE")
    }

    fn follow(&mut self, source: &Source<'_>) -> Result<()> {
        if let Some(position) = source.resume {
            let position = quote(&position.to_string());
            self.connection.run(format!("SET GLOBAL gtid_slave_pos={position}"))?;
        }
        self.connection.run(acknowledging(source.acknowledge))?;
        self.connection.run(DEAD_SOURCE_LIMIT)?;
        self.connection.run(change_source(source))?;
        self.connection.run("START SLAVE")
    }

    fn record_reign(&mut self, epoch: &Epoch, server_uuid: &str) -> Result<()> {
        reign::write(&mut self.connection, epoch, server_uuid)
    }

    fn reigns(&mut self) -> Result<Vec<Reign>> {
        reign::read(&mut self.connection)
    }

    fn write_locally(&mut self) -> Result<()> {
        probe::write(&mut self.connection)
    }

    fn forget_source(&mut self) -> Result<()> {
        self.connection.run("RESET SLAVE ALL")
    }

    /// One acknowledgement is all that it can wait for.
    fn arm(&mut self, _acknowledgements: usize) -> Result<()> {
        self.connection.run("SET GLOBAL rpl_semi_sync_slave_enabled=OFF")?;
        self.connection
            .run("SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC")?;
        self.connection
            .run(format!("SET GLOBAL rpl_semi_sync_master_timeout={NO_FALLBACK_MS}"))?;
        self.connection
            .run("SET GLOBAL rpl_semi_sync_master_wait_no_slave=ON")?;
        self.connection.run("SET GLOBAL rpl_semi_sync_master_enabled=ON")
    }

    fn disarm(&mut self) -> Result<()> {
        self.connection.run(DISARM)
    }

    /// The switch counts from the next connection on. The receiver may be restarted only while the applier runs: with
    /// both stopped, the start deletes the relay logs.
    fn acknowledge(&mut self, on: bool) -> Result<()> {
        self.connection.run(acknowledging(on))?;
        let Some(link) = self.observe()?.link else {
            return Ok(());
        };
        if link.applier == Thread::Running && link.receiver != Thread::Stopped {
            self.connection.run("STOP SLAVE IO_THREAD")?;
            self.connection.run("START SLAVE IO_THREAD")?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        self.connection.run("SET GLOBAL read_only=OFF")
    }

    /// Nobody was locked out.
    fn let_readers_in(&mut self) -> Result<()> {
        Ok(())
    }

    fn run_events(&mut self, on: bool) -> Result<()> {
        let switch = if on { "ON" } else { "OFF" };
        self.connection.run(format!("SET GLOBAL event_scheduler={switch}"))
    }

    fn prepared_transactions(&mut self) -> Result<usize> {
        self.connection.rows("XA RECOVER").map(|rows| rows.len())
    }

    /// It ends its sessions and its replication by itself.
    fn make_way_for_stop(&mut self) -> Result<()> {
        Ok(())
    }

    fn session(&self) -> u64 {
        self.connection.id()
    }

    /// Holds back every new write while it waits for commits in progress.
    fn make_read_only(&mut self, limit: Duration) -> Result<()> {
        let limit = limit.as_secs().max(1);
        self.connection.run(format!("SET lock_wait_timeout={limit}"))?;
        self.connection.run("SET GLOBAL read_only=ON")
    }

    /// KILL CONNECTION, never KILL QUERY: a session that waits for an acknowledgement would answer a killed query with
    /// OK.
    fn end_sessions(&mut self, except: &[u64]) -> Result<()> {
        end_each(&mut self.connection, CLIENT_SESSIONS, except)
    }
}

fn acknowledging(on: bool) -> String {
    let switch = if on { "ON" } else { "OFF" };
    format!("SET GLOBAL rpl_semi_sync_slave_enabled={switch}")
}

/// Restates everything about the source, so that no option of an earlier one is left.
fn change_source(source: &Source<'_>) -> Statement {
    let login = source.login;
    let mut options = vec![
        format!("MASTER_HOST={}", quote(source.host)),
        format!("MASTER_PORT={}", source.port),
        format!("MASTER_USER={}", quote(&login.user)),
        "MASTER_USE_GTID=slave_pos".to_owned(),
        "MASTER_CONNECT_RETRY=1".to_owned(),
        "MASTER_HEARTBEAT_PERIOD=1".to_owned(),
        "MASTER_DELAY=0".to_owned(),
    ];
    let tls = login.tls.as_ref();
    options.push(format!("MASTER_SSL={}", u8::from(tls.is_some())));
    if let Some(tls) = tls {
        let file = |path: Option<&PathBuf>| quote(&path.map(|path| path.display().to_string()).unwrap_or_default());
        let identity = tls.identity.as_ref();
        options.push(format!("MASTER_SSL_CA={}", file(tls.ca.as_ref())));
        options.push(format!(
            "MASTER_SSL_CERT={}",
            file(identity.map(|(certificate, _)| certificate))
        ));
        options.push(format!("MASTER_SSL_KEY={}", file(identity.map(|(_, key)| key))));
        options.push(format!("MASTER_SSL_VERIFY_SERVER_CERT={}", u8::from(tls.verify)));
    }
    let options = options.join(", ");
    let password = login.password.clone().unwrap_or_default();
    Statement::hiding(
        format!(
            "CHANGE MASTER TO {options}, MASTER_PASSWORD={}",
            quote(password.reveal())
        ),
        format!("CHANGE MASTER TO {options}, MASTER_PASSWORD='***'"),
        password,
    )
}

#[cfg(test)]
mod tests;
