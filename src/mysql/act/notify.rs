//! notify: before a promotion every survivor says what it holds, after it every replica follows the new primary.
//!
//! Pacemaker ignores the result of a notification, so nothing relies on it alone: a promotion refuses to go on
//! without the votes, and a monitor attaches a replica that missed its cue.

use std::time::Duration;

use super::follow::Held;
use super::{Resource, ackers, follow, phase};
use crate::error::{Error, Result};
use crate::mysql::decide;
use crate::mysql::state::{Answer, Ballot, Epoch, Record, Role, Seen, Server, Thread, Vote, Voted};
use crate::ocf::notify::Moment;
use crate::ocf::{Outcome, log};

/// How long a full server is asked again before this node votes that it does not know.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    if !resource.is_clustered() {
        return Ok(Outcome::SUCCESS);
    }
    match resource.context.notify.moment {
        Some(Moment::PrePromote) => phase("vote", || vote(resource))?,
        Some(Moment::PostPromote) => after_promotion(resource)?,
        Some(Moment::PostStart | Moment::PostStop) => replicas_changed(resource)?,
        Some(Moment::PreDemote) => before_demotion(resource)?,
        Some(Moment::PreStart | Moment::PreStop | Moment::PostDemote) | None => {}
    }
    Ok(Outcome::SUCCESS)
}

/// Publishes what this node holds. The receiver is not stopped: with both threads stopped the next start would delete
/// the relay log. The old primary is dead, fenced or demoted by now, so nothing more can come that a client was told.
fn vote(resource: &Resource<'_>) -> Result<()> {
    let ended = resource.node.epoch()?;
    let epoch = ended.as_ref().map_or(0, |epoch| epoch.number);
    let cast = ballot(resource, ended.as_ref());
    if cast.is_err() {
        // A vote of an election that came to nothing must not stand for this one.
        resource.node.withdraw_vote()?;
    }
    resource.node.cast_vote(&Vote { epoch, ballot: cast? })
}

fn ballot(resource: &Resource<'_>, epoch: Option<&Epoch>) -> Result<Ballot> {
    let record = resource.node.record()?;
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
        let protected = link.receiver != Thread::Stopped || server.keeps_received;
        link.applier == Thread::Stopped && protected && link.applier_error.is_none()
    });
    if idle {
        resource.node.connect()?.start_applier()?;
    }
    if record.changing_source {
        // The relay log may be gone although the server still says what it had received.
        return Ok(Ballot::Restarted(server.holdings.executed()));
    }
    let source = resource.source_of(&server);
    let knows = epoch.is_none_or(|epoch| {
        decide::knows_what_it_received(&server, &record, source.as_deref(), epoch, resource.node.name())
    });
    if server.is_attached() {
        remember_vote(resource, &server, &record, epoch, knows)?;
    }
    let holdings = match &record.own {
        Some(known) if !record.dropped_tail => {
            server
                .holdings
                .without_own(server.server_id, &server.server_uuid, known)
        }
        Some(_) | None => server.holdings,
    };
    let holdings = holdings.in_short();
    Ok(if knows {
        Ballot::Holds(holdings)
    } else {
        Ballot::Restarted(holdings)
    })
}

/// What must be executed here before a later election may count on it although the server restarted. A node that does not
/// know what it had received has voted for no less than what it still has to fetch.
fn remember_vote(
    resource: &Resource<'_>,
    server: &Server,
    record: &Record,
    epoch: Option<&Epoch>,
    knows: bool,
) -> Result<()> {
    let number = epoch.map_or(0, |epoch| epoch.number);
    let lost = record.refetches.clone().filter(|lost| lost.epoch == number);
    let received = Voted {
        epoch: number,
        received: server.holdings.received(),
    };
    let Some(voted) = Some(received).filter(|_| knows).or(lost) else {
        return Ok(());
    };
    resource.remember(|record| record.voted = Some(voted))
}

/// A server that is full of clients, who lost their primary, answers in a moment: worth a few tries.
fn look(resource: &Resource<'_>) -> Result<Seen> {
    let limit = || resource.config.hang_timeout.min(resource.context.deadline.remaining());
    let answered = resource.wait("an answer of the server", PATIENCE, || {
        let seen = resource.node.look(limit())?;
        let full = matches!(seen, Seen::Running(_, Answer::Alive(_)));
        Ok((!full).then_some(seen))
    });
    match answered {
        Err(Error::Timeout { .. }) => resource.node.look(limit()),
        other => other,
    }
}

fn after_promotion(resource: &Resource<'_>) -> Result<()> {
    let primary = resource.context.notify.primary_after();
    if let Some(primary) = primary.filter(|primary| *primary != resource.node.name()) {
        match phase("follow", || follow_new(resource, primary)) {
            Ok(None) => {}
            Ok(Some(held)) => log::error(&held.why.to_string()),
            Err(error) => log::warning(&format!("cannot follow {primary} yet: {error}")),
        }
    }
    resource.node.withdraw_vote()
}

/// The primary looks after its claim at once: commits may be waiting for a replica that was just stopped or fenced.
fn replicas_changed(resource: &Resource<'_>) -> Result<()> {
    let record = resource.node.record()?;
    if record.role != Role::Primary {
        return Ok(());
    }
    let gone = resource.context.notify.stopped().into_iter().collect();
    phase("acknowledgements", || {
        ackers::keep(resource, &resource.server()?, &gone)
    })
    .map(drop)
}

/// Whoever puts an older configuration in place often moves the primary by that.
fn before_demotion(resource: &Resource<'_>) -> Result<()> {
    let record = resource.node.record()?;
    if record.role != Role::Primary {
        return Ok(());
    }
    if let Err(error) = ackers::put_back(resource, &record) {
        log::warning(&format!(
            "the cluster's epoch is not compared with this primary's: {error}"
        ));
    }
    Ok(())
}

fn follow_new(resource: &Resource<'_>, primary: &str) -> Result<Option<Held>> {
    follow::run(resource, primary, resource.node.epoch()?.as_ref())
}
