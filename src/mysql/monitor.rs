//! monitor: reports what is, keeps the promotion score true, and attaches a replica that missed its cue.
//!
//! One connection; no other program is started unless something changed. A probe changes nothing.

use super::act::{Resource, follow};
use super::decide::monitor::{Score, Verdict, refused, report};
use super::observe;
use super::record;
use super::state::{Answer, Epoch, Record, Seen, Thread};
use super::why::Why;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::ocf::{OcfCode, Outcome, log};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let config = &resource.config;
    let limit = config.hang_timeout.min(resource.context.deadline.remaining());
    let record = record::load(resource.instance())?;
    let seen = observe::local(config, limit)?;
    let Some(cluster) = &resource.cluster else {
        return Ok(outcome(report(&seen, &record, None, None, "", config.policy)));
    };
    if resource.context.probe {
        let epoch = if is_writable(&seen) {
            record::epoch(cluster, resource.instance())?
        } else {
            None
        };
        return Ok(outcome(report(
            &seen,
            &record,
            epoch.as_ref(),
            None,
            &cluster.node,
            config.policy,
        )));
    }
    recurring(resource, cluster, &record, seen)
}

fn recurring(resource: &Resource<'_>, cluster: &Cluster, record: &Record, seen: Seen) -> Result<Outcome> {
    let policy = resource.config.policy;
    if !wants_primary(&seen, record) {
        return Ok(told(
            resource,
            cluster,
            report(&seen, record, None, None, &cluster.node, policy),
        ));
    }
    let epoch = match record::epoch(cluster, resource.instance()) {
        Ok(epoch) => epoch,
        Err(error) => return Ok(untold(OcfCode::Success, None, &error)),
    };
    let held = catch_up(resource, cluster, &seen, record, epoch.as_ref());
    // Catching up may have changed all of it.
    let limit = resource.config.hang_timeout.min(resource.context.deadline.remaining());
    let seen = observe::local(&resource.config, limit)?;
    let record = record::load(resource.instance())?;
    let verdict = report(&seen, &record, epoch.as_ref(), held, &cluster.node, policy);
    Ok(told(resource, cluster, verdict))
}

/// The outcome, once the cluster knows what follows from it.
fn told(resource: &Resource<'_>, cluster: &Cluster, verdict: Verdict) -> Outcome {
    match publish(resource, cluster, &verdict) {
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
fn catch_up(
    resource: &Resource<'_>,
    cluster: &Cluster,
    seen: &Seen,
    record: &Record,
    epoch: Option<&Epoch>,
) -> Option<Why> {
    let held = record.held.then_some(Why::HeldBack);
    let primary = epoch
        .map(|epoch| epoch.node.as_str())
        .filter(|node| *node != cluster.node);
    let missed = record.missed(epoch);
    let Some(primary) = primary.filter(|primary| missed || !retries(resource, seen, record, primary)) else {
        return held;
    };
    match follow::run(resource, primary, epoch) {
        Ok(why) => why,
        Err(error) => {
            log::debug(&format!("cannot follow {primary}: {error}"));
            held.or_else(|| refusal(seen, primary, &error))
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
        let same = resource.config.node_at(&link.source) == primary;
        same && link.receiver != Thread::Stopped && refused(link).is_none()
    });
    trying && server.is_attached() && !record.held && !record.changing_source
}

/// Scores and attributes make Pacemaker think again, so they are written only when they change. A server that hangs
/// or broke keeps nothing; one that is gone is withdrawn as well, so that a peer is promoted instead of it.
fn publish(resource: &Resource<'_>, cluster: &Cluster, verdict: &Verdict) -> Result<()> {
    match verdict.score {
        Score::Set(score) => cluster.set_score(Some(score))?,
        Score::Withdraw => cluster.set_score(None)?,
        Score::Keep => {}
    }
    cluster.set_attribute(
        &resource.config.reader_attribute,
        if verdict.readable { "1" } else { "0" },
    )?;
    if verdict.code == OcfCode::NotRunning {
        log::info("the server is gone: its promotion score is withdrawn");
    }
    Ok(())
}
