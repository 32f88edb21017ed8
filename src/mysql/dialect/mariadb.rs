//! MariaDB's words: statements, columns and variables, 10.5 to 12.
//!
//! Invariant: no I/O here. Facts and their versions: <https://mariadb.com/kb/en/gtid/>,
//! <https://mariadb.com/kb/en/semisynchronous-replication/>, <https://mariadb.com/kb/en/change-master-to/>.

use std::path::PathBuf;
use std::time::Duration;

use super::Version;
use crate::error::{Error, Result};
use crate::mysql::gtid::{GtidList, Holdings};
use crate::mysql::sql::{Login, Row, Statement, quote};
use crate::mysql::state::{Link, SemiSync, Server, Thread, ThreadError};
use crate::mysql::why::NO_FALLBACK_MS;

/// One row with every variable that the agent looks at.
pub(crate) const VARIABLES: &str = "SELECT VERSION() AS version, @@server_id AS server_id, @@read_only AS read_only, \
    @@gtid_strict_mode AS gtid_strict_mode, @@log_bin AS log_bin, @@log_slave_updates AS log_slave_updates, \
    @@log_bin_basename AS log_bin_basename, @@gtid_binlog_pos AS gtid_binlog_pos, \
    @@gtid_binlog_state AS gtid_binlog_state, @@gtid_slave_pos AS gtid_slave_pos, \
    @@rpl_semi_sync_master_enabled AS source_enabled, @@rpl_semi_sync_slave_enabled AS replica_enabled, \
    @@sync_binlog AS sync_binlog, @@sync_relay_log AS sync_relay_log, \
    @@innodb_flush_log_at_trx_commit AS flush_log, @@rpl_semi_sync_master_wait_point AS wait_point, @@rpl_semi_sync_master_timeout AS timeout";

/// No row when the server follows nobody.
pub(crate) const REPLICA_STATUS: &str = "SHOW SLAVE STATUS";

/// Two rows: replicas connected that acknowledge, and sessions that wait for one.
pub(crate) const SEMI_SYNC_STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
    ('Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_wait_sessions')";

pub(crate) const VERSION: &str = "SELECT VERSION() AS version";
pub(crate) const READ_ONLY_ON: &str = "SET GLOBAL read_only=ON";
pub(crate) const READ_ONLY_OFF: &str = "SET GLOBAL read_only=OFF";
pub(crate) const STOP_REPLICATION: &str = "STOP SLAVE";
pub(crate) const START_REPLICATION: &str = "START SLAVE";
/// Leaves the receiver alone: starting anything while both threads are stopped deletes the relay logs.
pub(crate) const START_APPLIER: &str = "START SLAVE SQL_THREAD";
/// Forgets the source, keeps `gtid_slave_pos`, deletes the relay logs: only after they are drained.
pub(crate) const FORGET_SOURCE: &str = "RESET SLAVE ALL";

/// Sessions that a demotion may have to end: everything except replication, the server's own threads and ourselves.
pub(crate) const CLIENT_SESSIONS: &str = "SELECT ID AS id FROM information_schema.PROCESSLIST \
    WHERE USER NOT IN ('system user', 'event_scheduler') AND COMMAND NOT IN ('Binlog Dump', 'Daemon', 'Slave_IO', \
    'Slave_SQL', 'Slave_worker') AND ID <> CONNECTION_ID()";

/// KILL CONNECTION, never KILL QUERY: a session that waits for an acknowledgement would answer a killed query with OK.
pub(crate) fn kill(session: u64) -> Statement {
    format!("KILL CONNECTION {session}").into()
}

/// Waits for an acknowledgement before a commit returns and before others see it; no silent fallback.
pub(crate) fn arm_semi_sync() -> [Statement; 5] {
    [
        "SET GLOBAL rpl_semi_sync_slave_enabled=OFF".into(),
        "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC".into(),
        format!("SET GLOBAL rpl_semi_sync_master_timeout={NO_FALLBACK_MS}").into(),
        "SET GLOBAL rpl_semi_sync_master_wait_no_slave=ON".into(),
        "SET GLOBAL rpl_semi_sync_master_enabled=ON".into(),
    ]
}

/// Only while no session waits: switching it off answers waiting commits with OK. On a replica it must be off, or its
/// applier waits for acknowledgements that nobody sends.
pub(crate) const DISARM_SEMI_SYNC: &str = "SET GLOBAL rpl_semi_sync_master_enabled=OFF";

/// Before START SLAVE, also where nobody waits for it: a primary that lost its tail skips its own transactions without
/// an error if this is off.
pub(crate) const ACKNOWLEDGE: &str = "SET GLOBAL rpl_semi_sync_slave_enabled=ON";
/// STOP SLAVE tells the source to end its side of the connection, and waits this long (seconds) for a source that is
/// dead: the default of 5 delays every promotion after a power failure. 0 would wait for more than two minutes.
pub(crate) const DEAD_SOURCE_LIMIT: &str = "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1";

pub(crate) fn set_resume_position(position: &GtidList) -> Statement {
    format!("SET GLOBAL gtid_slave_pos={}", quote(&position.to_string())).into()
}

/// Command line with which a server comes up closed: read-only, replication not started, not waiting for anybody, no
/// event that writes with its definer's privileges. MariaDB has no persisted variables: the command line wins over every
/// configuration file. The replica's semi-sync flag must be off at boot: releases before those of [`can_truncate`] take
/// it as the order to drop an unconfirmed tail.
pub(crate) const CLOSED_AT_BOOT: [&str; 5] = [
    "--read-only=1",
    "--skip-slave-start",
    "--rpl-semi-sync-master-enabled=OFF",
    "--rpl-semi-sync-slave-enabled=OFF",
    "--event-scheduler=OFF",
];
/// Events write with the privileges of their definer, read-only or not: they run on the primary alone.
pub(crate) const EVENTS_OFF: &str = "SET GLOBAL event_scheduler=OFF";
pub(crate) const EVENTS_ON: &str = "SET GLOBAL event_scheduler=ON";

/// Removes transactions that were never confirmed from the binary log during crash recovery. It may remove the last
/// confirmed one as well, so another node must hold everything.
pub(crate) const TRUNCATE_UNCONFIRMED: &str = "--init-rpl-role=SLAVE";
/// Keeps them, whatever a configuration file says.
pub(crate) const COMMIT_UNCONFIRMED: &str = "--init-rpl-role=MASTER";
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

/// Restates everything about the source, so that no option of an earlier one is left.
pub(crate) fn change_source(host: &str, port: u16, login: &Login) -> Statement {
    let mut options = vec![
        format!("MASTER_HOST={}", quote(host)),
        format!("MASTER_PORT={port}"),
        format!("MASTER_USER={}", quote(&login.user)),
        "MASTER_USE_GTID=slave_pos".to_owned(),
        "MASTER_CONNECT_RETRY=1".to_owned(),
        "MASTER_HEARTBEAT_PERIOD=1".to_owned(),
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

/// Puts together what the three queries answered.
///
/// # Errors
/// [`Error::Unexpected`] naming the column and its value, when something cannot be read.
pub(crate) fn server(variables: &Row, replica: Option<&Row>, semi_sync: &[Row]) -> Result<Server> {
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
        // 12.0 and newer print OFF, ON, NO_LOCK or NO_LOCK_NO_ADMIN.
        read_only: !matches!(variables.text(&["read_only"])?, "0" | "OFF"),
        gtid_strict: variables.switch(&["gtid_strict_mode"])?,
        log_bin: variables.switch(&["log_bin"])?,
        log_replica_updates: variables.switch(&["log_slave_updates"])?,
        not_durable: not_durable(variables)?,
        binlog_base: variables.get(&["log_bin_basename"]).unwrap_or("").to_owned(),
        binlog_position: list(variables, "gtid_binlog_pos")?,
        holdings,
        link: replica.map(link).transpose()?,
        semi_sync: SemiSync {
            source_enabled: variables.switch(&["source_enabled"])?,
            replica_enabled: variables.switch(&["replica_enabled"])?,
            after_sync: variables.text(&["wait_point"])?.eq_ignore_ascii_case("AFTER_SYNC"),
            timeout_ms: variables.number(&["timeout"])?,
            clients: status(semi_sync, "Rpl_semi_sync_master_clients")?,
            waiting: status(semi_sync, "Rpl_semi_sync_master_wait_sessions")?,
        },
    })
}

/// Columns of [`VARIABLES`] with the values that survive a crash of the machine, and how an administrator writes them.
const DURABLE: [(&str, &[u64], &str); 3] = [
    ("sync_binlog", &[1], "sync_binlog=1"),
    ("flush_log", &[1, 3], "innodb_flush_log_at_trx_commit=1"),
    ("sync_relay_log", &[1], "sync_relay_log=1"),
];

fn not_durable(variables: &Row) -> Result<Option<String>> {
    for (column, good, setting) in DURABLE {
        if !good.contains(&variables.number(&[column])?) {
            return Ok(Some(setting.to_owned()));
        }
    }
    Ok(None)
}

fn status(rows: &[Row], name: &str) -> Result<u64> {
    let row = rows.iter().find(|row| {
        row.get(&["Variable_name"])
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    });
    row.map_or(Ok(0), |row| row.number(&["Value"]))
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

#[cfg(test)]
#[path = "mariadb_tests.rs"]
mod tests;
