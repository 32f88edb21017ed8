//! monitor: reports what is, keeps the promotion score true, and attaches a replica that missed its cue.
//!
//! One connection; no other program is started unless something changed. A probe changes nothing.

use super::act::{Resource, follow};
use super::decide::{self, Verdict};
use super::observe;
use super::record;
use super::state::{Answer, Epoch, Seen};
use super::why::Why;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::ocf::{OcfCode, Outcome, log};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let config = &resource.config;
    let limit = config.hang_timeout.min(resource.context.deadline.remaining());
    let record = record::load(resource.instance())?;
    let mut seen = observe::local(config, limit)?;
    let mut epoch = None;
    let mut held = None;
    if let (Some(cluster), false) = (&resource.cluster, resource.context.probe)
        && is_unattached(&seen)
    {
        epoch = record::epoch(cluster, resource.instance())?;
        held = catch_up(resource, cluster, epoch.as_ref());
        seen = observe::local(config, limit)?;
    }
    let verdict = decide::monitor(&seen, &record, epoch.as_ref(), held, resource.own_name(), config.policy);
    if let (Some(cluster), false) = (&resource.cluster, resource.context.probe) {
        publish(resource, cluster, &verdict)?;
    }
    Ok(match verdict.why {
        Some(why) => Outcome::because(verdict.code, why.to_string()),
        None => Outcome::plain(verdict.code),
    })
}

fn is_unattached(seen: &Seen) -> bool {
    matches!(seen, Seen::Running(_, Answer::Facts(server)) if server.read_only && !server.is_attached())
}

/// A notification can be missed: follows the primary of the cluster's epoch, if it serves. Why not, if not.
fn catch_up(resource: &Resource<'_>, cluster: &Cluster, epoch: Option<&Epoch>) -> Option<Why> {
    let primary = epoch
        .map(|epoch| epoch.node.as_str())
        .filter(|node| *node != cluster.node)?;
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
    cluster.set_score(verdict.score)?;
    cluster.set_attribute(
        &resource.config.reader_attribute,
        if verdict.readable { "1" } else { "0" },
    )?;
    if verdict.code == OcfCode::NotRunning {
        log::info("the server is gone: its promotion score is withdrawn");
    }
    Ok(())
}
