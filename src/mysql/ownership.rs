//! Which resource a data directory belongs to. Two resources on one directory would each stop and promote the other's
//! server, so the first one that starts owns it, until its stop has proven that no server is left.

use std::path::{Path, PathBuf};

use super::daemon;
use super::state::Liveness;
use crate::error::{Error, Result};
use crate::sys::files::{self, Lock, RUN_DIRECTORY};

fn file(datadir: &Path, suffix: &str) -> PathBuf {
    let datadir = datadir.canonicalize().unwrap_or_else(|_| datadir.to_owned());
    let name = datadir.display().to_string().replace('/', "!");
    Path::new(RUN_DIRECTORY).join(format!("datadir{name}.{suffix}"))
}

/// The other resource whose server runs on this directory, if there is one.
pub(crate) fn other_owner(datadir: &Path, instance: &str) -> Result<Option<String>> {
    let owner = files::read(&file(datadir, "owner"))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match owner.filter(|owner| owner != instance) {
        Some(owner) if daemon::find(datadir)? != Liveness::Absent => Ok(Some(owner)),
        Some(_) | None => Ok(None),
    }
}

/// Takes the directory for this resource; the lock keeps two starts apart.
///
/// # Errors
/// When another action works on it. Not a wrong parameter: that code would stop the resource on all nodes.
pub(crate) fn take(datadir: &Path, instance: &str) -> Result<Lock> {
    files::private_directory(Path::new(RUN_DIRECTORY))?;
    let lock = Lock::try_take(&file(datadir, "lock"))?;
    let lock = lock.ok_or_else(|| {
        let datadir = datadir.display();
        Error::State(format!("another action works on {datadir}: wait for its end"))
    })?;
    files::replace(&file(datadir, "owner"), instance.as_bytes())?;
    Ok(lock)
}

/// Gives the directory up, after the server is gone.
pub(crate) fn release(datadir: &Path) -> Result<()> {
    files::remove(&file(datadir, "owner"))
}
