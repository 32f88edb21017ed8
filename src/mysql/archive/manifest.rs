//! What the archive says of itself: one JSON document for people and programs.

use serde::Serialize;

use crate::mysql::decide::archive::Class;

/// Names that were once written are never given another meaning.
#[derive(Debug, Serialize)]
pub(super) struct Manifest<'a> {
    pub(super) resource: &'a str,
    pub(super) node: &'a str,
    pub(super) server_id: u32,
    /// Empty where servers have none.
    pub(super) server_uuid: &'a str,
    /// Empty where the server did not run.
    pub(super) server_version: &'a str,
    pub(super) found: &'static str,
    /// The epoch whose primary does not have the transactions.
    pub(super) epoch: u64,
    pub(super) primary: &'a str,
    /// The last epoch of this node; 0 when it was never primary.
    pub(super) own_epoch: u64,
    /// Empty where they could not be read.
    pub(super) transactions: String,
    pub(super) count: u64,
    pub(super) class: Class,
    pub(super) reason: String,
    pub(super) files: Vec<Copied>,
    /// What belongs to it and is not here.
    pub(super) left_out: Vec<String>,
    pub(super) decoded: Decoded,
    pub(super) archived_at: String,
    pub(super) baton: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Copied {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The server's file, how long that was, and which part of it this is, besides the beginning of every binary log.
    pub(super) of: String,
    pub(super) of_bytes: u64,
    pub(super) from_byte: u64,
    pub(super) to_byte: u64,
}

/// The text: who wrote it, or why it is not there, and the files, which there may be in both cases.
#[derive(Debug, Serialize)]
pub(super) struct Decoded {
    pub(super) by: Option<String>,
    pub(super) not: Option<String>,
    pub(super) files: Vec<Written>,
}

#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}
