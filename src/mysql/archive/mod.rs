//! The archive of what only this node has: a directory for each set of transactions, with the parts of the binary logs
//! that hold them, the same as text, and a manifest. For root alone; never changed once it is there, never removed.
//!
//! A server is only looked at: nothing here changes it or its files.

mod copy;
mod decode;
mod manifest;
mod search;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::config::Config;
use super::daemon;
use super::decide::archive::{Author, Class, Finding, classify};
use super::dialect::{Family, Product};
use super::gtid::{Position, Transactions};
use super::node::{Extra, Place};
use super::observe;
use super::record;
use super::state::Server;
use crate::error::{During, Error, Result};
use crate::ocf::env::Context;
use crate::ocf::log;
use crate::sys::clock;
use crate::sys::deadline::Deadline;
use crate::sys::files::{self, Lock};
use manifest::{Copied, Decoded, Manifest, Written};
use search::{Found, Piece};

/// So many directories and no more: somebody who keeps writing to a held server must not fill the disk.
const MOST: usize = 32;
/// Kept back for what the action has to do after this.
const RESERVE: Duration = Duration::from_secs(5);
/// What stands here was interrupted.
const UNFINISHED: &str = "unfinished";

/// Archives these transactions, unless that was done. None where nothing can be lost.
///
/// # Errors
/// When they are not archived: the next try begins anew.
pub(super) fn keep(context: &Context, config: &Config, node: &str, extra: &Extra<'_>) -> Result<Option<PathBuf>> {
    let archive = record::directory(&context.instance).join("archive");
    if let Place::Running { beyond, .. } = extra.place
        && let Some(kept) = kept(&archive, &name(beyond))?
    {
        return Ok(Some(kept));
    }
    let limit = context.deadline;
    let limit = limit.keeping(RESERVE.min(limit.remaining() / 2));
    let work = Work {
        resource: &context.instance,
        node,
        extra,
        limit,
    };
    let Some((family, found)) = work.find(config)? else {
        return Ok(None);
    };
    let name = match (extra.place, &found.transactions) {
        (Place::Running { beyond, .. }, _) => name(beyond),
        (Place::Stopped, Ok(gtids)) => name(&gtids.iter().collect()),
        (Place::Stopped, Err(_)) => digest(&format!("written in epoch {}", extra.record.epoch)),
    };
    files::private_directory(&archive)?;
    let lock = Lock::try_take(&archive.join("lock"))?;
    let _lock = lock.ok_or_else(|| Error::State("another action writes to the archive".to_owned()))?;
    if let Some(kept) = kept(&archive, &name)? {
        return Ok(Some(kept));
    }
    let target = archive.join(format!("epoch-{}-{name}", extra.epoch.number));
    work.write(family, found, &archive, &target)
        .during(format!("archiving to {}", target.display()))?;
    Ok(Some(target))
}

/// The end of a directory's name, which says what is in it: whoever finds the same transactions finds the directory.
fn name(beyond: &Position) -> String {
    digest(&beyond.to_string())
}

fn digest(text: &str) -> String {
    copy::hex(&Sha256::digest(text.as_bytes())[..6])
}

/// The directory that has these transactions already.
fn kept(archive: &Path, name: &str) -> Result<Option<PathBuf>> {
    let end = format!("-{name}");
    Ok(directories(archive)?
        .into_iter()
        .find(|path| path.to_str().is_some_and(|path| path.ends_with(&end))))
}

/// What is finished.
fn directories(archive: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(archive) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Error::file("cannot read directory", archive, error))?,
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_one = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_str().is_some_and(|name| name.starts_with("epoch-")))
    };
    Ok(paths.filter(is_one).collect())
}

/// One set of transactions on its way into the archive.
struct Work<'a> {
    resource: &'a str,
    node: &'a str,
    extra: &'a Extra<'a>,
    limit: Deadline,
}

impl Work<'_> {
    fn server(&self) -> Option<&Server> {
        match self.extra.place {
            Place::Running { server, .. } => Some(server),
            Place::Stopped => None,
        }
    }

    /// What is to be archived, and of what family it is; none where nothing can be lost.
    fn find(&self, config: &Config) -> Result<Option<(Family, Found)>> {
        let has = self.extra.primary_has.as_ref();
        let primary = &self.extra.epoch.node;
        let known = has.ok_or_else(|| format!("what {primary} has is not known"));
        let Some(server) = self.server() else {
            let product = daemon::product(&daemon::binary(config)?, self.limit)?;
            let base = Path::new(&self.extra.record.binlog_base);
            let has_logs = !base.as_os_str().is_empty() && search::has_logs(base)?;
            // New data may come without the logs of the old.
            if !product.can_truncate() || !has_logs {
                return Ok(None);
            }
            let found = search::binary_logs(base, known, self.limit)?;
            return Ok(Some((product.family, found)).filter(|(_, found)| !found.pieces.is_empty()));
        };
        let product = Product::identify(&server.version)?;
        let mut found = search::binary_logs(Path::new(&server.binlog_base), known, self.limit)?;
        let patience = config.hang_timeout.min(self.limit.remaining());
        let mut database = observe::connect(config, patience)?;
        let relay = database.relay_log_base()?;
        found.reigns = database.reigns()?;
        if let Some((base, has)) = relay.zip(has) {
            search::add_relay_logs(
                &mut found,
                Path::new(&base),
                has,
                &server.holdings.received(),
                self.limit,
            )?;
        }
        if found.pieces.is_empty() {
            let why = "neither the binary logs nor the relay logs have them any more";
            return Err(Error::State(why.to_owned()));
        }
        Ok(Some((product.family, found)))
    }

    /// Makes the directory: whole, or not at all.
    fn write(&self, family: Family, mut found: Found, archive: &Path, target: &Path) -> Result<()> {
        if directories(archive)?.len() >= MOST {
            let shown = archive.display();
            return Err(Error::State(format!(
                "{shown} has {MOST} directories: remove those that nobody needs any more"
            )));
        }
        let unfinished = archive.join(UNFINISHED);
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(|error| Error::file("cannot remove", &unfinished, error))?;
        }
        files::private_directory(&unfinished)?;
        let (taken, left_out) = copy::fitting(std::mem::take(&mut found.pieces), copy::room(archive)?);
        if taken.is_empty() {
            return Err(Error::State("there is no room for it on the disk".to_owned()));
        }
        let files = self.copy(&taken, &unfinished)?;
        let decoded = self.decode(family, &files, &unfinished)?;
        let left_out = found.gone.take().into_iter().chain(left_out.iter().map(in_words));
        let manifest = self.manifest(&found, files, left_out.collect(), decoded);
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::State(format!("cannot write the manifest: {error}")))?;
        files::replace(&unfinished.join("manifest.json"), &json)?;
        // A directory that is there already is never replaced: it is not empty.
        std::fs::rename(&unfinished, target)
            .and_then(|()| files::sync_directory(archive))
            .map_err(|error| Error::file("cannot finish", target, error))?;
        log::warning(&format!(
            "archived {} to {}: {}",
            manifest.transactions,
            target.display(),
            manifest.reason
        ));
        Ok(())
    }

    fn copy(&self, pieces: &[Piece], to: &Path) -> Result<Vec<Copied>> {
        let copied = pieces.iter().map(|piece| {
            let name = piece.path.file_name().unwrap_or_default();
            Ok(Copied {
                sha256: copy::copy(piece, &to.join(name), self.limit)?,
                name: name.to_string_lossy().into_owned(),
                bytes: piece.length(),
                of: piece.path.display().to_string(),
                of_bytes: piece.size,
                from_byte: piece.from,
                to_byte: piece.to,
            })
        });
        copied.collect()
    }

    fn decode(&self, family: Family, files: &[Copied], directory: &Path) -> Result<Decoded> {
        let paths: Vec<PathBuf> = files.iter().map(|file| directory.join(&file.name)).collect();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let decoded = decode::decode(decode::programs(family), directory, &paths, bytes, self.limit);
        let written = decode::close(directory, &paths)?.into_iter().map(|path| {
            let (bytes, sha256) = copy::sha256(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Written { name, bytes, sha256 })
        });
        let files = written.collect::<Result<Vec<Written>>>()?;
        let (by, not) = match decoded {
            Ok(program) => (Some(program), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Decoded { by, not, files })
    }

    fn manifest(&self, found: &Found, files: Vec<Copied>, left_out: Vec<String>, decoded: Decoded) -> Manifest<'_> {
        let Extra { record, epoch, .. } = self.extra;
        let server = self.server();
        let server_id = server.map_or(found.server_id, |server| server.server_id);
        let server_uuid = server.map_or("", |server| &server.server_uuid);
        let gtids = found.transactions.as_deref();
        let transactions: Transactions = gtids.unwrap_or_default().iter().collect();
        let Finding { class, reason } = match gtids {
            Ok(gtids) => {
                let here = Author {
                    node: self.node,
                    server_id,
                    server_uuid,
                    reigns: &found.reigns,
                };
                classify(gtids, here, record, epoch)
            }
            Err(why) => Finding {
                class: Class::Errant,
                reason: format!("which transactions these are could not be read ({why})"),
            },
        };
        Manifest {
            resource: self.resource,
            node: self.node,
            server_id,
            server_uuid,
            server_version: server.map_or("", |server| &server.version),
            found: match self.extra.place {
                Place::Running { .. } => "the primary does not have them: this node is held",
                Place::Stopped => "crash recovery may drop them: this node was primary when it crashed",
            },
            epoch: epoch.number,
            primary: &epoch.node,
            own_epoch: record.epoch,
            count: u64::try_from(transactions.count()).unwrap_or(u64::MAX),
            transactions: transactions.to_string(),
            class,
            reason,
            files,
            left_out,
            decoded,
            archived_at: clock::utc_stamp(),
            baton: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A piece that is not copied.
fn in_words(piece: &Piece) -> String {
    let path = piece.path.display();
    format!(
        "{path} from byte {} on, {} bytes: no room",
        piece.from,
        piece.to - piece.from
    )
}

#[cfg(test)]
mod tests;
