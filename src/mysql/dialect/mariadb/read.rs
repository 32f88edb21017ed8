//! What MariaDB answers, read into plain data.
//!
//! Invariant: no I/O here.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::mysql::dialect::filter;
use crate::mysql::gtid::mariadb::{GtidList, Holdings};
use crate::mysql::gtid::{self, Position};
use crate::mysql::sql::Row;
use crate::mysql::state::{Disk, Link, SemiSync, Server, Thread, ThreadError};

/// One row with every variable that the agent looks at.
pub(super) const VARIABLES: &str = "SELECT VERSION() AS version, @@server_id AS server_id, @@read_only AS read_only, \
    @@gtid_strict_mode AS gtid_strict_mode, @@log_bin AS log_bin, @@log_slave_updates AS log_slave_updates, \
    @@log_bin_basename AS log_bin_basename, @@gtid_binlog_pos AS gtid_binlog_pos, \
    @@gtid_binlog_state AS gtid_binlog_state, @@gtid_slave_pos AS gtid_slave_pos, \
    @@rpl_semi_sync_master_enabled AS source_enabled, @@rpl_semi_sync_slave_enabled AS replica_enabled, \
    @@sync_binlog AS sync_binlog, @@sync_relay_log AS sync_relay_log, \
    @@innodb_flush_log_at_trx_commit AS flush_log, @@rpl_semi_sync_master_wait_point AS wait_point, @@rpl_semi_sync_master_timeout AS timeout, @@rpl_semi_sync_master_wait_no_slave AS wait_no_replica";

/// Counters of semi-synchronous replication. Not from the information schema: its tables of text are written to disk.
pub(super) const SEMI_SYNC_STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
    ('Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_wait_sessions', 'Rpl_semi_sync_master_status', \
    'Rpl_semi_sync_master_no_tx', \
    'Rpl_semi_sync_slave_status')";

/// One row for every replica that is connected.
pub(super) const REPLICAS: &str = "SHOW SLAVE HOSTS";

/// Puts together what the queries answered.
///
/// # Errors
/// [`Error::Unexpected`] naming the column and its value, when something cannot be read.
pub(super) fn server(variables: &Row, replica: Option<&Row>, semi_sync: &[Row], replicas: usize) -> Result<Server> {
    let list = |row: &Row, column: &str| {
        GtidList::parse(row.get(&[column]).unwrap_or("")).map_err(|got| Error::Unexpected {
            from: format!("the server, {column}"),
            got,
        })
    };
    let holdings = Holdings {
        history: list(variables, "gtid_binlog_state")?,
        applied: list(variables, "gtid_slave_pos")?,
        received: replica.map_or(Ok(GtidList::default()), |row| list(row, "Gtid_IO_Pos"))?,
    };
    Ok(Server {
        version: variables.text(&["version"])?.to_owned(),
        server_id: u32::try_from(variables.number(&["server_id"])?).unwrap_or(u32::MAX),
        read_only: is_read_only(variables)?,
        closed: is_read_only(variables)?,
        server_uuid: String::new(),
        unprovable: unprovable(variables)?,
        not_durable: not_durable(variables)?,
        survives_kill: variables.number(&["flush_log"])? != 0,
        // Not the server's to know.
        disk: Disk::Fine,
        skips_own: false,
        bypassing: Some(Vec::new()),
        binlog_base: variables.get(&["log_bin_basename"]).unwrap_or("").to_owned(),
        binlog_position: Position::MariaDb(list(variables, "gtid_binlog_pos")?),
        holdings: gtid::Holdings::MariaDb(holdings),
        keeps_received: false,
        link: replica.map(link).transpose()?,
        semi_sync: SemiSync {
            source_enabled: variables.switch(&["source_enabled"])?,
            replica_enabled: variables.switch(&["replica_enabled"])?,
            strict: variables.text(&["wait_point"])?.eq_ignore_ascii_case("AFTER_SYNC")
                && variables.switch(&["wait_no_replica"])?,
            timeout_ms: variables.number(&["timeout"])?,
            // Of the server's own words, only the status says what a replica does: the variable is what it will do
            // when it connects again.
            replica_acknowledges: counted(semi_sync, "Rpl_semi_sync_slave_status")? == 1,
            fell_back: counted(semi_sync, "Rpl_semi_sync_master_status")? == 0,
            acknowledgements: 1,
            most: 1,
            clients: counted(semi_sync, "Rpl_semi_sync_master_clients")?,
            connected: replicas,
            unacknowledged: counted(semi_sync, "Rpl_semi_sync_master_no_tx")? as u64,
            waiting: counted(semi_sync, "Rpl_semi_sync_master_wait_sessions")? as u64,
        },
    })
}

/// Columns of [`VARIABLES`] with the values that survive a crash of the machine, and how an administrator writes them.
const DURABLE: [(&str, &[u64], &str); 3] = [
    ("sync_binlog", &[1], "sync_binlog=1"),
    ("flush_log", &[1, 3], "innodb_flush_log_at_trx_commit=1"),
    ("sync_relay_log", &[1], "sync_relay_log=1"),
];

/// 12.0 and newer print OFF, ON, NO_LOCK or NO_LOCK_NO_ADMIN.
fn is_read_only(variables: &Row) -> Result<bool> {
    Ok(!matches!(variables.text(&["read_only"])?, "0" | "OFF"))
}

/// Columns of [`VARIABLES`] without which nothing can be compared.
const PROVABLE: [&str; 3] = ["log_bin", "log_slave_updates", "gtid_strict_mode"];

fn unprovable(variables: &Row) -> Result<Option<String>> {
    for column in PROVABLE {
        if !variables.switch(&[column])? {
            return Ok(Some(format!("{column}=ON")));
        }
    }
    Ok(None)
}

fn not_durable(variables: &Row) -> Result<Option<String>> {
    for (column, good, setting) in DURABLE {
        if !good.contains(&variables.number(&[column])?) {
            return Ok(Some(setting.to_owned()));
        }
    }
    Ok(None)
}

/// A counter, or a switch as 1 or 0. What an account may not see counts as 0.
fn counted(rows: &[Row], name: &str) -> Result<usize> {
    let row = rows.iter().find(|row| {
        row.get(&["Variable_name"])
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    });
    match row {
        None => Ok(0),
        Some(row) if row.get(&["Value"]).is_some_and(|value| value.parse::<u64>().is_err()) => {
            row.switch(&["Value"]).map(usize::from)
        }
        Some(row) => Ok(usize::try_from(row.number(&["Value"])?).unwrap_or(usize::MAX)),
    }
}

fn link(row: &Row) -> Result<Link> {
    Ok(Link {
        source: row.text(&["Master_Host"])?.to_owned(),
        receiver: thread(row, "Slave_IO_Running")?,
        applier: thread(row, "Slave_SQL_Running")?,
        receiver_error: thread_error(row, "Last_IO_Errno", "Last_IO_Error")?,
        applier_error: thread_error(row, "Last_SQL_Errno", "Last_SQL_Error")?,
        lag: row
            .get(&["Seconds_Behind_Master"])
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
        filter: filter(row),
    })
}

fn thread(row: &Row, column: &str) -> Result<Thread> {
    match row.text(&[column])? {
        "Yes" => Ok(Thread::Running),
        "Connecting" | "Preparing" => Ok(Thread::Connecting),
        "No" => Ok(Thread::Stopped),
        other => Err(Error::Unexpected {
            from: format!("the server, column {column}"),
            got: other.to_owned(),
        }),
    }
}

fn thread_error(row: &Row, code: &str, text: &str) -> Result<Option<ThreadError>> {
    let code = u32::try_from(row.number(&[code])?).unwrap_or(u32::MAX);
    let text = row.get(&[text]).unwrap_or("").to_owned();
    Ok((code != 0).then_some(ThreadError { code, text }))
}
