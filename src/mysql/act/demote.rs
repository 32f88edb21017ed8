//! demote: the server accepts no write any more, verified, before this returns. The fence is here, not in a
//! notification, whose result Pacemaker ignores.
//!
//! Order (MariaDB): `SET GLOBAL read_only=ON` on one connection holds back every new write while it waits for commits
//! in progress; sessions that keep it waiting are killed on a second one. Semi-synchronous replication is switched
//! off only after that, with nobody waiting: earlier it would answer OK to commits that no replica has.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Resource, follow, phase};
use crate::error::{During, Error, Result};
use crate::mysql::daemon;
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::sql::Connection;
use crate::mysql::state::{Answer, Liveness, Role, Seen};
use crate::ocf::{Outcome, log};

/// How long commits in progress may take to get their acknowledgement before their sessions are killed: a killed
/// session leaves a transaction behind that nobody confirmed.
const GRACE: Duration = Duration::from_millis(300);
/// Between two rounds of killing: new sessions may have come.
const ROUND: Duration = Duration::from_millis(50);
/// Kept back to kill a server that would not become read-only.
const KILL_RESERVE: Duration = Duration::from_secs(5);
/// A primary that is being demoted and does not answer within this time is killed: it was or will be reported as
/// hanging, and waiting longer only delays its successor.
const ANSWER: Duration = Duration::from_secs(1);

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    match look(resource)? {
        // Pacemaker demotes crashed primaries: a dead server is as closed as can be.
        Seen::Absent => return Ok(Outcome::SUCCESS),
        Seen::Running(_, Answer::Silent(how) | Answer::Alive(how)) => {
            return kill(resource, &format!("the server cannot be asked to close ({how})"));
        }
        Seen::Running(_, Answer::Facts(server)) => {
            // A record that cannot be read must not keep a primary open.
            let closed = record::load(resource.instance()).is_ok_and(|record| record.role == Role::Replica);
            if closed && server.read_only && !server.semi_sync.source_enabled {
                return Ok(Outcome::SUCCESS);
            }
        }
    }
    match phase("close", || close(resource)) {
        Ok(()) => Ok(Outcome::SUCCESS),
        Err(error) => kill(resource, &format!("the server did not become read-only ({error})")),
    }
}

/// A server that cannot be closed is ended: a dead one is closed for certain.
fn kill(resource: &Resource<'_>, why: &str) -> Result<Outcome> {
    log::error(&format!("{why}: killing it"));
    phase("kill server", || {
        daemon::kill(&resource.config.datadir, resource.context.deadline)
    })?;
    Ok(Outcome::SUCCESS)
}

/// A server that was stopped by a signal cannot answer: no need to wait for it.
fn look(resource: &Resource<'_>) -> Result<Seen> {
    let config = &resource.config;
    match daemon::find(&config.datadir)? {
        Liveness::Absent => Ok(Seen::Absent),
        Liveness::Running(process) if process.is_frozen() => {
            let how = format!("process {} is stopped by {}", process.pid, Signal::SIGSTOP);
            Ok(Seen::Running(process, Answer::Silent(how)))
        }
        Liveness::Running(_) => observe::local(config, ANSWER.min(config.hang_timeout)),
    }
}

/// Closes the server for every client and stops waiting for replicas; verified and recorded.
pub(super) fn close(resource: &Resource<'_>) -> Result<()> {
    make_read_only(resource)?;
    let mut connection = resource.connect()?;
    let server = observe::server(&mut connection)?;
    if !server.read_only {
        return Err(Error::State(
            "read_only is off although it was just switched on".to_owned(),
        ));
    }
    if server.semi_sync.waiting > 0 {
        let waiting = server.semi_sync.waiting;
        return Err(Error::State(format!(
            "{waiting} sessions still wait for an acknowledgement"
        )));
    }
    if server.semi_sync.source_enabled {
        connection.run(mariadb::DISARM_SEMI_SYNC)?;
    }
    end_sessions(&mut connection, &[])?;
    log::info(&format!("closed at {}", server.binlog_position));
    record_closed(resource, server.binlog_base)
}

pub(super) fn record_closed(resource: &Resource<'_>, binlog_base: String) -> Result<()> {
    follow::remember(resource, |record| {
        record.role = Role::Replica;
        record.closed = true;
        record.binlog_base = binlog_base;
    })
}

/// Switches `read_only` on, in spite of whatever holds it up.
///
/// # Errors
/// When it is still off near the deadline; then it may come on later, or never.
fn make_read_only(resource: &Resource<'_>) -> Result<()> {
    let reserve = KILL_RESERVE.min(resource.context.deadline.remaining() / 2);
    let deadline = resource.context.deadline.keeping(reserve);
    let mut closer = observe::connect(&resource.config, deadline.remaining())?;
    let mut killer = observe::connect(&resource.config, deadline.remaining())?;
    let closer_id = closer.id();
    // An event writes with the privileges of its definer, whatever read_only says.
    closer.run(mariadb::EVENTS_OFF)?;
    closer.run(format!(
        "SET lock_wait_timeout={}",
        deadline.remaining().as_secs().max(1)
    ))?;
    // A thread, because this statement blocks while another connection removes what blocks it.
    let closing = std::thread::spawn(move || closer.run(mariadb::READ_ONLY_ON));
    let grace = deadline.within(GRACE);
    while !closing.is_finished() && !deadline.expired() {
        if grace.expired() {
            end_sessions(&mut killer, &[closer_id])?;
            deadline.pause(ROUND);
        } else {
            grace.pause(Duration::from_millis(2));
        }
    }
    if !closing.is_finished() {
        return Err(deadline.timeout("SET GLOBAL read_only=ON"));
    }
    match closing.join() {
        Ok(result) => result.during("closing the server for writes"),
        Err(_) => Err(Error::State("closing the server for writes: internal error".to_owned())),
    }
}

/// Ends client sessions, except those with the given ids.
fn end_sessions(connection: &mut Connection, except: &[u64]) -> Result<()> {
    for row in connection.rows(mariadb::CLIENT_SESSIONS)? {
        let session = row.number(&["id"])?;
        if except.contains(&session) {
            continue;
        }
        match connection.run(mariadb::kill(session)) {
            // 1094: the session is gone already.
            Ok(()) | Err(Error::Sql { code: 1094, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
