//! The decisions, as pure functions: plain data in, a closed answer out. A refusal is an answer, not an error.
//!
//! Invariant: no I/O, no clock, no environment.

pub(crate) mod monitor;
pub(crate) mod promote;

use std::time::Duration;

use super::gtid::Holdings;
use super::state::{Epoch, Record, Role, Seen, Server};
use super::why::Why;

/// Promotion scores. All far below Pacemaker's INFINITY of 1,000,000, with gaps that a small location preference
/// does not bridge. The primary must own the strict maximum, or Pacemaker moves the role.
pub(crate) mod score {
    pub(crate) const PRIMARY: u32 = 100_000;
    pub(crate) const REPLICA_ACKNOWLEDGING: u32 = 50_000;
    pub(crate) const REPLICA_ASYNC: u32 = 10_000;
    /// Nobody serves, and this node was the last primary.
    pub(crate) const LAST_PRIMARY: u32 = 5_000;
    /// Nobody ever served in this cluster.
    pub(crate) const FIRST_START: u32 = 2_000;
    /// Restarted after it voted, and has executed all that it had received.
    pub(crate) const RESTARTED_COMPLETE: u32 = 1_500;
    pub(crate) const REPLICA_LAGGING: u32 = 1_000;
}

/// What the configuration wants, as far as decisions need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// A promotable clone; otherwise one server on its own, which has no role.
    pub(crate) promotable: bool,
    pub(crate) semi_sync: bool,
    pub(crate) max_lag: Duration,
}

/// Settings without which positions prove nothing.
pub(crate) fn unprovable(server: &Server) -> Option<Why> {
    if !(server.log_bin && server.log_replica_updates) {
        Some(Why::NoBinaryLog)
    } else if !server.gtid_strict {
        Some(Why::NotStrict)
    } else {
        None
    }
}

/// Whether this node can know what it had received under the epoch's primary: it was that primary, it is attached to
/// it, or it restarted after it had voted and has executed all that it voted for.
pub(crate) fn knows_what_it_received(
    server: &Server,
    record: &Record,
    source_node: Option<&str>,
    epoch: &Epoch,
    own_name: &str,
) -> bool {
    let attached = server.is_attached() && !record.changing_source && source_node == Some(epoch.node.as_str());
    let voted = record.voted.as_ref().filter(|voted| voted.epoch == epoch.number);
    epoch.node == own_name || attached || voted.is_some_and(|voted| server.holdings.covers(&voted.received))
}

fn unproven(epoch: &Epoch) -> Why {
    Why::Unproven {
        epoch: epoch.number,
        node: epoch.node.clone(),
    }
}

/// How to bring up the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Starting {
    /// A server runs already: bring it to the state that a start would have left.
    Adopt,
    Launch(Recovery),
}

/// What crash recovery does with transactions that were written to the binary log and never confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// They are committed: right whenever no other node is known to hold everything.
    Commit,
    /// They are removed from the binary log (`--init-rpl-role=SLAVE`). This may also remove the last *confirmed*
    /// transaction, so it is right only where another node was promoted after comparing all survivors.
    Truncate,
}

/// A crashed primary whose successor was elected drops its unconfirmed tail; everything else keeps it. The successor's
/// election must have been complete, and commits must have waited for a replica: otherwise this node may have the only
/// copy of a confirmed transaction.
pub(crate) fn start(seen: &Seen, record: &Record, epoch: Option<&Epoch>, own_name: &str, policy: Policy) -> Starting {
    if matches!(seen, Seen::Running(..)) {
        return Starting::Adopt;
    }
    let crashed_primary = record.role == Role::Primary && !record.closed;
    let succeeded = epoch.is_some_and(|epoch| epoch.node != own_name && epoch.number > record.epoch && epoch.proven);
    Starting::Launch(if policy.semi_sync && crashed_primary && succeeded {
        Recovery::Truncate
    } else {
        Recovery::Commit
    })
}

/// Whether this node may replicate from the new primary.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Following {
    Attach,
    Hold(Why),
}

/// A node that executed what the primary lacks must not attach: it would diverge without an error, or be refused. One
/// that only received it must not either: pointing it elsewhere deletes its relay log.
pub(crate) fn follow(mine: &Server, primary: &Server, primary_node: &str, epoch: Option<&Epoch>) -> Following {
    if let Some(why) = unprovable(mine) {
        return Following::Hold(why);
    }
    let primary_has = informed(&primary.holdings, epoch);
    let node = primary_node.to_owned();
    let executed = primary_has.lacks(&mine.holdings.executed());
    if !executed.is_empty() {
        return Following::Hold(Why::AheadOfPrimary {
            primary: node,
            extra: executed,
        });
    }
    let received = primary_has.lacks(&mine.holdings);
    if !received.is_empty() {
        return Following::Hold(Why::ReceivedBeyondPrimary {
            primary: node,
            extra: received,
        });
    }
    Following::Attach
}

/// What a server has, with what the epoch implies.
fn informed(holdings: &Holdings, epoch: Option<&Epoch>) -> Holdings {
    match epoch {
        Some(epoch) => holdings.knowing(epoch.server_id, &epoch.position),
        None => holdings.clone(),
    }
}

#[cfg(test)]
mod tests;
