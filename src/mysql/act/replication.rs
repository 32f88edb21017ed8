//! Steps of a server's replication that follow and promote share.

use super::Resource;
use crate::error::Result;
use crate::mysql::node::Database;
use crate::mysql::state::{Epoch, Server};

/// The server with its replication stopped: only now do its positions stand still.
pub(super) fn stopped(resource: &Resource<'_>, database: &mut dyn Database, server: Server) -> Result<Server> {
    if server.link.is_none() {
        return Ok(server);
    }
    resource.node.stop_replication(database)?;
    database.observe()
}

/// Points the stopped server to the one of another node and starts it. Deletes the relay log.
pub(super) fn point(
    resource: &Resource<'_>,
    database: &mut dyn Database,
    server: &Server,
    to: &str,
    epoch: Option<&Epoch>,
    acknowledge: bool,
) -> Result<()> {
    resource.remember(|record| {
        record.changing_source = true;
        if let Some(epoch) = epoch {
            // Where the numbers began anew, the ones before say nothing any more.
            record.forget_later(epoch.number);
        }
        if let Some(epoch) = epoch.filter(|_| acknowledge) {
            record.acknowledged_in = epoch.number;
        }
    })?;
    // A former primary has written transactions that it never applied as a replica: it must not ask for them again.
    let resume = server.holdings.resume_position();
    let resume = Some(&resume).filter(|resume| **resume != server.holdings.applied());
    resource.node.point(database, to, resume, acknowledge)?;
    resource.remember(|record| {
        record.changing_source = false;
        record.restarts_receiver = false;
        if acknowledge {
            record.resigned = None;
        }
    })
}
