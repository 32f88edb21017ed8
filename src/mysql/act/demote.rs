//! demote: the server accepts no write any more, verified, before this returns. The fence is here, not in a
//! notification, whose result Pacemaker ignores.
//!
//! Order (MariaDB): `SET GLOBAL read_only=ON` on one connection holds back every new write while it waits for commits
//! in progress; sessions that keep it waiting are killed on a second one. Semi-synchronous replication is switched
//! off only after that, with nobody waiting: earlier it would answer OK to commits that no replica has.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Resource, phase};
use crate::error::{Error, Result};
use crate::mysql::node::Database;
use crate::mysql::state::{Answer, Disk, Liveness, Role, Seen, Server};
use crate::ocf::{Outcome, log};

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
            let closed = resource.node.record().is_ok_and(|record| record.role == Role::Replica);
            if closed && server.closed && !server.semi_sync.source_enabled {
                return Ok(Outcome::SUCCESS);
            }
            // It would say that it has what it cannot write, and so cannot send: a successor would wait for that.
            if let Disk::Full(place) = &server.disk {
                return kill(
                    resource,
                    &format!("the disk is full ({place}), so the server cannot finish what it began"),
                );
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
    phase("kill server", || resource.node.kill_server())?;
    Ok(Outcome::SUCCESS)
}

/// A server that was stopped by a signal cannot answer: no need to wait for it.
fn look(resource: &Resource<'_>) -> Result<Seen> {
    match resource.node.liveness()? {
        Liveness::Absent => Ok(Seen::Absent),
        Liveness::Running(process) if process.is_frozen() => {
            let how = format!("process {} is stopped by {}", process.pid, Signal::SIGSTOP);
            Ok(Seen::Running(process, Answer::Silent(how)))
        }
        Liveness::Running(_) => resource.node.look(ANSWER.min(resource.config.hang_timeout)),
    }
}

/// Closes the server for every client and stops waiting for replicas; verified and recorded.
pub(super) fn close(resource: &Resource<'_>) -> Result<()> {
    resource.node.make_read_only()?;
    let mut database = resource.node.connect()?;
    let server = database.observe()?;
    if !server.closed {
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
        database.disarm()?;
    }
    database.end_sessions(&[])?;
    database.let_readers_in()?;
    log::info(&format!("closed at {}", server.binlog_position));
    report_prepared(database.as_mut());
    record_closed(resource, server)
}

/// Nobody can end them here: whether they are committed is another system's decision.
fn report_prepared(database: &mut dyn Database) {
    match database.prepared_transactions() {
        Ok(0) => {}
        Ok(prepared) => log::warning(&format!(
            "{prepared} prepared transactions (XA RECOVER) are left behind: commit or roll them back on the new primary"
        )),
        Err(error) => log::warning(&format!("cannot look for prepared transactions: {error}")),
    }
}

/// `server` is read-only. What its binary log has now, and not when it was promoted, it wrote as primary.
pub(super) fn record_closed(resource: &Resource<'_>, server: Server) -> Result<()> {
    resource.remember(|record| {
        if record.role == Role::Primary {
            record.ended_at = Some(server.binlog_position);
        }
        record.role = Role::Replica;
        record.binlog_base = server.binlog_base;
    })
}
