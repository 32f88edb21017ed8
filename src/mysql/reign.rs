//! Who was primary when, as the servers themselves remember it. Plain data; invariant: no I/O here.

use super::gtid::{Gtid, Position};

/// The reign of one primary as the servers themselves remember it, in a table that is replicated with the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reign {
    pub(crate) epoch: u64,
    pub(crate) node: String,
    pub(crate) server_id: u32,
    /// Empty where servers have none.
    pub(crate) server_uuid: String,
    /// What the primary had when it was promoted.
    pub(crate) opened: Position,
    /// What the next primary in the table had when that was promoted; none as long as nobody was.
    pub(crate) closed: Option<Position>,
}

impl Reign {
    /// Whether that primary wrote this transaction in this reign.
    pub(crate) fn covers(&self, gtid: &Gtid) -> bool {
        let ended = self.closed.as_ref().is_some_and(|closed| !closed.reaches(gtid));
        gtid.is_by(self.server_id, &self.server_uuid) && !self.opened.reaches(gtid) && !ended
    }
}
