//! Files that must survive a crash, hold a secret, or serve as a lock.
//!
//! Nothing here follows a symbolic link: the agents run as root in directories that others may write to.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::statvfs::statvfs;

use crate::error::{Error, Result};

/// For what is of no use after the next boot.
pub(crate) const RUN_DIRECTORY: &str = "/run/baton";

/// Replaces `path` by a file with these bytes and mode 0600, durable when this returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::file("cannot write", path, error);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let temporary = temporary_name(path);
    // What a process of this number left when it crashed.
    let _ = std::fs::remove_file(&temporary);
    if let Err(error) = write_whole(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path)) {
        // Where there is no room, every attempt would leave something.
        let _ = std::fs::remove_file(&temporary);
        return Err(failed(error));
    }
    sync_directory(directory).map_err(failed)
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Of this writer alone: an action by hand may write while Pacemaker's does, and neither may publish what the other has
/// begun. The last one wins.
fn temporary_name(path: &Path) -> PathBuf {
    static WRITES: AtomicU32 = AtomicU32::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".new-{}-{}",
        std::process::id(),
        WRITES.fetch_add(1, Ordering::Relaxed)
    ));
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

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("cannot remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How many bytes are left in the file system of this path for those who are not root.
pub(crate) fn free_space(path: &Path) -> Result<u64> {
    let system = statvfs(path).map_err(|errno| Error::file("cannot ask for free space", path, errno.into()))?;
    Ok(system.blocks_available().saturating_mul(system.fragment_size()))
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
    let mut file = open_regular(path).map_err(|error| refused(format!("the file cannot be opened: {error}")))?;
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

/// Opens a file in a directory of somebody else's, who may put anything in its place: only a regular file is opened.
pub(crate) fn open_regular(path: &Path) -> std::io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// Opens a file to write at its end, and makes it with mode 0600 if there is none. Only a regular file is opened.
pub(crate) fn append_regular(path: &Path) -> std::io::Result<File> {
    regular(OpenOptions::new().append(true).create(true).mode(0o600), path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> std::io::Result<File> {
    // Non-blocking: opening a pipe would wait for somebody at its other end.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = options.custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("not a regular file"))
    }
}

/// Makes a file that is not there yet, with mode 0600.
pub(crate) fn create_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path).and_then(|directory| directory.sync_all())
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
    fn what_is_no_regular_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path("link")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        assert!(open_regular(&path("pipe")).is_err() && open_regular(&path("link")).is_err());
        assert!(open_regular(&path("file")).is_ok() && open_regular(directory.path()).is_err());
        assert!(append_regular(&path("pipe")).is_err() && append_regular(&path("link")).is_err());
        assert!(append_regular(&path("file")).is_ok() && append_regular(&path("new")).is_ok());
        assert!(read_secret("password_file", &path("pipe")).is_err());
    }

    #[test]
    fn a_replaced_file_is_closed_to_others_and_complete_and_can_be_removed_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(b"two".as_slice()));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        remove(&path).unwrap();
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        std::fs::create_dir(&path).unwrap();
        replace(&path, b"{}").unwrap_err();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn writers_of_one_file_do_not_disturb_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let contents = [vec![b'a'; 10_000], vec![b'b'; 20_000]];
        replace(&path, &contents[0]).unwrap();
        std::thread::scope(|scope| {
            for bytes in &contents {
                scope.spawn(|| (0..200).for_each(|_| replace(&path, bytes).unwrap()));
            }
            for _ in 0..2000 {
                let found = read(&path).unwrap();
                assert!(found.is_some_and(|bytes| contents.contains(&bytes)), "half a file");
            }
        });
        let names = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left of them");
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
