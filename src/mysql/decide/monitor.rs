//! What a monitor reports: the exit code, its reason, and what becomes of the promotion score.
//!
//! Invariant: no I/O, no clock, no environment.

use super::{Policy, knows_what_it_received, reverted, score, unprovable, unproven, was_whole_primary, weakness};
use crate::mysql::state::{Answer, Disk, Epoch, Link, Record, Role, Seen, Server, Thread};
use crate::mysql::why::Why;
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

    /// What a probe reports: where the server runs, and in which role. Pacemaker remembers the result of a probe until the
    /// next one, so a degradation would outlive its cause.
    pub(crate) fn probed(self) -> Verdict {
        let code = match self.code {
            OcfCode::Degraded => OcfCode::Success,
            OcfCode::DegradedPromoted => OcfCode::RunningPromoted,
            other => other,
        };
        let degraded = code != self.code;
        Verdict {
            code,
            why: self.why.filter(|_| !degraded),
            ..self
        }
    }
}

/// What a monitor knows of this node.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub(crate) own_name: &'a str,
    pub(crate) policy: Policy,
    pub(crate) seen: &'a Seen,
    pub(crate) record: &'a Record,
    /// The cluster's last one: known to a probe, and where a replica has no working source.
    pub(crate) epoch: Option<&'a Epoch>,
    /// What an attempt to attach found out.
    pub(crate) held: Option<Why>,
    /// The node that the server is configured to follow, where that was looked at.
    pub(crate) source_node: Option<&'a str>,
}

/// Reports the state of this node.
pub(crate) fn report(view: View<'_>) -> Verdict {
    let View {
        own_name,
        policy,
        seen,
        record,
        epoch,
        held,
        source_node,
    } = view;
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
                replica(server, link, record, policy)
            }
            Some(_) | None => {
                let knows = |epoch| match reverted(record, epoch) {
                    Some(why) => Err(why),
                    None if knows_what_it_received(server, record, source_node, epoch, own_name) => Ok(()),
                    None if epoch.node == own_name => was_whole_primary(server, record, epoch),
                    None => Err(unproven(epoch)),
                };
                unattached(server, epoch.map(|epoch| (epoch, knows(epoch))), held, own_name, policy)
            }
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
    let successor = epoch.filter(|epoch| epoch.node != own_name || epoch.number != record.epoch);
    match (record.role, policy.promotable) {
        (Role::Primary, true) => match (successor, &server.disk) {
            (Some(Epoch { node, number, .. }), _) => {
                let (node, epoch) = (node.clone(), *number);
                Verdict::failed(OcfCode::FailedPromoted, Why::HasSuccessor { node, epoch })
            }
            (None, Disk::Stuck(how)) => Verdict::failed(OcfCode::ErrGeneric, Why::DiskStuck(how.clone())),
            // Where the others have no room either, it is still the best that there is.
            (None, Disk::Full(place)) => Verdict {
                score: Score::Set(score::PRIMARY_FULL),
                ..primary(Some(Why::DiskFull(place.clone())))
            },
            (None, Disk::Fine | Disk::Untested(_)) => primary(primary_weakness(server, policy)),
        },
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
    let acknowledgements = match semi_sync.waits_for() {
        _ if !policy.semi_sync => None,
        _ if semi_sync.most == 0 => None,
        0 if semi_sync.source_enabled => Some(Why::SemiSyncNotArmed),
        0 => Some(Why::Alone),
        needed if semi_sync.clients < needed => Some(Why::TooFewAckers {
            needed,
            clients: semi_sync.clients,
        }),
        _ => None,
    };
    acknowledgements.or_else(|| weakness(server, policy))
}

fn replica(server: &Server, link: &Link, record: &Record, policy: Policy) -> Verdict {
    let degraded = |why, score| Verdict {
        code: OcfCode::Degraded,
        why: Some(why),
        score,
        readable: false,
    };
    let one_stopped = (link.receiver == Thread::Stopped) != (link.applier == Thread::Stopped);
    match broken(link) {
        Some(Why::ReplicationStopped) if one_stopped && unprovable(server).is_none() => {
            return degraded(Why::ReplicationStopped, Score::Set(score::REPLICA_STOPPED));
        }
        Some(why) => return degraded(why, Score::Withdraw),
        None => {}
    }
    let full = || full_disk(server).map(Why::DiskFull);
    if let Some(why) = written_here(server, link, record)
        .or_else(|| unprovable(server))
        .or_else(full)
    {
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
    let why = (!server.closed)
        .then_some(Why::NotClosed)
        .or_else(|| weakness(server, policy));
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

/// Where there is no room for what is received.
pub(super) fn full_disk(server: &Server) -> Option<String> {
    match &server.disk {
        Disk::Full(place) => Some(place.clone()),
        Disk::Fine | Disk::Stuck(_) | Disk::Untested(_) => None,
    }
}

/// A replica writes nothing of its own: somebody did, and the others do not have it.
fn written_here(server: &Server, link: &Link, record: &Record) -> Option<Why> {
    let now = server.own_transactions();
    let known = record.own.as_ref()?;
    (now != *known && !record.dropped_tail).then(|| Why::WrittenHere {
        primary: link.source.clone(),
        extra: now,
    })
}

/// Errors by which a connection fails when its other end is away or full; any other one does not heal by itself.
const SOURCE_AWAY: [u32; 17] = [
    1040, 1053, 1129, 1158, 1159, 1160, 1161, 1203, 1927, 2002, 2003, 2005, 2006, 2013, 2026, 2055, 3032,
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
/// it once received, so it may be promoted only if it knows that it has all of that: `epoch` is the cluster's last one,
/// with the answer.
fn unattached(
    server: &Server,
    epoch: Option<(&Epoch, Result<(), Why>)>,
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
        Some((epoch, Ok(()))) if epoch.node == own_name => plain(Score::Set(score::LAST_PRIMARY)),
        Some((_, Ok(()))) => plain(Score::Set(score::RESTARTED_COMPLETE)),
        Some((_, Err(why))) => Verdict::failed(OcfCode::Degraded, why),
    }
}
