//! What a monitor reports: the exit code, its reason, and what becomes of the promotion score.
//!
//! Invariant: no I/O, no clock, no environment.

use super::{Policy, knows_what_it_received, score, unprovable, unproven};
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

/// Reports the state of this node. `held` is what an attempt to attach found out. `epoch` is the cluster's last one: it
/// is known to a probe, and where a replica has no working source.
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
        Seen::Running(_, Answer::Facts(server)) if !server.read_only => {
            writable(server, record, epoch, own_name, policy)
        }
        Seen::Running(_, Answer::Facts(_)) if record.role == Role::Primary => {
            Verdict::failed(OcfCode::ErrGeneric, Why::ReadOnlyPrimary)
        }
        Seen::Running(_, Answer::Facts(server)) => match &server.link {
            Some(link) if server.is_attached() && held.is_none() && !record.changing_source => {
                replica(server, link, policy)
            }
            Some(_) | None => unattached(server, record, epoch, held, own_name, policy),
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

/// A writable server is the primary only if this node remembers its promotion and the cluster knows of no later one.
fn writable(server: &Server, record: &Record, epoch: Option<&Epoch>, own_name: &str, policy: Policy) -> Verdict {
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
    let succeeded = epoch.is_some_and(|epoch| epoch.node != own_name || epoch.number != record.epoch);
    match (record.role, policy.promotable) {
        (Role::Primary, true) if succeeded => Verdict::failed(OcfCode::FailedPromoted, Why::WritableReplica),
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
    unprovable(server).or_else(|| not_durable(server))
}

fn not_durable(server: &Server) -> Option<Why> {
    server.not_durable.clone().map(Why::NotDurable)
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
    let why = not_durable(server);
    Verdict {
        code: if why.is_some() {
            OcfCode::Degraded
        } else {
            OcfCode::Success
        },
        why,
        score: Score::Set(if acknowledging {
            score::REPLICA_ACKNOWLEDGING
        } else {
            score::REPLICA_ASYNC
        }),
        readable: link.receiver == Thread::Running,
    }
}

/// Errors by which a connection fails when its other end is away or full; any other one does not heal by itself.
const SOURCE_AWAY: [u32; 13] = [
    1040, 1053, 1158, 1159, 1160, 1161, 1203, 2002, 2003, 2005, 2006, 2013, 2055,
];

/// Why a source that is there refuses this replica: a wrong password, an account that is missing, TLS.
pub(crate) fn refused(link: &Link) -> Option<Why> {
    let error = link
        .receiver_error
        .as_ref()
        .filter(|_| link.receiver == Thread::Connecting)?;
    (!SOURCE_AWAY.contains(&error.code)).then(|| Why::ReceiverFailed(error.clone()))
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
    refused(link).or_else(|| stopped.then_some(Why::ReplicationStopped))
}

/// A replica without a source: the cluster just started, or this node was held back. Its relay log may have lost what
/// it once received, so it may be promoted only if nobody can have more.
fn unattached(
    server: &Server,
    record: &Record,
    epoch: Option<&Epoch>,
    held: Option<Why>,
    own_name: &str,
    policy: Policy,
) -> Verdict {
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
        Some(epoch) if knows_what_it_received(server, record, None, epoch, own_name) => {
            plain(Score::Set(score::RESTARTED_COMPLETE))
        }
        Some(epoch) => Verdict::failed(OcfCode::Degraded, unproven(epoch)),
    }
}
