//! Who has what a client was told: the claim of an epoch, how a primary keeps it true, and what it proves in an election.
//!
//! The claim: *every transaction that was acknowledged in this epoch is either covered by `floor`, or at least `needed`
//! of the `ackers` have received it*. It stands in the cluster's configuration, and every change of the world is ordered
//! so that it never becomes false: a replica is claimed before it may acknowledge and acknowledges no more before it is
//! given up; the server waits for more acknowledgements before more are claimed, and for fewer after.
//! What was acknowledged before a change is caught by the floor, which moves with every change.
//!
//! Invariant: no I/O, no clock, no environment.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use super::monitor::{broken, full_disk};
use crate::mysql::gtid::Position;
use crate::mysql::state::{Claim, Epoch, Record, SemiSync, Server, Standing, Thread};

/// How many acknowledgements a commit should wait for: one for every node that the cluster can lose and still have
/// quorum, so that whatever survives has a node that acknowledged. The primary is one of those that are lost.
pub(crate) fn wanted(policy: Policy, instances: Option<usize>, most: usize, ackers: usize) -> usize {
    if !policy.semi_sync {
        return 0;
    }
    let losses = instances.unwrap_or(ackers + 1).saturating_sub(1) / 2;
    losses.max(1).min(most).min(ackers)
}

/// The ackers without which nothing is proven: when as many as are needed did not say what they have, they may be all
/// that have it. None when the claim proves that whoever was reached has everything.
pub(crate) fn missing(claim: &Claim, reached: &BTreeSet<String>) -> Option<Vec<String>> {
    let away: Vec<String> = claim
        .ackers
        .keys()
        .filter(|node| !reached.contains(*node))
        .cloned()
        .collect();
    (away.len() >= claim.needed).then_some(away)
}

/// What the cluster's configuration says to a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Declared {
    Own(Epoch),
    /// Somebody else was promoted since.
    Later(Epoch),
    /// Nobody was, and this is not what the primary wrote last: somebody put an older configuration in place.
    Older(Option<Epoch>),
}

/// Whose epoch the cluster has, from the point of view of a primary.
pub(crate) fn declared(found: Option<Epoch>, record: &Record, own_name: &str) -> Declared {
    match found {
        Some(epoch) if is_own(&epoch, record, own_name) && epoch.claim.admissions >= record.claim.admissions => {
            Declared::Own(epoch)
        }
        Some(epoch) if !is_own(&epoch, record, own_name) && epoch.number >= record.epoch => Declared::Later(epoch),
        older => Declared::Older(older),
    }
}

/// Whether this is the epoch of the primary with this record.
pub(crate) fn is_own(epoch: &Epoch, record: &Record, own_name: &str) -> bool {
    epoch.node == own_name && epoch.number == record.epoch
}

/// A claim that is true whatever became of the ones before: all that may acknowledge, and none that must have.
pub(crate) fn unclaimed(found: Option<&Epoch>, record: &Record, floor: Position) -> Claim {
    let found = found
        .filter(|epoch| epoch.number == record.epoch)
        .map(|epoch| &epoch.claim);
    let claims = || found.into_iter().chain([&record.claim]);
    Claim {
        ackers: claims().flat_map(|claim| claim.ackers.clone()).collect(),
        needed: 0,
        floor,
        admissions: claims().map(|claim| claim.admissions).max().unwrap_or_default() + 1,
    }
}

/// What a primary knows when it looks after its claim. `standings` and `gone` were read before `server`.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) claim: &'a Claim,
    pub(crate) standings: &'a BTreeMap<String, Standing>,
    /// Nodes on which, as the cluster knows for certain, no server of this resource runs.
    pub(crate) gone: &'a BTreeSet<String>,
    pub(crate) semi_sync: &'a SemiSync,
    /// Commits wait for an acknowledgement that will not come, although the ackers have received them: it was lost with a
    /// connection, and a replica that connects again acknowledges only what it receives then.
    pub(crate) stuck: bool,
    /// Since the last claim, commits ended without an acknowledgement, and their clients may have been told OK.
    pub(crate) doubtful: bool,
    pub(crate) policy: Policy,
    pub(crate) instances: Option<usize>,
}

/// The next thing to do so that the claim is true and as strong as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Upkeep {
    Nothing,
    /// Write this claim, with what the server has now as its floor.
    Claim {
        ackers: BTreeMap<String, u64>,
        needed: usize,
    },
    /// Make commits wait for so many acknowledgements; 0: for none.
    Wait(usize),
}

/// Decides what a primary does next for its claim.
pub(crate) fn upkeep(now: &Situation<'_>) -> Upkeep {
    let waits = now.semi_sync.waits_for();
    // Somebody switched it off or gave it a timeout: what was confirmed since may be nowhere else.
    if waits < now.claim.needed {
        return Upkeep::Claim {
            ackers: now.claim.ackers.clone(),
            needed: waits,
        };
    }
    if now.stuck {
        // Whoever waits may be told OK once nothing is claimed of it.
        return match now.claim.needed {
            0 => Upkeep::Wait(0),
            _ => Upkeep::Claim {
                ackers: now.claim.ackers.clone(),
                needed: 0,
            },
        };
    }
    let ackers = next_ackers(now);
    let wanted = wanted(now.policy, now.instances, now.semi_sync.most, ackers.len());
    let needed = now.claim.needed.min(wanted);
    if ackers != now.claim.ackers || needed < now.claim.needed || now.doubtful {
        return Upkeep::Claim { ackers, needed };
    }
    if waits > wanted {
        return Upkeep::Wait(wanted);
    }
    if waits < wanted {
        // Armed without anybody to answer, it would only hold up the clients.
        return if now.semi_sync.clients >= wanted {
            Upkeep::Wait(wanted)
        } else {
            Upkeep::Nothing
        };
    }
    if needed < wanted {
        return Upkeep::Claim { ackers, needed: wanted };
    }
    Upkeep::Nothing
}

/// Without those that are gone or have resigned, with those that are ready.
fn next_ackers(now: &Situation<'_>) -> BTreeMap<String, u64> {
    let admission = now.claim.admissions + 1;
    let mut ackers = now.claim.ackers.clone();
    ackers.retain(|node, admitted| {
        let resigned = now
            .standings
            .get(node)
            .is_some_and(|standing| standing.has_resigned(*admitted));
        !resigned && !now.gone.contains(node)
    });
    if !now.policy.semi_sync {
        return BTreeMap::new();
    }
    for (node, standing) in now.standings {
        if standing.ready && !now.gone.contains(node) {
            ackers.entry(node.clone()).or_insert(admission);
        }
    }
    ackers
}

/// Whether a look at the primary's server alone shows that nothing is to be done: every instance is claimed, is connected
/// and acknowledges. While one is away it may come back at any time.
pub(crate) fn is_settled(claim: &Claim, semi_sync: &SemiSync, policy: Policy, instances: Option<usize>) -> bool {
    let ackers = claim.ackers.len();
    let wanted = wanted(policy, instances, semi_sync.most, ackers);
    instances.is_none_or(|instances| ackers + 1 >= instances)
        && semi_sync.connected == ackers
        && semi_sync.clients == ackers
        && claim.needed == wanted
        && semi_sync.waits_for() == wanted
}

/// What a replica does about its duty to acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Duty {
    Nothing,
    /// It was admitted: begin.
    Acknowledge,
    /// It is broken or far behind: what it acknowledges would be of little use to a successor.
    Resign,
}

/// Decides what a replica does. `epoch` is the cluster's last one, just read.
pub(crate) fn duty(server: &Server, record: &Record, epoch: &Epoch, own_name: &str, policy: Policy) -> Duty {
    let semi_sync = &server.semi_sync;
    if semi_sync.replica_enabled || semi_sync.replica_acknowledges {
        let stays = record.dropped_tail || policy.semi_sync && !is_unfit(server, policy);
        return if stays { Duty::Nothing } else { Duty::Resign };
    }
    match (record.may_acknowledge(epoch, own_name), is_ready(server, policy)) {
        (true, true) => Duty::Acknowledge,
        // It was admitted and cannot: the primary must not count on it.
        (true, false) => Duty::Resign,
        (false, _) => Duty::Nothing,
    }
}

/// A replica that lost its source is not unfit: it is a survivor.
pub(crate) fn is_unfit(server: &Server, policy: Policy) -> bool {
    let far_behind = |lag| lag > policy.max_lag;
    let link = server.link.as_ref();
    full_disk(server).is_some() || link.is_none_or(|link| broken(link).is_some() || link.lag.is_some_and(far_behind))
}

/// Whether this replica may be admitted. Closer to the primary than the limit that ends its duty, or it would come and
/// go.
pub(crate) fn is_ready(server: &Server, policy: Policy) -> bool {
    let near = |lag| lag <= policy.max_lag / 2;
    policy.semi_sync
        && full_disk(server).is_none()
        && server.link.as_ref().is_some_and(|link| {
            let running = link.receiver == Thread::Running && link.applier == Thread::Running;
            running && link.lag.is_some_and(near)
        })
}
