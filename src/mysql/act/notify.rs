//! notify: before a promotion every survivor says what it holds, after it every replica follows the new primary.
//!
//! Pacemaker ignores the result of a notification, so nothing relies on it alone: a promotion refuses to go on
//! without the votes, and a monitor attaches a replica that missed its cue.

use std::time::Duration;

use super::{Resource, STEP, follow, phase};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::state::{Answer, Ballot, Seen, Thread, Vote, Voted};
use crate::mysql::why::Why;
use crate::ocf::notify::Moment;
use crate::ocf::{Outcome, log};

/// How long a full server is asked again before this node votes that it does not know.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let name = observe::vote_attribute(instance);
    let epoch = record::epoch(cluster, instance)?.map_or(0, |epoch| epoch.number);
    let cast = ballot(resource, epoch);
    if cast.is_err() {
        // A vote of an election that came to nothing must not stand for this one.
        cluster.delete_private(&name)?;
    }
    let vote = Vote { epoch, ballot: cast? };
    let text = serde_json::to_string(&vote).map_err(|error| Error::State(format!("cannot write a vote: {error}")))?;
    log::info(&format!("voting {text}"));
    cluster.set_private(&name, &text)
}

fn ballot(resource: &Resource<'_>, epoch: u64) -> Result<Ballot> {
    let record = record::load(resource.instance())?;
    let server = match look(resource)? {
        Seen::Absent => return Ok(Ballot::NoServer),
        Seen::Running(_, Answer::Alive(how) | Answer::Silent(how)) => {
            log::warning(&format!("this node cannot say what it holds: {how}"));
            return Ok(Ballot::Unknown);
        }
        Seen::Running(_, Answer::Facts(_)) if record.held => return Ok(Ballot::Held),
        Seen::Running(_, Answer::Facts(server)) => server,
    };
    let idle = server.link.as_ref().is_some_and(|link| {
        link.applier == Thread::Stopped && link.receiver != Thread::Stopped && link.applier_error.is_none()
    });
    if idle {
        resource.connect()?.run(mariadb::START_APPLIER)?;
    }
    if record.changing_source {
        // The relay log may be gone although the server still says what it had received.
        return Ok(Ballot::Holds(server.holdings.executed()));
    }
    let voted = Voted {
        epoch,
        received: server.holdings.received.clone(),
    };
    if server.is_attached() {
        follow::remember(resource, |record| record.voted = Some(voted))?;
    }
    Ok(Ballot::Holds(server.holdings))
}

/// A server that is full of clients, who lost their primary, answers in a moment: worth a few tries.
fn look(resource: &Resource<'_>) -> Result<Seen> {
    let deadline = resource.context.deadline.within(PATIENCE);
    let limit = || resource.config.hang_timeout.min(resource.context.deadline.remaining());
    let answered = deadline.poll("an answer of the server", STEP, || {
        let seen = observe::local(&resource.config, limit())?;
        let full = matches!(seen, Seen::Running(_, Answer::Alive(_)));
        Ok((!full).then_some(seen))
    });
    match answered {
        Err(Error::Timeout { .. }) => observe::local(&resource.config, limit()),
        other => other,
    }
}

fn after_promotion(resource: &Resource<'_>, cluster: &Cluster) -> Result<()> {
    let primary = resource.context.notify.primary_after();
    if let Some(primary) = primary.filter(|primary| *primary != cluster.node) {
        match phase("follow", || follow_new(resource, cluster, primary)) {
            Ok(None) => {}
            Ok(Some(why)) => log::error(&why.to_string()),
            Err(error) => log::warning(&format!("cannot follow {primary} yet: {error}")),
        }
    }
    cluster.delete_private(&observe::vote_attribute(resource.instance()))
}

fn follow_new(resource: &Resource<'_>, cluster: &Cluster, primary: &str) -> Result<Option<Why>> {
    let epoch = record::epoch(cluster, resource.instance())?;
    follow::run(resource, primary, epoch.as_ref())
}
