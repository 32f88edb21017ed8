//! monitor: reports what is, keeps the promotion score true, and attaches a replica that missed its cue.
//!
//! One connection; no other program is started unless something changed. A probe changes nothing.

use super::act::{Resource, follow};
use super::decide::monitor::{Score, Verdict, report};
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
    let mut seen = observe::local(config, limit)?;
    let mut epoch = None;
    let mut held = None;
    if let (Some(cluster), false) = (&resource.cluster, resource.context.probe)
        && wants_primary(&seen, &record)
    {
        epoch = match record::epoch(cluster, resource.instance()) {
            Ok(epoch) => epoch,
            Err(error) => return Ok(untold(OcfCode::Success, None, &error)),
        };
        held = catch_up(resource, cluster, &seen, epoch.as_ref());
        seen = observe::local(config, limit)?;
    }
    let verdict = report(&seen, &record, epoch.as_ref(), held, resource.own_name(), config.policy);
    if let (Some(cluster), false) = (&resource.cluster, resource.context.probe)
        && let Err(error) = publish(resource, cluster, &verdict)
    {
        return Ok(untold(verdict.code, verdict.why, &error));
    }
    Ok(match verdict.why {
        Some(why) => Outcome::because(verdict.code, why.to_string()),
        None => Outcome::plain(verdict.code),
    })
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

/// A replica that follows nobody, lost its source, or was held back: there may be a primary that it should follow.
fn wants_primary(seen: &Seen, record: &Record) -> bool {
    let Seen::Running(_, Answer::Facts(server)) = seen else {
        return false;
    };
    let lost = server
        .link
        .as_ref()
        .is_some_and(|link| link.receiver == Thread::Connecting);
    server.read_only && (record.held || lost || !server.is_attached())
}

/// A notification can be missed: follows the primary of the cluster's epoch, if it serves. Why not, if not.
fn catch_up(resource: &Resource<'_>, cluster: &Cluster, seen: &Seen, epoch: Option<&Epoch>) -> Option<Why> {
    let primary = epoch
        .map(|epoch| epoch.node.as_str())
        .filter(|node| *node != cluster.node)?;
    // One that lost exactly this primary tries again by itself.
    if let Seen::Running(_, Answer::Facts(server)) = seen
        && server.is_attached()
        && server
            .link
            .as_ref()
            .is_some_and(|link| link.receiver != Thread::Stopped)
        && server
            .link
            .as_ref()
            .is_some_and(|link| resource.config.node_at(&link.source) == primary)
    {
        return None;
    }
    match follow::run(resource, primary) {
        Ok(why) => why,
        Err(error) => {
            log::debug(&format!("cannot follow {primary}: {error}"));
            None
        }
    }
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
