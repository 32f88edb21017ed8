//! Files that must survive a crash, hold a secret, or serve as a lock.
//!
//! Nothing here follows a symbolic link: the agents run as root in directories that others may write to.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::error::{Error, Result};

/// Replaces `path` by a file with these bytes and mode 0600, durable when this returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::file("cannot write", path, error);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let temporary = temporary_name(path);
    let _ = std::fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// The file's bytes; none when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match open_nofollow(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("cannot read", path, error)),
    }
}

/// Creates a directory of root's, mode 0700, with its parents.
pub(crate) fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::file("cannot create directory", path, error))
}

/// A secret from a file, without the newline at its end. The file must belong to root (or to who runs this) and be
/// closed to everybody else.
///
/// # Errors
/// [`Error::NoPermission`] naming `parameter` when others could read the file, or it cannot be read. Not
/// [`Error::Parameter`]: a file of this node must not stop the resource on all nodes.
pub(crate) fn read_secret(parameter: &str, path: &Path) -> Result<String> {
    let refused = |hint: String| Error::NoPermission {
        what: format!("parameter {parameter}=\"{}\"", path.display()),
        hint,
    };
    let mut file = open_nofollow(path).map_err(|error| refused(format!("the file cannot be opened: {error}")))?;
    let metadata = file.metadata().map_err(|error| refused(error.to_string()))?;
    let mode = metadata.mode() & 0o7777;
    let me = nix::unistd::geteuid().as_raw();
    if mode & 0o077 != 0 || !(metadata.uid() == 0 || metadata.uid() == me) {
        return Err(refused(format!(
            "the file has mode {mode:04o} and owner {}, others could read the password; it must be mode 0600 and owned \
             by root: chown root:root and chmod 600 it",
            metadata.uid()
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| refused(error.to_string()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn open_nofollow(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
}

/// Opens a file to be locked, and makes it if there is none; what it holds stays.
pub(crate) fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
        .map_err(|error| Error::file("cannot open lock file", path, error))
}

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock at `path`; none when another process holds it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Lock>> {
        match Flock::lock(open_lock(path)?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Lock { _file: file })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(Error::file("cannot lock", path, errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn secret(mode: u32) -> Result<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read_secret("replication_password_file", &path)
    }

    #[test]
    fn a_secret_loses_only_its_newline() {
        assert_eq!(secret(0o600).unwrap(), "s3cret");
        assert_eq!(secret(0o400).unwrap(), "s3cret");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_right_mode() {
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let text = secret(mode).unwrap_err().to_string();
            assert!(
                text.contains(&format!("mode {mode:04o}")) && text.contains("0600"),
                "{text}"
            );
            assert!(!text.contains("s3cret"));
        }
    }

    #[test]
    fn a_link_to_a_secret_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
        assert!(read_secret("admin_password_file", &link).is_err());
    }

    #[test]
    fn a_replaced_file_is_closed_to_others_and_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(b"two".as_slice()));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&directory.path().join("none")).unwrap(), None);
    }

    #[test]
    fn a_lock_is_exclusive_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = Lock::try_take(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }
}
