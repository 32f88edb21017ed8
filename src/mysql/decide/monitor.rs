//! What a monitor reports: the exit code, its reason, and what becomes of the promotion score.
//!
//! Invariant: no I/O, no clock, no environment.

use super::{Policy, score, unprovable, unproven};
use crate::mysql::state::{Answer, Epoch, Link, Record, Role, Seen, Server, Thread};
use crate::mysql::why::{NO_FALLBACK_MS, Why};
use crate::ocf::OcfCode;

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
pub(crate) fn report(
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
pub(super) fn broken(link: &Link) -> Option<Why> {
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
