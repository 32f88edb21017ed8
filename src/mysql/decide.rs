//! The decisions, as pure functions: plain data in, a closed answer out. A refusal is an answer, not an error.
//!
//! Invariant: no I/O, no clock, no environment.

use std::time::Duration;

use super::gtid::{GtidList, Holdings};
use super::state::{Answer, Ballot, Epoch, Link, Record, Role, Seen, Server, Thread, Vote};
use super::why::{NO_FALLBACK_MS, Why};
use crate::ocf::OcfCode;

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

/// What becomes of this node's promotion score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Score {
    Set(u32),
    /// This node must not be promoted.
    Withdraw,
    /// Nothing new is known: what was published stands.
    Keep,
}

/// What a monitor reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Verdict {
    pub(crate) code: OcfCode,
    pub(crate) why: Option<Why>,
    pub(crate) score: Score,
    /// Whether readers may be sent here.
    pub(crate) readable: bool,
}

impl Verdict {
    fn failed(code: OcfCode, why: Why) -> Verdict {
        Verdict {
            code,
            why: Some(why),
            score: Score::Withdraw,
            readable: false,
        }
    }
}

/// Reports the state of this node. `held` is what an attempt to attach found out, `epoch` the cluster's last one;
/// both matter only to a replica without a source.
pub(crate) fn monitor(
    seen: &Seen,
    record: &Record,
    epoch: Option<&Epoch>,
    held: Option<Why>,
    own_name: &str,
    policy: Policy,
) -> Verdict {
    match seen {
        Seen::Absent => Verdict {
            code: OcfCode::NotRunning,
            why: None,
            score: Score::Withdraw,
            readable: false,
        },
        Seen::Running(_, Answer::Silent(how)) => Verdict::failed(OcfCode::ErrGeneric, Why::NotAnswering(how.clone())),
        Seen::Running(_, Answer::Alive(how)) => alive(record, how, policy),
        Seen::Running(_, Answer::Facts(server)) if !server.read_only => writable(server, record, policy),
        Seen::Running(_, Answer::Facts(_)) if record.role == Role::Primary => {
            Verdict::failed(OcfCode::ErrGeneric, Why::ReadOnlyPrimary)
        }
        Seen::Running(_, Answer::Facts(server)) => match &server.link {
            Some(link) if server.is_attached() && held.is_none() => replica(server, link, policy),
            Some(_) | None => unattached(server, epoch, held, own_name, policy),
        },
    }
}

/// A full or locked server is alive: its last known role stands, and only a person can help.
fn alive(record: &Record, how: &str, policy: Policy) -> Verdict {
    let why = Some(Why::NoLogin(how.to_owned()));
    match record.role {
        Role::Primary => Verdict {
            code: OcfCode::DegradedPromoted,
            why,
            score: Score::Set(score::PRIMARY),
            readable: true,
        },
        Role::Replica => Verdict {
            code: if policy.promotable {
                OcfCode::Degraded
            } else {
                OcfCode::Success
            },
            why,
            score: Score::Keep,
            readable: false,
        },
    }
}

fn writable(server: &Server, record: &Record, policy: Policy) -> Verdict {
    let primary = |why: Option<Why>| Verdict {
        code: if why.is_some() {
            OcfCode::DegradedPromoted
        } else {
            OcfCode::RunningPromoted
        },
        why,
        score: Score::Set(score::PRIMARY),
        readable: true,
    };
    match (record.role, policy.promotable) {
        (Role::Primary, true) => primary(primary_weakness(server, policy)),
        (Role::Primary, false) => primary(None),
        (Role::Replica, true) => Verdict::failed(OcfCode::FailedPromoted, Why::WritableReplica),
        (Role::Replica, false) => Verdict {
            code: OcfCode::Success,
            why: None,
            score: Score::Withdraw,
            readable: true,
        },
    }
}

fn primary_weakness(server: &Server, policy: Policy) -> Option<Why> {
    let semi_sync = &server.semi_sync;
    let armed = semi_sync.source_enabled && semi_sync.after_sync && semi_sync.timeout_ms >= NO_FALLBACK_MS;
    if policy.semi_sync && !armed {
        return Some(Why::SemiSyncNotArmed);
    }
    if policy.semi_sync && semi_sync.clients == 0 {
        return Some(Why::NoAcknowledgingReplica);
    }
    unprovable(server)
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

fn replica(server: &Server, link: &Link, policy: Policy) -> Verdict {
    let degraded = |why, score| Verdict {
        code: OcfCode::Degraded,
        why: Some(why),
        score,
        readable: false,
    };
    if let Some(why) = broken(link).or_else(|| unprovable(server)) {
        return degraded(why, Score::Withdraw);
    }
    if let Some(lag) = link.lag.filter(|lag| *lag > policy.max_lag) {
        let why = Why::Lagging {
            lag,
            limit: policy.max_lag,
        };
        return degraded(why, Score::Set(score::REPLICA_LAGGING));
    }
    // Judged by the setting, not by whether the source is connected: the score must not change while it fails over.
    let acknowledging = policy.semi_sync && server.semi_sync.replica_enabled;
    Verdict {
        code: OcfCode::Success,
        why: None,
        score: Score::Set(if acknowledging {
            score::REPLICA_ACKNOWLEDGING
        } else {
            score::REPLICA_ASYNC
        }),
        readable: link.receiver == Thread::Running,
    }
}

/// Why a configured connection does not work. A receiver that has lost its source and tries again is fine: that is
/// what every survivor of a dead primary looks like.
fn broken(link: &Link) -> Option<Why> {
    if let (Thread::Stopped, Some(error)) = (link.applier, &link.applier_error) {
        return Some(Why::ApplierFailed(error.clone()));
    }
    if let (Thread::Stopped, Some(error)) = (link.receiver, &link.receiver_error) {
        return Some(Why::ReceiverFailed(error.clone()));
    }
    let stopped = link.applier == Thread::Stopped || link.receiver == Thread::Stopped;
    stopped.then_some(Why::ReplicationStopped)
}

/// A replica without a source: the cluster just started, or this node was held back. Its relay log may have lost what
/// it once received, so it may be promoted only if nobody can have more.
fn unattached(server: &Server, epoch: Option<&Epoch>, held: Option<Why>, own_name: &str, policy: Policy) -> Verdict {
    let plain = |score| Verdict {
        code: OcfCode::Success,
        why: None,
        score,
        readable: false,
    };
    if !policy.promotable {
        return plain(Score::Withdraw);
    }
    if let Some(why) = held.or_else(|| unprovable(server)) {
        return Verdict::failed(OcfCode::Degraded, why);
    }
    match epoch {
        None => plain(Score::Set(score::FIRST_START)),
        Some(epoch) if epoch.node == own_name => plain(Score::Set(score::LAST_PRIMARY)),
        Some(epoch) => Verdict::failed(OcfCode::Degraded, unproven(epoch)),
    }
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

/// A crashed primary whose successor was elected drops its unconfirmed tail; everything else keeps it.
pub(crate) fn start(seen: &Seen, record: &Record, epoch: Option<&Epoch>, own_name: &str) -> Starting {
    if matches!(seen, Seen::Running(..)) {
        return Starting::Adopt;
    }
    let crashed_primary = record.role == Role::Primary && !record.closed;
    let succeeded = epoch.is_some_and(|epoch| epoch.node != own_name && epoch.number > record.epoch);
    Starting::Launch(if crashed_primary && succeeded {
        Recovery::Truncate
    } else {
        Recovery::Commit
    })
}

/// The next step of a promotion. The caller acts, looks again and asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Promotion {
    Already,
    /// Something received is not executed yet, or still arrives from a connected source.
    Wait {
        pending: GtidList,
    },
    /// The applier stands although transactions wait for it and the receiver is up.
    StartApplier,
    /// A survivor holds what this node lacks: get it from there.
    Fetch {
        from: String,
        lacking: GtidList,
    },
    Open {
        evidence: String,
    },
    Refuse(Why),
}

/// Decides how to go on with the promotion of this node.
///
/// `votes` are those of this election; `survivors` are the other nodes whose server takes part in it.
/// `source_node` is the node that this server replicates from, if any.
pub(crate) fn promote(
    server: &Server,
    record: &Record,
    survivors: &[String],
    votes: &[(String, Vote)],
    source_node: Option<&str>,
    epoch: Option<&Epoch>,
    own_name: &str,
) -> Promotion {
    if !server.read_only && record.role == Role::Primary {
        return Promotion::Already;
    }
    if let Some(epoch) = epoch.filter(|epoch| epoch.node != own_name && !server.is_attached()) {
        return Promotion::Refuse(unproven(epoch));
    }
    if let Some(step) = drain(server) {
        return step;
    }
    let silent: Vec<String> = survivors
        .iter()
        .filter(|node| vote_of(votes, node).is_none())
        .cloned()
        .collect();
    if !silent.is_empty() {
        return Promotion::Refuse(Why::NoVote { nodes: silent });
    }
    let mine = &server.holdings;
    let others = survivors.iter().filter_map(|node| Some((node, held_by(votes, node)?)));
    for (node, theirs) in others.clone() {
        if mine.conflicts(theirs) {
            return Promotion::Refuse(Why::Diverged {
                node: node.clone(),
                theirs: mine.lacks(theirs),
                ours: theirs.lacks(mine),
            });
        }
    }
    for (node, theirs) in others {
        let lacking = mine.lacks(theirs);
        if !lacking.is_empty() {
            return obtain(server, node, lacking, source_node);
        }
    }
    match epoch {
        Some(epoch) if !mine.covers(&epoch.position) => Promotion::Refuse(Why::OlderThanEpoch {
            epoch: epoch.number,
            node: epoch.node.clone(),
            position: epoch.position.clone(),
        }),
        Some(_) | None => Promotion::Open {
            evidence: evidence(survivors, votes),
        },
    }
}

fn vote_of<'a>(votes: &'a [(String, Vote)], node: &str) -> Option<&'a Vote> {
    votes.iter().find(|(name, _)| name == node).map(|(_, vote)| vote)
}

/// What has to happen before everything received is executed; none when it is.
fn drain(server: &Server) -> Option<Promotion> {
    let pending = server.holdings.pending();
    let link = server.link.as_ref().filter(|_| !pending.is_empty())?;
    Some(match (link.applier, link.receiver, &link.applier_error) {
        (Thread::Running | Thread::Connecting, _, _) => Promotion::Wait { pending },
        (Thread::Stopped, _, Some(error)) => Promotion::Refuse(Why::ApplierFailed(error.clone())),
        // Starting a thread while both are stopped deletes every relay log (MariaDB in GTID mode).
        (Thread::Stopped, Thread::Stopped, None) => Promotion::Refuse(Why::TailWithoutApplier(pending)),
        (Thread::Stopped, Thread::Running | Thread::Connecting, None) => Promotion::StartApplier,
    })
}

/// How to get what `node` has: it is on its way if we replicate from that node, else it must be fetched.
fn obtain(server: &Server, node: &str, lacking: GtidList, source_node: Option<&str>) -> Promotion {
    let link = server.link.as_ref().filter(|_| source_node == Some(node));
    match link.map(|link| (link.receiver, broken(link))) {
        Some((_, Some(why))) => Promotion::Refuse(why),
        Some((Thread::Running | Thread::Connecting, None)) => Promotion::Wait { pending: lacking },
        Some((Thread::Stopped, None)) | None => Promotion::Fetch {
            from: node.to_owned(),
            lacking,
        },
    }
}

fn held_by<'a>(votes: &'a [(String, Vote)], node: &str) -> Option<&'a Holdings> {
    match &vote_of(votes, node)?.ballot {
        Ballot::Holds(holdings) => Some(holdings),
        Ballot::NoServer | Ballot::Held => None,
    }
}

fn evidence(survivors: &[String], votes: &[(String, Vote)]) -> String {
    if survivors.is_empty() {
        return "no survivor to compare with".to_owned();
    }
    let words: Vec<String> = survivors
        .iter()
        .filter_map(|node| {
            Some(match vote_of(votes, node)?.ballot {
                Ballot::Holds(_) => format!("holds everything that {node} received"),
                Ballot::NoServer => format!("not compared with {node}, whose server does not answer"),
                Ballot::Held => format!("not compared with {node}, which is held back"),
            })
        })
        .collect();
    words.join("; ")
}

/// Whether this node may replicate from the new primary.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Following {
    Attach,
    Hold(Why),
}

/// A node that executed what the primary lacks must not attach: it would diverge without an error, or be refused.
pub(crate) fn follow(mine: &Holdings, primary: &Holdings, primary_node: &str) -> Following {
    let executed = Holdings {
        received: GtidList::default(),
        ..mine.clone()
    };
    let extra = primary.lacks(&executed);
    if extra.is_empty() {
        Following::Attach
    } else {
        Following::Hold(Why::AheadOfPrimary {
            primary: primary_node.to_owned(),
            extra,
        })
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
