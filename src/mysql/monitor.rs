//! monitor: reports what is, keeps the promotion score true, and attaches a replica that missed its cue.
//!
//! One connection; no other program is started unless something changed. A probe changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::act::ackers::{self, Kept};
use super::act::{Resource, archive, follow, reign};
use super::decide::monitor::{Score, Verdict, View, refused, report};
use super::decide::score;
use super::state::{Answer, Disk, Epoch, Record, Role, Seen, Server, Thread};
use super::why::Why;
use crate::error::{Error, Result};
use crate::ocf::{OcfCode, Outcome, log};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let node = resource.node;
    let record = node.record()?;
    let seen = node.look(limit(resource))?;
    if !resource.is_clustered() || resource.context.probe {
        let epoch = if is_writable(&seen) { node.epoch()? } else { None };
        let verdict = report(View {
            epoch: epoch.as_ref(),
            ..view(resource, &seen, &record)
        });
        if !resource.context.probe {
            return Ok(outcome(verdict));
        }
        let probed = verdict.clone().probed();
        if let Some(why) = verdict.why.filter(|_| probed.code != verdict.code) {
            log::info(&format!("not reported, as this is a probe: {why}"));
        }
        return Ok(outcome(probed));
    }
    recurring(resource, &record, seen)
}

/// What every report begins with.
fn view<'a>(resource: &'a Resource<'_>, seen: &'a Seen, record: &'a Record) -> View<'a> {
    View {
        own_name: resource.node.name(),
        policy: resource.config.policy,
        seen,
        record,
        epoch: None,
        held: None,
        source_node: None,
    }
}

fn limit(resource: &Resource<'_>) -> Duration {
    resource.config.hang_timeout.min(resource.context.deadline.remaining())
}

fn recurring(resource: &Resource<'_>, record: &Record, seen: Seen) -> Result<Outcome> {
    let node = resource.node;
    if !wants_primary(&seen, record) {
        let (mut seen, successor) = duties(resource, record, seen)?;
        // What it claims comes first.
        if let Seen::Running(_, Answer::Facts(server)) = &mut seen {
            probe_disk(resource, record, server)?;
            reign::enter(resource, server, record);
        }
        let verdict = report(View {
            epoch: successor.as_ref(),
            ..view(resource, &seen, record)
        });
        return Ok(told(resource, verdict));
    }
    let epoch = match node.epoch() {
        Ok(epoch) => epoch,
        Err(error) => return Ok(untold(OcfCode::Success, None, &error)),
    };
    let (held, missed) = match catch_up(resource, &seen, record, epoch.as_ref()) {
        Ok(held) => (held, None),
        Err(error) => (record.held.then_some(Why::HeldBack), Some(error)),
    };
    // Catching up may have changed all of it.
    let seen = node.look(limit(resource))?;
    let record = node.record()?;
    let source = match &seen {
        Seen::Running(_, Answer::Facts(server)) => resource.source_of(server),
        Seen::Running(..) | Seen::Absent => None,
    };
    let verdict = report(View {
        epoch: epoch.as_ref(),
        held,
        source_node: source.as_deref(),
        ..view(resource, &seen, &record)
    });
    match accepted(resource, &verdict) {
        Ok(score) => {
            let why = explained(verdict.why, missed);
            Ok(told(resource, Verdict { score, why, ..verdict }))
        }
        Err(error) => Ok(untold(verdict.code, verdict.why, &error)),
    }
}

/// The reason alone would send somebody to a primary that is there: it may be the network, a name, TLS.
fn explained(why: Option<Why>, missed: Option<Error>) -> Option<Why> {
    match (why, missed) {
        (Some(why @ Why::Unproven { .. }), Some(error)) => Some(Why::NotFollowing {
            why: Box::new(why),
            how: error.to_string(),
        }),
        (why, _) => why,
    }
}

/// A node that cannot say what it had received may be promoted if the operator accepted what that may lose.
fn accepted(resource: &Resource<'_>, verdict: &Verdict) -> Result<Score> {
    let Some(Why::Unproven { epoch, .. } | Why::NotItself { epoch, .. } | Why::EpochReverted { epoch, .. }) =
        verdict.why
    else {
        return Ok(verdict.score);
    };
    Ok(match resource.node.accepted_loss()? {
        Some(accepted) if accepted == epoch => Score::Set(score::LOSS_ACCEPTED),
        Some(_) | None => verdict.score,
    })
}

/// A crash is judged by the settings that the primary ran with, not by those it comes back with.
fn note_settings(resource: &Resource<'_>, record: &Record, server: &Server) -> Result<()> {
    let unsynced = record.unsynced || !server.survives_kill;
    let not_durable = record.not_durable.clone().or(server.not_durable.clone());
    if unsynced == record.unsynced && not_durable == record.not_durable {
        return Ok(());
    }
    resource.remember(|record| {
        record.unsynced = unsynced;
        record.not_durable = not_durable;
    })
}

/// A primary that answers and cannot write is no better than one that does not answer.
fn probe_disk(resource: &Resource<'_>, record: &Record, server: &mut Server) -> Result<()> {
    let serves = record.role == Role::Primary && !server.read_only;
    if serves && server.disk == Disk::Fine {
        let limit = resource
            .config
            .write_timeout
            .min(resource.context.deadline.remaining() / 2);
        server.disk = resource.node.probe_disk(limit)?;
    }
    Ok(())
}

/// The primary looks after its claim, an attached replica after its duty to acknowledge. What the server says then, and the
/// cluster's last epoch where that is not this primary's.
fn duties(resource: &Resource<'_>, record: &Record, seen: Seen) -> Result<(Seen, Option<Epoch>)> {
    let Seen::Running(_, Answer::Facts(server)) = &seen else {
        return Ok((seen, None));
    };
    let done = match record.role {
        Role::Primary if !server.read_only => {
            note_settings(resource, record, server).and_then(|()| ackers::keep(resource, server, &BTreeSet::new()))
        }
        Role::Replica if server.read_only && server.link.is_some() => ackers::serve(resource, server),
        Role::Primary | Role::Replica => return Ok((seen, None)),
    };
    match done {
        Ok(Kept::Settled) => return Ok((seen, None)),
        Ok(Kept::Succeeded(epoch)) => return Ok((seen, Some(epoch))),
        Ok(Kept::Looked) => {}
        Err(error) => log::warning(&format!("who acknowledges stays as it is: {error}")),
    }
    // Something may be different, or it may hang since.
    Ok((resource.node.look(limit(resource))?, None))
}

/// The outcome, once the cluster knows what follows from it.
fn told(resource: &Resource<'_>, verdict: Verdict) -> Outcome {
    match publish(resource, &verdict) {
        Ok(()) => outcome(verdict),
        Err(error) => untold(verdict.code, verdict.why, &error),
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict.why {
        Some(why) => Outcome::because(verdict.code, why.to_string()),
        None => Outcome::plain(verdict.code),
    }
}

/// The cluster's tools failed. That is no fault of the server: a failure would restart it, a survivor of a dead primary
/// among them, which may lose what it received.
fn untold(code: OcfCode, why: Option<Why>, error: &Error) -> Outcome {
    let code = match code {
        OcfCode::Success => OcfCode::Degraded,
        OcfCode::RunningPromoted => OcfCode::DegradedPromoted,
        other => other,
    };
    let also = why.map(|why| format!("; {why}")).unwrap_or_default();
    Outcome::because(code, format!("the cluster cannot be told or asked: {error}{also}"))
}

fn is_writable(seen: &Seen) -> bool {
    matches!(seen, Seen::Running(_, Answer::Facts(server)) if !server.read_only)
}

/// A replica that follows nobody, lost its source, was held back, was interrupted while it changed its source, or voted
/// and did not hear who was elected: there may be a primary that it should follow.
fn wants_primary(seen: &Seen, record: &Record) -> bool {
    let Seen::Running(_, Answer::Facts(server)) = seen else {
        return false;
    };
    let lost = server
        .link
        .as_ref()
        .is_some_and(|link| link.receiver == Thread::Connecting);
    let waits = record.voted.is_some();
    server.read_only && (record.held || record.changing_source || waits || lost || !server.is_attached())
}

/// A notification can be missed: follows the primary of the cluster's epoch, if it serves. Why not, if not.
///
/// # Errors
/// When it cannot be followed now, although nobody need do anything about that here.
fn catch_up(resource: &Resource<'_>, seen: &Seen, record: &Record, epoch: Option<&Epoch>) -> Result<Option<Why>> {
    let primary = epoch
        .map(|epoch| epoch.node.as_str())
        .filter(|node| *node != resource.node.name());
    let missed = record.missed(epoch);
    let due = |primary: &&str| missed || !retries(resource, seen, record, primary);
    let Some((primary, epoch)) = primary.filter(due).zip(epoch) else {
        return Ok(record.held.then_some(Why::HeldBack));
    };
    match follow::run(resource, primary, Some(epoch)) {
        Ok(held) => Ok(held.map(|held| archive::keep(resource, held, record, epoch))),
        Err(error) => {
            log::debug(&format!("cannot follow {primary}: {error}"));
            let why = refusal(seen, primary, &error).filter(|_| !record.held);
            why.map_or(Err(error), |why| Ok(Some(why)))
        }
    }
}

/// Why a node that follows nobody cannot follow a primary that is there: a password or an account that is wrong.
fn refusal(seen: &Seen, primary: &str, error: &Error) -> Option<Why> {
    let attached = matches!(seen, Seen::Running(_, Answer::Facts(server)) if server.is_attached());
    (!attached && error.needs_a_person()).then(|| Why::CannotFollow {
        primary: primary.to_owned(),
        how: error.to_string(),
    })
}

/// A receiver that lost exactly this primary tries again by itself, unless the primary refuses it.
fn retries(resource: &Resource<'_>, seen: &Seen, record: &Record, primary: &str) -> bool {
    let Seen::Running(_, Answer::Facts(server)) = seen else {
        return false;
    };
    let trying = server.link.as_ref().is_some_and(|link| {
        let same = resource.node.node_at(&link.source) == primary;
        same && link.receiver != Thread::Stopped && refused(link).is_none()
    });
    trying && server.is_attached() && !record.held && !record.changing_source
}

/// Scores and attributes make Pacemaker think again, so they are written only when they change. A server that hangs
/// or broke keeps nothing; one that is gone is withdrawn as well, so that a peer is promoted instead of it.
fn publish(resource: &Resource<'_>, verdict: &Verdict) -> Result<()> {
    match verdict.score {
        Score::Set(score) => resource.node.set_score(Some(score))?,
        Score::Withdraw => resource.node.set_score(None)?,
        Score::Keep => {}
    }
    resource.node.set_readable(verdict.readable)?;
    if verdict.code == OcfCode::NotRunning {
        log::info("the server is gone: its promotion score is withdrawn");
    }
    Ok(())
}
