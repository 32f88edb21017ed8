//! The decisions, as pure functions: plain data in, a closed answer out. A refusal is an answer, not an error.
//!
//! Invariant: no I/O, no clock, no environment.

pub(crate) mod archive;
pub(crate) mod durability;
pub(crate) mod monitor;
pub(crate) mod promote;

use std::time::Duration;

use super::gtid::Holdings;
use super::state::{Disk, Epoch, Record, Role, Seen, Server};
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
    /// The primary's disk is full: whoever is whole takes its place, and it stays where nobody is.
    pub(crate) const PRIMARY_FULL: u32 = 900;
    /// One of its threads was stopped by hand: a promotion starts the applier, or fetches what was not received.
    pub(crate) const REPLICA_STOPPED: u32 = 750;
    /// It may lack what was acknowledged, and the operator accepted that.
    pub(crate) const LOSS_ACCEPTED: u32 = 500;
}

/// What the configuration wants, as far as decisions need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// A promotable clone; otherwise one server on its own, which has no role.
    pub(crate) promotable: bool,
    pub(crate) semi_sync: bool,
    pub(crate) loss: Loss,
    pub(crate) max_lag: Duration,
}

/// What to do where nothing proves that a candidate has every acknowledged transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Refuse.
    Never,
    /// Promote the best that can be reached, and record what is not proven.
    Bounded,
}

/// Settings without which positions prove nothing.
pub(crate) fn unprovable(server: &Server) -> Option<Why> {
    server.unprovable.clone().map(Why::Unprovable)
}

/// What keeps promotions from ever being proven, although the server works: the first of them, with what mends it.
pub(crate) fn weakness(server: &Server, policy: Policy) -> Option<Why> {
    let strict = policy.semi_sync && policy.loss == Loss::Never;
    let semi_sync = (policy.semi_sync && server.semi_sync.most == 0).then_some(Why::NoSemiSync);
    let durable = || server.not_durable.clone().map(Why::NotDurable);
    let bypass = || match &server.bypassing {
        _ if !strict => None,
        None => Some(Why::BypassUnknown),
        Some(accounts) => (!accounts.is_empty()).then(|| Why::MayBypass(accounts.clone())),
    };
    let untested = || match &server.disk {
        Disk::Untested(how) => Some(Why::DiskUntested(how.clone())),
        Disk::Fine | Disk::Full(_) | Disk::Stuck(_) => None,
    };
    let filtered = || {
        let filter = server.link.as_ref().and_then(|link| link.filter.clone());
        filter.filter(|_| strict).map(Why::Filtered)
    };
    let weaknesses = unprovable(server).or(semi_sync).or_else(durable).or_else(filtered);
    weaknesses.or_else(bypass).or_else(untested)
}

/// Whether this node can know what it had under the epoch's primary: it was that primary and lost nothing since, it
/// is attached to it and has again what it may have lost, or it restarted after it had voted and has executed all that it
/// voted for.
pub(crate) fn knows_what_it_received(
    server: &Server,
    record: &Record,
    source_node: Option<&str>,
    epoch: &Epoch,
    own_name: &str,
) -> bool {
    if reverted(record, epoch).is_some() {
        return false;
    }
    let primary = epoch.node == own_name && was_whole_primary(server, record, epoch).is_ok();
    let knows = server.is_attached() || (server.keeps_received && server.link.is_some());
    let refetches = record.refetches.as_ref().filter(|lost| lost.epoch == epoch.number);
    let whole = !record.changing_source && refetches.is_none_or(|lost| server.holdings.has_received(&lost.received));
    let attached = knows && whole && source_node == Some(epoch.node.as_str());
    let voted = record.voted.as_ref().filter(|voted| voted.epoch == epoch.number);
    // Nothing that was acknowledged in this epoch depends on a replica that had no part in it yet. One that is connected to
    // a primary which is promoted again has: it may not have noted that.
    let elsewhere = epoch.node != own_name && source_node != Some(epoch.node.as_str());
    let uninvolved = elsewhere && record.acknowledged_in < epoch.number;
    primary || attached || uninvolved || voted.is_some_and(|voted| server.holdings.covers(&voted.received))
}

/// Whether this node, which the cluster knows as the primary of `epoch`, has everything that it confirmed; why not, else.
fn was_whole_primary(server: &Server, record: &Record, epoch: &Epoch) -> Result<(), Why> {
    let lost = |how| {
        let epoch = epoch.number;
        Err(Why::NotItself { epoch, how })
    };
    match record.not_durable.as_ref().or(server.not_durable.as_ref()) {
        // Its promotion ended before it was open.
        _ if record.opening == epoch.number && server.holdings.covers(&epoch.position) => Ok(()),
        // Another machine with this name, or this one restored from a backup, has other data.
        _ if record.epoch != epoch.number => lost("it has no record of that".to_owned()),
        Some(setting) if record.machine_crashed => lost(format!("its machine crashed while it ran without {setting}")),
        Some(_) | None => Ok(()),
    }
}

/// Whether this node had a part in a later epoch than the one that the cluster's configuration has.
fn reverted(record: &Record, epoch: &Epoch) -> Option<Why> {
    let (epoch, later) = (epoch.number, last_part(record));
    (later > epoch).then_some(Why::EpochReverted { epoch, later })
}

/// The last epoch in which this node is known to have had a part; 0 when it had none.
fn last_part(record: &Record) -> u64 {
    let acknowledged = Some(record.acknowledged_in).filter(|number| *number != u64::MAX);
    acknowledged.unwrap_or_default().max(record.epoch)
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

/// A crashed primary whose successor was elected drops its unconfirmed tail; everything else keeps it. Every election since
/// must have been proven, and commits must have waited for a replica: otherwise this node may have the only copy of a
/// confirmed transaction.
pub(crate) fn start(seen: &Seen, record: &Record, epoch: Option<&Epoch>, own_name: &str, policy: Policy) -> Starting {
    if matches!(seen, Seen::Running(..)) {
        return Starting::Adopt;
    }
    let crashed_primary = record.role == Role::Primary;
    let succeeded = epoch.is_some_and(|epoch| epoch.node != own_name && epoch.succeeds(record.epoch));
    Starting::Launch(if policy.semi_sync && crashed_primary && succeeded {
        Recovery::Truncate
    } else {
        Recovery::Commit
    })
}

/// Whether a primary should enter its reign in the table of reigns: it has not, and its commits are received by somebody.
pub(crate) fn reign_is_due(server: &Server, record: &Record) -> bool {
    let semi_sync = &server.semi_sync;
    let is_open = record.role == Role::Primary && !server.read_only;
    let flows = semi_sync.connected > 0 && semi_sync.clients >= semi_sync.waits_for();
    let writes = matches!(server.disk, Disk::Fine | Disk::Untested(_));
    is_open && record.entered < record.epoch && flows && writes
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
    if mine.skips_own && mine.lost_own(&primary.holdings) {
        return Following::Hold(Why::LacksOwn(primary_node.to_owned()));
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
pub(crate) fn informed(holdings: &Holdings, epoch: Option<&Epoch>) -> Holdings {
    match epoch {
        Some(epoch) => holdings
            .knowing(epoch.server_id, &epoch.position)
            .knowing(epoch.server_id, &epoch.claim.floor),
        None => holdings.clone(),
    }
}

#[cfg(test)]
mod tests;
