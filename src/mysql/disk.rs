//! Whether the disks under a server take writes. A server whose disk is full, or does not answer, goes on answering
//! questions: only a write shows it.

use std::path::Path;
use std::time::Duration;

use super::config::Config;
use super::dialect;
use super::observe;
use super::state::{Disk, Server};
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::files;

/// A file system with less than this left is full: commits wait until somebody makes room.
const LEAST_FREE: u64 = 16 << 20;

/// Errors of a disk that a statement can end with: ER_DISK_FULL, ER_ERROR_ON_WRITE, ER_GET_ERRNO, ER_RECORD_FILE_FULL,
/// ER_INNODB_READ_ONLY.
const DISK_ERRORS: [u16; 5] = [1021, 1026, 1030, 1114, 1874];

/// Looks for room on the file systems of the data and of the binary logs. Writes nothing.
pub(super) fn room(config: &Config, server: &Server) -> Disk {
    let binlogs = Path::new(&server.binlog_base).parent();
    let places = [Some(config.datadir.as_path()), binlogs];
    let full = places.into_iter().flatten().find_map(|place| {
        // Where that cannot be asked, nothing is known.
        let free = files::free_space(place).ok()?;
        (free < LEAST_FREE).then(|| format!("{} has {} MiB left", place.display(), free >> 20))
    });
    full.map_or(Disk::Fine, Disk::Full)
}

/// Lets the server write a row that is not replicated, so that it waits for no replica. Its answer must come within
/// `limit`.
///
/// # Errors
/// When the agent's own configuration keeps it from asking.
pub(super) fn probe(config: &Config, limit: Duration) -> Result<Disk> {
    let written = observe::connect(config, limit).and_then(|mut database| database.write_locally());
    match written {
        Ok(()) => Ok(Disk::Fine),
        Err(Error::Connection { message, .. }) => Ok(Disk::Stuck(message)),
        Err(Error::Sql { code, message, .. }) if DISK_ERRORS.contains(&code) => Ok(Disk::Stuck(message)),
        Err(Error::Sql { code, message, .. }) if dialect::is_denied(code) => {
            let (grant, user) = (dialect::probe::grant(code), &config.admin.user);
            Ok(Disk::Untested(format!("{message}; {grant} TO {user}@localhost")))
        }
        // Somebody holds a lock, or all connections: that says nothing of the disk.
        Err(error @ (Error::Sql { .. } | Error::TooManyConnections(_))) => {
            log::debug(&format!("whether the disk takes writes is not known: {error}"));
            Ok(Disk::Fine)
        }
        Err(error) => Err(error),
    }
}
