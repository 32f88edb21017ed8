//! Makes this server a replica of the primary, after comparing both, or finds out why it must not be one.

use std::time::Duration;

use super::replication::{point, stopped};
use super::{Resource, ackers, phase};
use crate::error::{Error, Result};
use crate::mysql::decide::monitor::refused;
use crate::mysql::decide::{self, Following};
use crate::mysql::gtid::Position;
use crate::mysql::node::Database;
use crate::mysql::state::{Epoch, Record, Server, Thread, Voted};
use crate::mysql::why::Why;
use crate::ocf::log;

/// What was received is applied first, as long as this does not take longer; what is left is compared.
const DRAIN: Duration = Duration::from_secs(5);
/// The primary was just promoted or is serving: it answers at once, or something is wrong.
const ASK: Duration = Duration::from_secs(3);

/// A node that must not follow, and what was compared.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) why: Why,
    pub(crate) mine: Server,
    pub(crate) theirs: Server,
}

/// Follows `primary`; returns why this node is held back instead, if it is.
///
/// # Errors
/// When the primary cannot be asked, or does not serve as primary.
pub(crate) fn run(resource: &Resource<'_>, primary: &str, epoch: Option<&Epoch>) -> Result<Option<Held>> {
    let server = resource.server()?;
    let record = resource.node.record()?;
    let acknowledge = epoch.is_some_and(|epoch| record.may_acknowledge(epoch, resource.node.name()));
    if follows(resource, &server, primary) && !record.changing_source {
        let own = record.own.clone().unwrap_or_else(|| server.own_transactions());
        remember_following(resource, epoch, own)?;
        if let Some(epoch) = epoch.filter(|_| acknowledge) {
            // It is connected since before this primary was promoted again, and acknowledges.
            resource.remember(|record| record.acknowledged_in = epoch.number)?;
        }
        return Ok(None);
    }
    // A primary that does not serve must not cost this replica its threads.
    let theirs = serving(resource, primary)?;
    if distrusted(resource, &record, &server)? {
        return hold(resource, epoch, Why::LostInCrash, server, theirs);
    }
    if server.lost_own(&theirs.holdings) && !resource.config.policy.semi_sync {
        // It would have to acknowledge to get them.
        return hold(resource, epoch, Why::LacksOwn(primary.to_owned()), server, theirs);
    }
    let lost = record.dropped_tail || server.lost_own(&theirs.holdings);
    if lost && !server.skips_own && resource.config.policy.semi_sync {
        // What it receives of its own from now on, it does not write now.
        resource.remember(|record| record.dropped_tail = true)?;
        if !acknowledge {
            return await_admission(resource, primary, epoch, server, theirs);
        }
    }
    let mut database = resource.node.connect()?;
    let server = match decide::follow(&server, &theirs, primary, epoch) {
        Following::Attach => server,
        Following::Hold(_) => drained(resource, database.as_mut(), server)?,
    };
    let server = stopped(resource, database.as_mut(), server)?;
    // Own position first, now that it stands still: what the primary has can only grow until it is asked.
    let theirs = match serving(resource, primary) {
        Ok(theirs) => theirs,
        Err(error) => {
            // It ended meanwhile. A survivor whose threads stand still would be no candidate.
            resume(database.as_mut(), &server);
            return Err(error);
        }
    };
    match decide::follow(&server, &theirs, primary, epoch) {
        Following::Hold(why) => hold(resource, epoch, why, server, theirs),
        Following::Attach => {
            refetch(resource, &server, &theirs, primary, epoch)?;
            phase("point to primary", || {
                point(resource, database.as_mut(), &server, primary, epoch, acknowledge)
            })?;
            remember_following(resource, epoch, server.own_transactions())?;
            log::info(&format!(
                "following {primary} from {}",
                server.holdings.resume_position()
            ));
            Ok(None)
        }
    }
}

/// A former primary that lost transactions of its own gets them only as a replica that acknowledges.
fn await_admission(
    resource: &Resource<'_>,
    primary: &str,
    epoch: Option<&Epoch>,
    mine: Server,
    theirs: Server,
) -> Result<Option<Held>> {
    if let Following::Hold(why) = decide::follow(&mine, &theirs, primary, epoch) {
        return hold(resource, epoch, why, mine, theirs);
    }
    ackers::ask_for_admission(resource, epoch)?;
    Err(Error::State(
        "this former primary lacks transactions of its own: it waits until it is admitted to acknowledge".to_owned(),
    ))
}

/// Whether this server's history proves nothing. New data have another history of what this server wrote itself.
fn distrusted(resource: &Resource<'_>, record: &Record, server: &Server) -> Result<bool> {
    if !record.distrusted {
        return Ok(false);
    }
    let own = server.own_transactions();
    let same = record.own.as_ref().is_none_or(|known| *known == own);
    resource.remember(|record| {
        record.distrusted = same;
        record.own = Some(own);
    })?;
    Ok(same)
}

/// A node that is held acknowledges nothing: the primary must not count on it, nor a later election.
fn hold(
    resource: &Resource<'_>,
    epoch: Option<&Epoch>,
    why: Why,
    mine: Server,
    theirs: Server,
) -> Result<Option<Held>> {
    resource.remember(|record| record.held = true)?;
    if let Some(epoch) = epoch {
        ackers::leave(resource, epoch)?;
    }
    Ok(Some(Held { why, mine, theirs }))
}

/// What the primary has, if it serves as one.
fn serving(resource: &Resource<'_>, primary: &str) -> Result<Server> {
    let limit = ASK.min(resource.context.deadline.remaining());
    let server = resource.node.ask(primary, limit)?;
    if server.read_only {
        return Err(Error::State(format!(
            "{primary} is read-only: it does not serve as primary"
        )));
    }
    Ok(server)
}

/// Notes what has to be received again before this node knows what it had received from the same primary. Durable before
/// the relay log is deleted.
fn refetch(
    resource: &Resource<'_>,
    mine: &Server,
    theirs: &Server,
    primary: &str,
    epoch: Option<&Epoch>,
) -> Result<()> {
    let link = mine.link.as_ref();
    let interrupted = resource.node.record()?.changing_source;
    let again = interrupted || link.is_some_and(|link| resource.node.node_at(&link.source) == primary);
    let refetches = epoch.filter(|_| again).map(|epoch| Voted {
        epoch: epoch.number,
        received: theirs.binlog_position.clone(),
    });
    resource.remember(|record| record.refetches = refetches)
}

/// A vote has served its purpose once its voter follows who was elected.
fn remember_following(resource: &Resource<'_>, epoch: Option<&Epoch>, own: Position) -> Result<()> {
    resource.remember(|record| {
        record.held = false;
        record.machine_crashed = false;
        record.own = Some(own);
        if record.missed(epoch) {
            record.voted = None;
        }
    })
}

fn follows(resource: &Resource<'_>, server: &Server, primary: &str) -> bool {
    server.link.as_ref().is_some_and(|link| {
        let running = link.receiver != Thread::Stopped && link.applier != Thread::Stopped;
        resource.node.node_at(&link.source) == primary && running && refused(link).is_none()
    })
}

/// Applies what is in the relay log where the primary does not have all of it, because pointing elsewhere deletes it: this
/// node may be the only one that holds it.
fn drained(resource: &Resource<'_>, database: &mut dyn Database, server: Server) -> Result<Server> {
    let applying = server.link.as_ref().is_some_and(|link| link.applier != Thread::Stopped);
    if !applying || server.holdings.pending().is_empty() {
        return Ok(server);
    }
    let drained = resource.wait("the relay log's end", DRAIN, || {
        let server = database.observe()?;
        Ok(server.holdings.pending().is_empty().then_some(server))
    });
    match drained {
        Err(Error::Timeout { .. }) => database.observe(),
        other => other,
    }
}

/// Starts the replication of a server that was just stopped, to the source that it has, unless that would delete what
/// was received and not executed, or may: a server that was restarted does not know what is in its relay log.
fn resume(database: &mut dyn Database, server: &Server) {
    let knows = server.is_attached() && server.holdings.pending().is_empty();
    let loses_nothing = server.keeps_received || knows;
    if server.link.is_some()
        && loses_nothing
        && let Err(error) = database.start_replication()
    {
        log::warning(&format!("replication stays stopped: {error}"));
    }
}
