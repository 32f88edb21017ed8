//! Makes this server a replica of the primary, after comparing both, or finds out why it must not be one.

use std::time::Duration;

use super::{Resource, STEP, phase};
use crate::error::{Error, Result};
use crate::mysql::decide::monitor::refused;
use crate::mysql::decide::{self, Following};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::sql::Connection;
use crate::mysql::state::{Epoch, Record, Server, Thread};
use crate::mysql::why::Why;
use crate::ocf::log;

/// What was received is applied first, as long as this does not take longer; what is left is compared.
const DRAIN: Duration = Duration::from_secs(5);
/// The primary was just promoted or is serving: it answers at once, or something is wrong.
const ASK: Duration = Duration::from_secs(3);

/// Follows `primary`; returns why this node is held back instead, if it is.
///
/// # Errors
/// When the primary cannot be asked, or does not serve as primary.
pub(crate) fn run(resource: &Resource<'_>, primary: &str, epoch: Option<&Epoch>) -> Result<Option<Why>> {
    let config = &resource.config;
    let server = resource.server()?;
    let source = config.address_of(primary);
    let record = record::load(resource.instance())?;
    if follows(&server, &source) && !record.changing_source {
        remember_following(resource, epoch)?;
        return Ok(None);
    }
    let mut connection = resource.connect()?;
    let server = drained(resource, &mut connection, server)?;
    // A primary that does not serve must not cost this replica its threads.
    serving(resource, primary)?;
    let server = stopped(&mut connection, server)?;
    // Own position first, now that it stands still: what the primary has can only grow until it is asked.
    let theirs = serving(resource, primary)?;
    match decide::follow(&server, &theirs, primary, epoch) {
        Following::Hold(why) => {
            remember(resource, |record| record.held = true)?;
            Ok(Some(why))
        }
        Following::Attach => {
            phase("point to primary", || {
                point(resource, &mut connection, &server, &source)
            })?;
            remember_following(resource, epoch)?;
            log::info(&format!(
                "following {primary} from {}",
                server.holdings.resume_position()
            ));
            Ok(None)
        }
    }
}

/// What the primary has, if it serves as one.
fn serving(resource: &Resource<'_>, primary: &str) -> Result<Server> {
    let limit = ASK.min(resource.context.deadline.remaining());
    let server = observe::remote(&resource.config, primary, limit)?;
    if server.read_only {
        return Err(Error::State(format!(
            "{primary} is read-only: it does not serve as primary"
        )));
    }
    Ok(server)
}

/// A vote has served its purpose once its voter follows who was elected.
fn remember_following(resource: &Resource<'_>, epoch: Option<&Epoch>) -> Result<()> {
    remember(resource, |record| {
        record.held = false;
        if record.missed(epoch) {
            record.voted = None;
        }
    })
}

/// Changes this node's record, if that makes a difference.
pub(super) fn remember(resource: &Resource<'_>, change: impl FnOnce(&mut Record)) -> Result<()> {
    let old = record::load(resource.instance())?;
    let mut new = old.clone();
    change(&mut new);
    if new == old {
        Ok(())
    } else {
        record::store(resource.instance(), &new)
    }
}

fn follows(server: &Server, source: &str) -> bool {
    server.link.as_ref().is_some_and(|link| {
        let running = link.receiver != Thread::Stopped && link.applier != Thread::Stopped;
        link.source == source && running && refused(link).is_none()
    })
}

/// Applies what is in the relay log, because pointing elsewhere deletes it: until then this node may be the only one
/// that holds a transaction the new primary has not passed on.
fn drained(resource: &Resource<'_>, connection: &mut Connection, server: Server) -> Result<Server> {
    let applying = server.link.as_ref().is_some_and(|link| link.applier != Thread::Stopped);
    if !applying || server.holdings.pending().is_empty() {
        return Ok(server);
    }
    let deadline = resource.context.deadline.within(DRAIN);
    let drained = deadline.poll("the relay log's end", STEP, || {
        let server = observe::server(connection)?;
        Ok(server.holdings.pending().is_empty().then_some(server))
    });
    match drained {
        Err(Error::Timeout { .. }) => observe::server(connection),
        other => other,
    }
}

/// The server with its replication stopped: only now do its positions stand still.
pub(super) fn stopped(connection: &mut Connection, server: Server) -> Result<Server> {
    if server.link.is_none() {
        return Ok(server);
    }
    connection.run(mariadb::STOP_REPLICATION)?;
    observe::server(connection)
}

/// Points the stopped server to `source` and starts it. Deletes the relay log.
pub(super) fn point(resource: &Resource<'_>, connection: &mut Connection, server: &Server, source: &str) -> Result<()> {
    let replication = &resource.config.replication;
    remember(resource, |record| record.changing_source = true)?;
    // A former primary has written transactions that it never applied as a replica: it must not ask for them again.
    let resume = server.holdings.resume_position();
    if resume != server.holdings.applied {
        connection.run(mariadb::set_resume_position(&resume))?;
    }
    connection.run(mariadb::ACKNOWLEDGE)?;
    connection.run(mariadb::DEAD_SOURCE_LIMIT)?;
    connection.run(mariadb::change_source(
        source,
        replication.port,
        &replication.credentials.login()?,
    ))?;
    connection.run(mariadb::START_REPLICATION)?;
    remember(resource, |record| record.changing_source = false)
}
