//! Makes this server a replica of the primary, after comparing both, or finds out why it must not be one.

use std::time::Duration;

use super::{Resource, STEP, phase};
use crate::error::{Error, Result};
use crate::mysql::decide::{self, Following};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::sql::Connection;
use crate::mysql::state::{Record, Server, Thread};
use crate::mysql::why::Why;
use crate::ocf::log;

/// What was received is applied first, as long as this does not take longer: the new primary has it all anyway.
const DRAIN: Duration = Duration::from_secs(5);
/// The primary was just promoted or is serving: it answers at once, or something is wrong.
const ASK: Duration = Duration::from_secs(3);

/// Follows `primary`; returns why this node is held back instead, if it is.
///
/// # Errors
/// When the primary cannot be asked, or does not serve as primary.
pub(crate) fn run(resource: &Resource<'_>, primary: &str) -> Result<Option<Why>> {
    let config = &resource.config;
    let server = resource.server()?;
    let source = config.address_of(primary);
    if follows(&server, &source) {
        remember(resource, false)?;
        return Ok(None);
    }
    let mut connection = resource.connect()?;
    let server = drained(resource, &mut connection, server)?;
    // Own position first: the primary goes on writing, so what it has can only grow until it is asked.
    let theirs = observe::remote(config, primary, ASK.min(resource.context.deadline.remaining()))?;
    if theirs.read_only {
        return Err(Error::State(format!(
            "{primary} is read-only: it does not serve as primary"
        )));
    }
    match decide::follow(&server.holdings, &theirs.holdings, primary) {
        Following::Hold(why) => {
            remember(resource, true)?;
            if server.link.is_some() {
                connection.run(mariadb::STOP_REPLICATION)?;
            }
            Ok(Some(why))
        }
        Following::Attach => {
            phase("point to primary", || {
                attach(resource, &mut connection, &server, &source)
            })?;
            remember(resource, false)?;
            log::info(&format!(
                "following {primary} from {}",
                server.holdings.resume_position()
            ));
            Ok(None)
        }
    }
}

/// Keeps in this node's record whether it is held back.
fn remember(resource: &Resource<'_>, held: bool) -> Result<()> {
    let record = record::load(resource.instance())?;
    if record.held == held {
        return Ok(());
    }
    record::store(resource.instance(), &Record { held, ..record })
}

fn follows(server: &Server, source: &str) -> bool {
    server.link.as_ref().is_some_and(|link| {
        link.source == source && link.receiver != Thread::Stopped && link.applier != Thread::Stopped
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

/// Points the server to `source`. Deletes the relay log.
pub(super) fn attach(
    resource: &Resource<'_>,
    connection: &mut Connection,
    server: &Server,
    source: &str,
) -> Result<()> {
    let replication = &resource.config.replication;
    if server.link.is_some() {
        connection.run(mariadb::STOP_REPLICATION)?;
    }
    // A former primary has written transactions that it never applied as a replica: it must not ask for them again.
    let resume = server.holdings.resume_position();
    if resume != server.holdings.applied {
        connection.run(mariadb::set_resume_position(&resume))?;
    }
    let acknowledge = resource.config.policy.semi_sync;
    connection.run(if acknowledge {
        mariadb::ACKNOWLEDGE
    } else {
        mariadb::NOT_ACKNOWLEDGE
    })?;
    connection.run(mariadb::DEAD_SOURCE_LIMIT)?;
    connection.run(mariadb::change_source(
        source,
        replication,
        &replication.credentials.login()?,
    ))?;
    connection.run(mariadb::START_REPLICATION)
}
