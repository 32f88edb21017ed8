//! Has transactions archived that only this node has, where it is held for them or may drop them.

use std::time::Duration;

use super::Resource;
use super::follow::Held;
use crate::error::{During, Result};
use crate::mysql::decide::archive::successor_has;
use crate::mysql::decide::informed;
use crate::mysql::gtid::{Holdings, Position};
use crate::mysql::node::{Extra, Place};
use crate::mysql::state::{Epoch, Record};
use crate::mysql::why::Why;
use crate::ocf::log;

/// A primary that serves answers at once; without an answer more is kept than needed.
const ASK: Duration = Duration::from_secs(1);

/// Why a node is held, with the place of the copy of what it is held for.
pub(crate) fn keep(resource: &Resource<'_>, held: Held, record: &Record, epoch: &Epoch) -> Why {
    let Some(beyond) = beyond(&held.why) else {
        return held.why;
    };
    let extra = Extra {
        place: Place::Running {
            server: &held.mine,
            beyond,
        },
        primary_has: Some(informed(&held.theirs.holdings, Some(epoch))),
        record,
        epoch,
    };
    match resource.node.archive(&extra) {
        Ok(Some(archive)) => Why::Archived {
            archive: archive.display().to_string(),
            why: Box::new(held.why),
        },
        Ok(None) => held.why,
        Err(error) => {
            log::warning(&format!("what only this node has is not archived yet: {error}"));
            Why::NotArchived {
                how: error.to_string(),
                why: Box::new(held.why),
            }
        }
    }
}

/// The transactions for which a node is held.
fn beyond(why: &Why) -> Option<&Position> {
    match why {
        Why::AheadOfPrimary { extra, .. } | Why::ReceivedBeyondPrimary { extra, .. } => Some(extra),
        _ => None,
    }
}

/// What the primary says that it has, if it answers.
fn asked(resource: &Resource<'_>, epoch: &Epoch) -> Option<Holdings> {
    let limit = ASK.min(resource.context.deadline.remaining());
    let server = resource.node.ask(&epoch.node, limit).ok()?;
    Some(informed(&server.holdings, Some(epoch)))
}

/// What crash recovery drops is gone: without a copy it must not begin.
pub(super) fn before_recovery(resource: &Resource<'_>, record: &Record, epoch: &Epoch) -> Result<()> {
    let extra = Extra {
        place: Place::Stopped,
        primary_has: successor_has(record, epoch).or_else(|| asked(resource, epoch)),
        record,
        epoch,
    };
    resource
        .node
        .archive(&extra)
        .during("keeping a copy of what crash recovery may drop")
        .map(drop)
}
