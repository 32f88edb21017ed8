//! Enters this primary's reign in the table of reigns, once.
//!
//! Not in the promotion: what is written before the replicas are there is on this node alone, cannot be dropped by crash
//! recovery, and would make a primary that ends before anybody follows it differ from its successor. By the first monitor
//! that finds replicas it is a transaction like those of clients.

use super::Resource;
use crate::error::{Error, Result};
use crate::mysql::decide;
use crate::mysql::dialect::{self, probe};
use crate::mysql::state::{Record, Server};
use crate::ocf::log;

/// `server` is this primary's own. A table that cannot be written is reported once, and is no fault of the primary.
pub(crate) fn enter(resource: &Resource<'_>, server: &Server, record: &Record) {
    if decide::reign_is_due(server, record)
        && let Err(error) = try_to_enter(resource, server, record.epoch)
    {
        let epoch = record.epoch;
        let mends = match &error {
            Error::Sql { code, .. } if dialect::is_denied(*code) => {
                format!("; {} TO {}@localhost", probe::grant(*code), resource.config.admin.user)
            }
            _ => String::new(),
        };
        log::warning(&format!(
            "epoch {epoch} is not entered in the table baton.reign: {error}{mends}"
        ));
    }
}

fn try_to_enter(resource: &Resource<'_>, server: &Server, number: u64) -> Result<()> {
    let node = resource.node;
    // First of all: what takes long, or fails, is not tried by every monitor.
    resource.remember(|record| record.entered = number)?;
    let epoch = node.epoch()?;
    match epoch.filter(|epoch| epoch.node == node.name() && epoch.number == number) {
        Some(epoch) => node.connect()?.record_reign(&epoch, &server.server_uuid),
        // Somebody else was promoted, or is about to be.
        None => Ok(()),
    }
}
