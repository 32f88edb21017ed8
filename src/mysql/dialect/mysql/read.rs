//! What MySQL answers, read into plain data.
//!
//! Invariant: no I/O here.

use std::time::Duration;

use super::words::{NEW_SEMI_SYNC, OLD_SEMI_SYNC, SemiSyncWords};
use crate::error::{Error, Result};
use crate::mysql::dialect::filter;
use crate::mysql::gtid::mysql::{GtidSet, Holdings};
use crate::mysql::gtid::{self, Position};
use crate::mysql::sql::Row;
use crate::mysql::state::{Disk, Link, SemiSync, Server, Thread, ThreadError};

/// Variables and what they are called in older versions. Asked for by name, so that one that a version does not have is
/// no error.
pub(super) const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', \
    'server_uuid', 'read_only', 'super_read_only', 'gtid_mode', 'enforce_gtid_consistency', 'log_bin', 'log_bin_basename', \
    'log_replica_updates', 'log_slave_updates', 'sync_binlog', 'sync_relay_log', \
    'relay_log_recovery', 'innodb_flush_log_at_trx_commit') \
    OR Variable_name LIKE 'rpl\\_semi\\_sync\\_%'";

/// Long sets would be cut off among the variables. First what is being committed: it may only be counted twice.
pub(super) const SETS: &str = "SELECT @@GLOBAL.gtid_owned AS gtid_owned, @@GLOBAL.gtid_executed AS gtid_executed";

pub(super) const SEMI_SYNC_STATUS: &str = "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%'";

/// Values by name: the rows of SHOW VARIABLES and SHOW STATUS.
pub(super) struct Named<'a>(pub(super) &'a [Row]);

impl Named<'_> {
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let is_it = |row: &&Row| {
                row.get(&["Variable_name"])
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
            };
            self.0.iter().find(is_it)?.get(&["Value"])
        })
    }

    fn is_on(&self, names: &[&str]) -> bool {
        self.get(names)
            .is_some_and(|value| ["1", "on", "yes"].contains(&value.to_ascii_lowercase().as_str()))
    }

    fn number(&self, names: &[&str]) -> Result<u64> {
        let text = self.get(names).unwrap_or("");
        text.parse().map_err(|_| Error::Unexpected {
            from: format!("the server, {}", names.join(" or ")),
            got: format!("\"{text}\""),
        })
    }

    /// A counter; 0 where the server does not have it.
    fn count(&self, name: &str) -> Result<usize> {
        match self.get(&[name]) {
            None => Ok(0),
            Some(_) => Ok(usize::try_from(self.number(&[name])?).unwrap_or(usize::MAX)),
        }
    }

    /// By what names this server knows semi-synchronous replication, if it does.
    pub(super) fn semi_sync(&self) -> Option<SemiSyncWords> {
        [NEW_SEMI_SYNC, OLD_SEMI_SYNC]
            .into_iter()
            .find(|words| self.get(&[&format!("{}_enabled", words.source)]).is_some())
    }
}

/// Puts together what the queries answered; `replicas` are those that are connected.
///
/// # Errors
/// [`Error::Unexpected`] naming what cannot be read, and its value.
pub(super) fn server(
    variables: &[Row],
    sets: &Row,
    replica: Option<&Row>,
    status: &[Row],
    replicas: usize,
) -> Result<Server> {
    let variables = Named(variables);
    let executed = set(sets.get(&["gtid_executed"]), GtidSet::parse, "gtid_executed")?;
    // What waits for an acknowledgement is in the binary log, and not executed yet.
    let owned = set(sets.get(&["gtid_owned"]), GtidSet::parse_owned, "gtid_owned")?;
    let received = replica.and_then(|row| row.get(&["Retrieved_Gtid_Set"]));
    let received = set(received, GtidSet::parse, "Retrieved_Gtid_Set")?;
    Ok(Server {
        version: variables.get(&["version"]).unwrap_or("").to_owned(),
        server_id: u32::try_from(variables.number(&["server_id"])?).unwrap_or(u32::MAX),
        server_uuid: variables.get(&["server_uuid"]).unwrap_or("").to_owned(),
        read_only: variables.is_on(&["read_only"]),
        // Without it, whoever has CONNECTION_ADMIN writes.
        closed: variables.is_on(&["super_read_only"]),
        unprovable: unprovable(&variables),
        not_durable: not_durable(&variables)?,
        survives_kill: variables.number(&["innodb_flush_log_at_trx_commit"])? != 0,
        // Not the server's to know.
        disk: Disk::Fine,
        skips_own: true,
        // super_read_only binds everybody.
        bypassing: Some(Vec::new()),
        binlog_base: variables.get(&["log_bin_basename"]).unwrap_or("").to_owned(),
        binlog_position: Position::MySql(executed.union(&owned)),
        holdings: gtid::Holdings::MySql(Holdings { executed, received }),
        // Each of its events was written to disk before it was acknowledged, and is not thrown away at a start.
        keeps_received: !variables.is_on(&["relay_log_recovery"]) && variables.number(&["sync_relay_log"])? == 1,
        link: replica.map(link).transpose()?,
        semi_sync: semi_sync(&variables, &Named(status), replicas)?,
    })
}

fn set(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> std::result::Result<GtidSet, String>,
    name: &str,
) -> Result<GtidSet> {
    parse(text.unwrap_or("")).map_err(|got| Error::Unexpected {
        from: format!("the server, {name}"),
        got,
    })
}

/// Without these, sets of transactions say nothing of what a server has.
const PROVABLE: [&[&str]; 4] = [
    &["log_bin"],
    &["log_replica_updates", "log_slave_updates"],
    &["gtid_mode"],
    &["enforce_gtid_consistency"],
];

fn unprovable(variables: &Named<'_>) -> Option<String> {
    let off = PROVABLE.iter().find(|names| !variables.is_on(names))?;
    Some(format!("{}=ON", off[0]))
}

/// Values that survive a crash of the machine.
const DURABLE: [(&str, u64); 3] = [
    ("sync_binlog", 1),
    ("innodb_flush_log_at_trx_commit", 1),
    ("sync_relay_log", 1),
];

fn not_durable(variables: &Named<'_>) -> Result<Option<String>> {
    for (name, good) in DURABLE {
        if variables.number(&[name])? != good {
            return Ok(Some(format!("{name}={good}")));
        }
    }
    Ok(None)
}

fn semi_sync(variables: &Named<'_>, status: &Named<'_>, replicas: usize) -> Result<SemiSync> {
    let Some(words) = variables.semi_sync() else {
        return Ok(SemiSync {
            source_enabled: false,
            strict: false,
            timeout_ms: 0,
            fell_back: false,
            acknowledgements: 0,
            most: 0,
            clients: 0,
            connected: replicas,
            waiting: 0,
            unacknowledged: 0,
            replica_enabled: false,
            replica_acknowledges: false,
        });
    };
    let (source, replica) = (words.source, words.replica);
    let after_sync = variables
        .get(&[&format!("{source}_wait_point")])
        .is_some_and(|point| point.eq_ignore_ascii_case("AFTER_SYNC"));
    Ok(SemiSync {
        source_enabled: variables.is_on(&[&format!("{source}_enabled")]),
        strict: after_sync && variables.is_on(&[&format!("{source}_{}", words.without_replica)]),
        timeout_ms: variables.number(&[&format!("{source}_timeout")])?,
        fell_back: !status.is_on(&[&format!("{source}_status")]),
        acknowledgements: usize::try_from(variables.number(&[&format!("{source}_{}", words.count)])?)
            .unwrap_or(usize::MAX),
        most: usize::from(u16::MAX),
        clients: status.count(&format!("{source}_clients"))?,
        connected: replicas,
        unacknowledged: status.count(&format!("{source}_no_tx"))? as u64,
        waiting: status.count(&format!("{source}_wait_sessions"))? as u64,
        replica_enabled: variables.is_on(&[&format!("{replica}_enabled")]),
        replica_acknowledges: status.is_on(&[&format!("{replica}_status")]),
    })
}

fn link(row: &Row) -> Result<Link> {
    Ok(Link {
        source: row.text(&["Source_Host", "Master_Host"])?.to_owned(),
        receiver: thread(row, &["Replica_IO_Running", "Slave_IO_Running"])?,
        applier: thread(row, &["Replica_SQL_Running", "Slave_SQL_Running"])?,
        receiver_error: thread_error(row, "Last_IO_Errno", "Last_IO_Error")?,
        applier_error: thread_error(row, "Last_SQL_Errno", "Last_SQL_Error")?,
        lag: row
            .get(&["Seconds_Behind_Source", "Seconds_Behind_Master"])
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
        filter: filter(row),
    })
}

fn thread(row: &Row, columns: &[&str]) -> Result<Thread> {
    match row.text(columns)? {
        "Yes" => Ok(Thread::Running),
        "Connecting" => Ok(Thread::Connecting),
        "No" => Ok(Thread::Stopped),
        other => Err(Error::Unexpected {
            from: format!("the server, column {}", columns[0]),
            got: other.to_owned(),
        }),
    }
}

fn thread_error(row: &Row, code: &str, text: &str) -> Result<Option<ThreadError>> {
    let code = u32::try_from(row.number(&[code])?).unwrap_or(u32::MAX);
    let text = row.get(&[text]).unwrap_or("").to_owned();
    Ok((code != 0).then_some(ThreadError { code, text }))
}
