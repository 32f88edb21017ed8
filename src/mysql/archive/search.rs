//! Which files hold transactions that the primary does not have, and from where on.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::mysql::binlog::{self, Entry, Event, Head};
use crate::mysql::gtid::{Extras, Gtid, Holdings, Position};
use crate::mysql::reign::Reign;
use crate::sys::deadline::Deadline;
use crate::sys::files;

/// A part of a file that is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    /// How long the file was.
    pub(super) size: u64,
    /// So much of its beginning, without which the rest cannot be read; 0 where that begins at 0.
    pub(super) head: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Where transactions begin that the primary does not have.
    pub(super) starts: Vec<u64>,
}

impl Piece {
    pub(super) fn length(&self) -> u64 {
        self.head + (self.to - self.from)
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// In the order in which the transactions were written.
    pub(super) pieces: Vec<Piece>,
    /// The transactions that the primary does not have, or why they are not known.
    pub(super) transactions: std::result::Result<Vec<Gtid>, String>,
    /// The server that wrote the last binary log.
    pub(super) server_id: u32,
    /// What should be there and is gone.
    pub(super) gone: Option<String>,
    /// What the server says of who was primary when.
    pub(super) reigns: Vec<Reign>,
}

/// Whether there are binary logs with this name.
pub(super) fn has_logs(base: &Path) -> Result<bool> {
    Ok(!numbered(base)?.is_empty())
}

/// What the binary logs have that the primary does not. Where that cannot be told, the last of them, whole.
///
/// # Errors
/// When there are no binary logs, or they cannot be read, or not in time: they may be large.
pub(super) fn binary_logs(base: &Path, has: std::result::Result<&Holdings, String>, limit: Deadline) -> Result<Found> {
    let paths = numbered(base)?;
    let Some(newest) = paths.last() else {
        return Err(Error::State(format!("there are no binary logs at {}", base.display())));
    };
    let whole_of_newest = |why: String| {
        let log = LogFile::open(newest)?;
        Ok(Found {
            server_id: log.head().map_or(0, |head| head.server_id),
            pieces: vec![log.whole()],
            transactions: Err(why),
            gone: None,
            reigns: Vec::new(),
        })
    };
    let has = match has {
        Ok(has) => has,
        Err(why) => return whole_of_newest(why),
    };
    match beyond(&paths, has, limit) {
        Err(Error::File { path, source, .. }) if source.kind() == ErrorKind::InvalidData => {
            whole_of_newest(format!("{}: {source}", path.display()))
        }
        other => other,
    }
}

fn beyond(paths: &[PathBuf], has: &Holdings, limit: Deadline) -> Result<Found> {
    let (logs, begins) = since(paths, has)?;
    let mut extras = Extras::beyond(has);
    let mut ends = Vec::new();
    for (number, (log, _)) in logs.iter().enumerate() {
        ends.push(log.read(limit, |gtid, offset| extras.see(gtid, (number, offset)))?);
    }
    let extras = extras.found();
    let first = extras.iter().map(|(_, place)| *place).min();
    let pieces = first.map_or_else(Vec::new, |(first, from)| {
        let part = |number: usize| {
            let (log, head) = &logs[number];
            let starts = extras.iter().filter(|(_, (log, _))| *log == number);
            let begins = number == first && from > head.length;
            Piece {
                head: if begins { head.length } else { 0 },
                from: if begins { from } else { 0 },
                to: ends[number],
                starts: starts.map(|(_, (_, offset))| *offset).collect(),
                ..log.whole()
            }
        };
        (first..logs.len()).map(part).collect()
    });
    Ok(Found {
        pieces,
        transactions: Ok(extras.into_iter().map(|(gtid, _)| gtid).collect()),
        server_id: logs.last().map_or(0, |(_, head)| head.server_id),
        gone: (!begins).then(|| {
            let oldest = &paths[paths.len() - logs.len()];
            format!("binary logs before {}", oldest.display())
        }),
        reigns: Vec::new(),
    })
}

/// The last files, from one on before which the primary has everything; whether there is such a one.
fn since(paths: &[PathBuf], has: &Holdings) -> Result<(Vec<(LogFile, Head)>, bool)> {
    let mut logs = Vec::new();
    let mut begins = false;
    for path in paths.iter().rev() {
        let log = match LogFile::open(path) {
            // The server removes old ones at any time.
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => break,
            other => other?,
        };
        let head = log.head()?;
        begins = head
            .before
            .as_ref()
            .is_some_and(|before| has.lacks(&Holdings::at(before)).is_empty());
        logs.push((log, head));
        if begins {
            break;
        }
    }
    logs.reverse();
    Ok((logs, begins))
}

/// Adds what the relay logs have that neither the primary nor a binary log here has. Whole files: what is at their
/// beginning counts for all that follows.
///
/// `received` is what the server says that it received: the end of a relay log may be a part of a transaction.
pub(super) fn add_relay_logs(
    found: &mut Found,
    base: &Path,
    has: &Holdings,
    received: &Position,
    limit: Deadline,
) -> Result<()> {
    let logs: Result<Vec<LogFile>> = numbered(base)?.iter().map(|path| LogFile::open(path)).collect();
    let logs = logs?;
    let mut extras = Extras::beyond(has);
    for (number, log) in logs.iter().enumerate() {
        let read = log.read(limit, |gtid, offset| extras.see(gtid, (number, offset)));
        match read {
            Err(Error::File { path, source, .. }) if source.kind() == ErrorKind::InvalidData => {
                found.transactions = Err(format!("{}: {source}", path.display()));
                found.pieces.extend(logs.iter().map(LogFile::whole));
                return Ok(());
            }
            other => other?,
        };
    }
    let Ok(known) = &mut found.transactions else {
        found.pieces.extend(logs.iter().map(LogFile::whole));
        return Ok(());
    };
    let mut extras = extras.found();
    extras.retain(|(gtid, _)| received.reaches(gtid) && !known.contains(gtid));
    let first = extras.iter().map(|(_, (number, _))| *number).min();
    for number in first.map_or(0..0, |first| first..logs.len()) {
        let starts = extras.iter().filter(|(_, (log, _))| *log == number);
        found.pieces.push(Piece {
            starts: starts.map(|(_, (_, offset))| *offset).collect(),
            ..logs[number].whole()
        });
    }
    known.extend(extras.into_iter().map(|(gtid, _)| gtid));
    Ok(())
}

/// One file, as long as it was when it was opened.
struct LogFile {
    path: PathBuf,
    size: u64,
}

impl LogFile {
    fn open(path: &Path) -> Result<LogFile> {
        let size = files::open_regular(path)
            .and_then(|file| file.metadata())
            .map_err(|error| Error::file("cannot read", path, error))?
            .len();
        let path = path.to_owned();
        Ok(LogFile { path, size })
    }

    fn log(&self) -> std::io::Result<binlog::Log<File>> {
        binlog::Log::open(files::open_regular(&self.path)?, self.size)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::file("cannot read", &self.path, error)
    }

    fn head(&self) -> Result<Head> {
        self.log().and_then(binlog::head).map_err(|error| self.failed(error))
    }

    /// Shows every transaction with its place; returns the end of the last complete event.
    fn read(&self, limit: Deadline, mut see: impl FnMut(Gtid, u64)) -> Result<u64> {
        let mut end = 0;
        for event in self.log().map_err(|error| self.failed(error))? {
            if limit.expired() {
                return Err(limit.timeout(format!("the end of {}", self.path.display())));
            }
            let Event {
                offset, entry, end: to, ..
            } = event.map_err(|error| self.failed(error))?;
            if let Entry::Transaction(gtid) = entry {
                see(gtid, offset);
            }
            end = to;
        }
        Ok(end)
    }

    fn whole(&self) -> Piece {
        Piece {
            path: self.path.clone(),
            size: self.size,
            head: 0,
            from: 0,
            to: self.size,
            starts: Vec::new(),
        }
    }
}

/// The files `base.000001` and so on, in the order of their numbers.
fn numbered(base: &Path) -> Result<Vec<PathBuf>> {
    let (Some(directory), Some(stem)) = (base.parent(), base.file_name()) else {
        return Ok(Vec::new());
    };
    let failed = |error| Error::file("cannot read directory", directory, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path.extension().and_then(|end| end.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.file_stem() == Some(stem)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests;
