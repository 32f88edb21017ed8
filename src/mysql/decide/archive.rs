//! Transactions that only this node has: what is known of those that crash recovery may drop, and whether a client may
//! have been told of them.
//!
//! Invariant: no I/O, no clock, no environment.

use serde::Serialize;

use crate::mysql::gtid::{Gtid, Holdings};
use crate::mysql::reign::Reign;
use crate::mysql::state::{Epoch, Record};

/// What became of the clients that wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// No client was told that they were committed: whoever sent them knows that they may be lost.
    NeverAcknowledged,
    /// A client may have been told, or they were written where nobody may write.
    Errant,
}

/// A class with its reason, one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) reason: String,
}

/// The server on which they were found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) node: &'a str,
    pub(crate) server_id: u32,
    pub(crate) server_uuid: &'a str,
    /// What the server remembers of all primaries, as far as it came here.
    pub(crate) reigns: &'a [Reign],
}

/// Whether clients may have been told of these transactions, which the primary of `epoch` does not have.
pub(crate) fn classify(extra: &[Gtid], here: Author<'_>, record: &Record, epoch: &Epoch) -> Finding {
    let doubt = extra.iter().find_map(|gtid| stray(gtid, here, record));
    let doubt = doubt.or_else(|| {
        let doubted = epoch.last_doubted();
        (!epoch.succeeds(record.epoch)).then(|| {
            format!(
                "the promotion of epoch {doubted} was not proven: what {} had confirmed in epoch {} may be here alone",
                here.node, record.epoch
            )
        })
    });
    match doubt {
        Some(reason) => Finding {
            class: Class::Errant,
            reason,
        },
        None => Finding {
            class: Class::NeverAcknowledged,
            reason: format!(
                "{} wrote them as primary of epoch {}, and every promotion since was proven to have all that clients were \
                 told of",
                here.node, record.epoch
            ),
        },
    }
}

/// Why this is no transaction that this node wrote as primary.
fn stray(gtid: &Gtid, here: Author<'_>, record: &Record) -> Option<String> {
    let node = here.node;
    if !gtid.is_by(here.server_id, here.server_uuid) {
        let author = foreign(gtid, here.reigns);
        return Some(format!("{gtid} was not written by {node} but by {author}"));
    }
    if record.epoch == 0 {
        return Some(format!("{gtid} was written by {node}, which was never primary"));
    }
    let epoch = record.epoch;
    if record.began_at.reaches(gtid) {
        return Some(format!(
            "{gtid} was written by {node} before it was primary of epoch {epoch}"
        ));
    }
    let ended = record.ended_at.as_ref();
    let after = ended.is_some_and(|ended| !ended.reaches(gtid));
    after.then(|| format!("{gtid} was written by {node} when it was not primary any more, after epoch {epoch}"))
}

/// Who wrote a transaction, and in what capacity, as far as the table of reigns tells.
fn foreign(gtid: &Gtid, reigns: &[Reign]) -> String {
    let author = gtid.author();
    if let Some(reign) = reigns.iter().find(|reign| reign.covers(gtid)) {
        return format!("{}, {author}, as primary of epoch {}", reign.node, reign.epoch);
    }
    let of_author = |reign: &&Reign| gtid.is_by(reign.server_id, &reign.server_uuid);
    match reigns.iter().find(of_author) {
        Some(reign) => format!("{}, {author}, when it was not primary", reign.node),
        None if reigns.is_empty() => author,
        None => format!("{author}, which was never primary"),
    }
}

/// What the primary has for certain, as far as a node knows that has only read the epoch: what the successor of its own
/// epoch was promoted with, and what it began with itself, which a list of last transactions does not show. None where
/// others were promoted since: their positions do not show what they have of it.
pub(crate) fn successor_has(record: &Record, epoch: &Epoch) -> Option<Holdings> {
    (epoch.number == record.epoch + 1).then(|| Holdings::at(&epoch.position).and(&record.began_at))
}
