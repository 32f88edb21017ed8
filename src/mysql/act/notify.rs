//! notify: before a promotion every survivor says what it holds, after it every replica follows the new primary.
//!
//! Pacemaker ignores the result of a notification, so nothing relies on it alone: a promotion refuses to go on
//! without the votes, and a monitor attaches a replica that missed its cue.

use super::{Resource, follow, phase};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::state::{Answer, Ballot, Seen, Thread, Vote};
use crate::ocf::notify::Moment;
use crate::ocf::{Outcome, log};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let Some(cluster) = &resource.cluster else {
        return Ok(Outcome::SUCCESS);
    };
    match resource.context.notify.moment {
        Some(Moment::PrePromote) => phase("vote", || vote(resource, cluster))?,
        Some(Moment::PostPromote) => after_promotion(resource, cluster)?,
        Some(
            Moment::PreStart
            | Moment::PostStart
            | Moment::PreStop
            | Moment::PostStop
            | Moment::PreDemote
            | Moment::PostDemote,
        )
        | None => {}
    }
    Ok(Outcome::SUCCESS)
}

/// Publishes what this node holds. The receiver is not stopped: with both threads stopped the next start would delete
/// the relay log. The old primary is dead, fenced or demoted by now, so nothing more can come that a client was told.
fn vote(resource: &Resource<'_>, cluster: &Cluster) -> Result<()> {
    let instance = resource.instance();
    let epoch = record::epoch(cluster, instance)?.map_or(0, |epoch| epoch.number);
    let limit = resource.config.hang_timeout.min(resource.context.deadline.remaining());
    let ballot = match observe::local(&resource.config, limit)? {
        Seen::Running(_, Answer::Facts(_)) if record::load(instance)?.held => Ballot::Held,
        Seen::Running(_, Answer::Facts(server)) => {
            let link = server.link.as_ref();
            let idle = link.is_some_and(|link| link.applier == Thread::Stopped && link.receiver != Thread::Stopped);
            if idle && link.is_some_and(|link| link.applier_error.is_none()) {
                resource.connect()?.run(mariadb::START_APPLIER)?;
            }
            Ballot::Holds(server.holdings)
        }
        Seen::Running(_, Answer::Alive(how) | Answer::Silent(how)) => {
            log::warning(&format!("voting without a position: {how}"));
            Ballot::NoServer
        }
        Seen::Absent => Ballot::NoServer,
    };
    let vote = Vote { epoch, ballot };
    let text = serde_json::to_string(&vote).map_err(|error| Error::State(format!("cannot write a vote: {error}")))?;
    log::info(&format!("voting {text}"));
    cluster.set_private(&observe::vote_attribute(instance), &text)
}

fn after_promotion(resource: &Resource<'_>, cluster: &Cluster) -> Result<()> {
    let primary = resource.context.notify.primary_after();
    if let Some(primary) = primary.filter(|primary| *primary != cluster.node) {
        match phase("follow", || follow::run(resource, primary)) {
            Ok(None) => {}
            Ok(Some(why)) => log::error(&why.to_string()),
            Err(error) => log::warning(&format!("cannot follow {primary} yet: {error}")),
        }
    }
    cluster.delete_private(&observe::vote_attribute(resource.instance()))
}
