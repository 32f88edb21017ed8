//! MySQL's words, 5.7 and newer: every statement that is sent to one. How they changed is in `words.rs`, what a server
//! answers is read in `read.rs`.
//!
//! Facts and their versions: <https://dev.mysql.com/doc/refman/9.4/en/replication-statements.html>,
//! <https://dev.mysql.com/doc/refman/9.4/en/replication-semisync.html>.

pub(crate) mod persisted;
mod read;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use super::{Version, allowed, end_each, probe, reign, relay_log_base};
use crate::error::{Error, Result};
use crate::mysql::node::{Database, Source};
use crate::mysql::reign::Reign;
use crate::mysql::sql::{Connection, Row, Statement, quote};
use crate::mysql::state::{Epoch, Server, Thread};
use crate::mysql::why::NO_FALLBACK_MS;
use crate::sys::deadline::Deadline;
use words::{SemiSyncWords, Words};

/// Sessions that a demotion may have to end: everything except replication, the server's own threads and ourselves.
const CLIENT_SESSIONS: &str = "SELECT ID AS id FROM information_schema.PROCESSLIST \
    WHERE USER NOT IN ('system user', 'event_scheduler') AND COMMAND NOT IN ('Binlog Dump', 'Binlog Dump GTID', \
    'Daemon') AND ID <> CONNECTION_ID()";

/// The applier's coordinator. The name of its thread changed with the other words.
const COORDINATOR: &str = "SELECT PROCESSLIST_ID AS id FROM performance_schema.threads \
    WHERE NAME IN ('thread/sql/replica_sql', 'thread/sql/slave_sql') AND PROCESSLIST_ID IS NOT NULL";
/// A transaction that was being received when the connection ended.
const UNFINISHED: &str = "SELECT QUEUEING_TRANSACTION AS gtid FROM \
    performance_schema.replication_connection_status WHERE CHANNEL_NAME = ''";
/// What a worker of the applier failed with.
const WORKER_ERRORS: &str = "SELECT LAST_ERROR_MESSAGE AS text FROM \
    performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = '' AND LAST_ERROR_NUMBER <> 0 LIMIT 1";
/// ER_STOP_REPLICA_IO_THREAD_TIMEOUT.
const RECEIVER_BUSY: u16 = 1876;
/// Each takes two seconds where the receiver is busy: more than the replica_net_timeout of docs/operations.md, together.
const STOP_ATTEMPTS: usize = 4;
/// How long the rollback of half a transaction is waited for, and how often is looked.
const ROLLBACK: Duration = Duration::from_secs(2);
const ROLLBACK_STEP: Duration = Duration::from_millis(20);
/// ER_UNKNOWN_SYSTEM_VARIABLE: this one has its present name since 8.0.26.
const UNKNOWN_VARIABLE: u16 = 1193;
/// ER_BAD_FIELD_ERROR: 5.7 does not have this column.
const NO_SUCH_COLUMN: u16 = 1054;

/// Options with which a server comes up closed: read-only for everybody, replication not started, not waiting for
/// anybody, no events. The relay log must survive a restart: it may have the only copy of what was acknowledged. The
/// plugins are loaded here, so that a server needs no preparation; one that is loaded already is no error.
pub(crate) fn boot_options(version: Version) -> Vec<String> {
    let words = words::of(version);
    let mut options = vec![
        "--read-only=ON".to_owned(),
        "--super-read-only=ON".to_owned(),
        words.skip_start.to_owned(),
        "--event-scheduler=OFF".to_owned(),
        "--relay-log-recovery=OFF".to_owned(),
    ];
    options.extend(words.plugins.iter().map(|plugin| format!("--plugin-load-add={plugin}")));
    for semi_sync in [words::NEW_SEMI_SYNC, words::OLD_SEMI_SYNC] {
        for side in [semi_sync.source, semi_sync.replica] {
            options.push(format!("--loose-{}-enabled=OFF", side.replace('_', "-")));
        }
    }
    options
}

pub(crate) struct MySql {
    connection: Connection,
    words: &'static Words,
}

impl MySql {
    pub(crate) fn new(connection: Connection, version: Version) -> MySql {
        MySql {
            connection,
            words: words::of(version),
        }
    }

    /// `START REPLICA` and the like, for our channel alone.
    fn replica(&mut self, verb: &str, what: &str) -> Result<()> {
        let replica = self.words.replica;
        self.connection.run(format!("{verb} {replica} {what} FOR CHANNEL ''"))
    }

    /// The status of our channel, which has no name. Others are somebody else's.
    fn replica_status(&mut self) -> Result<Option<Row>> {
        let channels = self.connection.rows(&format!("SHOW {} STATUS", self.words.replica))?;
        let is_ours = |row: &Row| row.get(&["Channel_Name"]).unwrap_or("").is_empty();
        Ok(channels.into_iter().find(is_ours))
    }

    /// Where several workers apply, the status only says that one of them failed.
    fn add_worker_error(&mut self, server: &mut Server) -> Result<()> {
        let applier_error = server.link.as_mut().and_then(|link| link.applier_error.as_mut());
        let Some(error) = applier_error else { return Ok(()) };
        let workers = self.connection.rows(WORKER_ERRORS)?;
        if let Some(text) = workers.first().and_then(|row| row.get(&["text"])) {
            text.clone_into(&mut error.text);
        }
        Ok(())
    }

    /// The words of the semi-synchronous plugin.
    ///
    /// # Errors
    /// When none is loaded.
    fn semi_sync(&mut self) -> Result<SemiSyncWords> {
        let variables = self.connection.rows(read::VARIABLES)?;
        read::Named(&variables)
            .semi_sync()
            .ok_or_else(|| Error::State(crate::mysql::why::Why::NoSemiSync.to_string()))
    }

    /// Where the applier waits inside a transaction whose end will never come, STOP REPLICA would wait with it for a
    /// minute; ended by KILL it rolls that transaction back at once. But only if it hears of KILL before it hears of STOP:
    /// it is waited for.
    fn end_unfinished(&mut self) -> Result<()> {
        let unfinished = match self.connection.rows(UNFINISHED) {
            Err(Error::Sql {
                code: NO_SUCH_COLUMN, ..
            }) => return Ok(()),
            other => other?,
        };
        let is_open = |gtid: &str| !gtid.is_empty() && gtid != "ANONYMOUS";
        if !unfinished.iter().any(|row| row.get(&["gtid"]).is_some_and(is_open)) {
            return Ok(());
        }
        end_each(&mut self.connection, COORDINATOR, &[])?;
        let ended = Deadline::after(ROLLBACK).poll("the applier's end", ROLLBACK_STEP, || {
            Ok(self.connection.rows(COORDINATOR)?.is_empty().then_some(()))
        });
        match ended {
            // It heard long ago, and undoes a large transaction.
            Err(Error::Timeout { .. }) => Ok(()),
            other => other,
        }
    }

    /// A receiver hears the order when its attempt to connect is over.
    fn stop_receiver(&mut self) -> Result<()> {
        for _ in 1..STOP_ATTEMPTS {
            match self.replica("STOP", "IO_THREAD") {
                Err(Error::Sql {
                    code: RECEIVER_BUSY, ..
                }) => {}
                other => return other,
            }
        }
        self.replica("STOP", "IO_THREAD")
    }

    /// STOP REPLICA gives up as soon as it can: after two seconds.
    fn be_impatient(&mut self) -> Result<()> {
        match self.set("rpl_stop_replica_timeout", 2) {
            Err(Error::Sql {
                code: UNKNOWN_VARIABLE, ..
            }) => self.set("rpl_stop_slave_timeout", 2),
            other => other,
        }
    }

    fn set(&mut self, variable: &str, value: impl std::fmt::Display) -> Result<()> {
        self.connection.run(format!("SET GLOBAL {variable}={value}"))
    }
}

impl Database for MySql {
    fn observe(&mut self) -> Result<Server> {
        // What was received before what was executed: it may only be counted too low, never too high.
        let replica = self.replica_status()?;
        let sets = self.connection.row(read::SETS)?;
        let variables = self.connection.rows(read::VARIABLES)?;
        let semi_sync = self.connection.rows(read::SEMI_SYNC_STATUS)?;
        let replicas = self.connection.rows(self.words.replicas)?;
        let mut server = read::server(&variables, &sets, replica.as_ref(), &semi_sync, replicas.len())?;
        self.add_worker_error(&mut server)?;
        Ok(server)
    }

    fn observe_as_peer(&mut self) -> Result<Server> {
        let replica = allowed(self.replica_status())?;
        let sets = self.connection.row(read::SETS)?;
        let variables = self.connection.rows(read::VARIABLES)?;
        let mut server = read::server(&variables, &sets, replica.flatten().as_ref(), &[], 0)?;
        // A replica may already have executed what this primary still waits for.
        server.holdings.add(&server.binlog_position);
        Ok(server)
    }

    fn relay_log_base(&mut self) -> Result<Option<String>> {
        let status = self.replica_status()?;
        let base = |status| relay_log_base(&mut self.connection, status);
        status.as_ref().map_or(Ok(None), base)
    }

    fn start_applier(&mut self) -> Result<()> {
        self.replica("START", "SQL_THREAD")
    }

    fn start_replication(&mut self) -> Result<()> {
        self.replica("START", "")
    }

    fn stop_replication(&mut self) -> Result<()> {
        self.be_impatient()?;
        self.stop_receiver()?;
        self.end_unfinished()?;
        self.replica("STOP", "")
    }

    fn follow(&mut self, source: &Source<'_>) -> Result<()> {
        if let Ok(words) = self.semi_sync() {
            self.set(&format!("{}_enabled", words.replica), switch(source.acknowledge))?;
        }
        self.connection.run(change_source(self.words, source))?;
        self.replica("START", "")
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
        self.replica("RESET", "ALL")
    }

    fn arm(&mut self, acknowledgements: usize) -> Result<()> {
        let words = self.semi_sync()?;
        let source = words.source;
        self.set(&format!("{}_enabled", words.replica), "OFF")?;
        self.set(&format!("{source}_wait_point"), "AFTER_SYNC")?;
        self.set(&format!("{source}_timeout"), NO_FALLBACK_MS)?;
        self.set(&format!("{source}_{}", words.without_replica), "ON")?;
        self.set(&format!("{source}_{}", words.count), acknowledgements)?;
        self.set(&format!("{source}_enabled"), "ON")
    }

    fn disarm(&mut self) -> Result<()> {
        let words = self.semi_sync()?;
        self.set(&format!("{}_enabled", words.source), "OFF")
    }

    /// A restart of the receiver keeps the relay log. The switch must not change while it is connected: at the next loss
    /// of the connection the receiver would end with error 13117, and stay so.
    fn acknowledge(&mut self, on: bool) -> Result<()> {
        let switch_over = format!("{}_enabled", self.semi_sync()?.replica);
        let connected = self
            .observe()?
            .link
            .is_some_and(|link| link.receiver != Thread::Stopped);
        if !connected {
            return self.set(&switch_over, switch(on));
        }
        self.stop_receiver()?;
        let switched = self.set(&switch_over, switch(on));
        self.replica("START", "IO_THREAD").and(switched)
    }

    fn open(&mut self) -> Result<()> {
        self.set("super_read_only", "OFF")?;
        self.set("read_only", "OFF")?;
        self.set("offline_mode", "OFF")
    }

    fn let_readers_in(&mut self) -> Result<()> {
        self.set("offline_mode", "OFF")
    }

    fn run_events(&mut self, on: bool) -> Result<()> {
        self.set("event_scheduler", switch(on))
    }

    fn prepared_transactions(&mut self) -> Result<usize> {
        self.connection.rows("XA RECOVER").map(|rows| rows.len())
    }

    /// A server that stops waits for its applier before it ends its sessions: for one that is in the middle of half a
    /// transaction, or that a session's lock holds up. What was received is kept.
    fn make_way_for_stop(&mut self) -> Result<()> {
        self.end_sessions(&[])?;
        match self.replica_status()? {
            Some(_) => self.stop_replication(),
            None => Ok(()),
        }
    }

    fn session(&self) -> u64 {
        self.connection.id()
    }

    fn make_read_only(&mut self, limit: Duration) -> Result<()> {
        let limit = limit.as_secs().max(1);
        self.connection.run(format!("SET lock_wait_timeout={limit}"))?;
        self.set("super_read_only", "ON")
    }

    /// A killed session goes on waiting for its acknowledgement, and is told OK when that comes. So everybody is cut off
    /// first; then the waiting ends without anybody to be told.
    fn end_sessions(&mut self, except: &[u64]) -> Result<()> {
        self.set("offline_mode", "ON")?;
        end_each(&mut self.connection, CLIENT_SESSIONS, except)?;
        match self.semi_sync() {
            Ok(words) => self.set(&format!("{}_enabled", words.source), "OFF"),
            Err(_) => Ok(()),
        }
    }
}

fn switch(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// Restates everything about the source, so that no option of an earlier one is left. The server gives up after ten
/// attempts unless it is told otherwise.
fn change_source(words: &Words, source: &Source<'_>) -> Statement {
    let login = source.login;
    let mut options = vec![
        format!("HOST={}", quote(source.host)),
        format!("PORT={}", source.port),
        format!("USER={}", quote(&login.user)),
        "AUTO_POSITION=1".to_owned(),
        "CONNECT_RETRY=1".to_owned(),
        format!("RETRY_COUNT={}", u32::MAX),
        "HEARTBEAT_PERIOD=1".to_owned(),
        "DELAY=0".to_owned(),
    ];
    let tls = login.tls.as_ref();
    options.push(format!("SSL={}", u8::from(tls.is_some())));
    let file = |path: Option<&PathBuf>| quote(&path.map(|path| path.display().to_string()).unwrap_or_default());
    let identity = tls.and_then(|tls| tls.identity.as_ref());
    options.push(format!("SSL_CA={}", file(tls.and_then(|tls| tls.ca.as_ref()))));
    options.push(format!(
        "SSL_CERT={}",
        file(identity.map(|(certificate, _)| certificate))
    ));
    options.push(format!("SSL_KEY={}", file(identity.map(|(_, key)| key))));
    options.push(format!(
        "SSL_VERIFY_SERVER_CERT={}",
        u8::from(tls.is_some_and(|tls| tls.verify))
    ));
    if words.chooses_source {
        options.push("CONNECTION_AUTO_FAILOVER=0".to_owned());
    }
    let prefix = words.option;
    let mut options: Vec<String> = options.iter().map(|option| format!("{prefix}_{option}")).collect();
    if words.option == "SOURCE" && tls.is_none() {
        // Passwords of the default kind do not travel in clear: they need TLS, or the source's key.
        options.push("GET_SOURCE_PUBLIC_KEY=1".to_owned());
    }
    let (change, options) = (words.change, options.join(", "));
    let password = login.password.clone().unwrap_or_default();
    Statement::hiding(
        format!(
            "{change} {options}, {prefix}_PASSWORD={} FOR CHANNEL ''",
            quote(password.reveal())
        ),
        format!("{change} {options}, {prefix}_PASSWORD='***' FOR CHANNEL ''"),
        password,
    )
}

#[cfg(test)]
mod tests;
