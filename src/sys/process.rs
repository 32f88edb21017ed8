//! Processes of this node: who holds a file's lock, who works in a directory, is it still the same process.
//!
//! Never trusts a pid file: a pid alone says nothing, a pid with its start time names one process for ever.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One process, told apart from a later one with the same pid by its start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since boot, field 22 of /proc/PID/stat.
    started: u64,
    state: char,
}

/// PF_EXITING of the kernel: the process was ended, and may still look alive while its memory is given back.
const EXITING: u64 = 0x4;

/// The fields of a `stat` file from the state on. The command name before them may hold blanks and parentheses: they start
/// after the last one.
fn fields(stat: &str) -> Option<SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

fn state(stat: &str) -> Option<char> {
    fields(stat)?.next()?.chars().next()
}

impl Process {
    /// The process with this pid; none when there is none or only its remains are left.
    pub(crate) fn find(pid: i32) -> Option<Process> {
        Process::read(pid).filter(|process| !matches!(process.state, 'Z' | 'X' | 'x'))
    }

    fn read(pid: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = fields(&stat)?.skip(1);
        let flags: u64 = fields.nth(5)?.parse().ok()?;
        let started = fields.nth(12)?.parse().ok()?;
        let state = if flags & EXITING == 0 { state(&stat)? } else { 'X' };
        Some(Process { pid, started, state })
    }

    /// Whether this very process is still there.
    pub(crate) fn is_alive(&self) -> bool {
        Process::find(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Whether it has been killed, and something of it is left.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it was stopped by a signal or a debugger: it will not answer until continued.
    pub(crate) fn is_frozen(&self) -> bool {
        Process::find(self.pid).is_some_and(|now| matches!(now.state, 'T' | 't'))
    }

    /// Whether a part of it waits in the kernel for a device, or a debugger holds it: a signal cannot end it now.
    pub(crate) fn is_uninterruptible(&self) -> bool {
        self.threads().contains(&'D') || self.threads().contains(&'t')
    }

    /// Whether one of its threads is left, although the process may be a zombie.
    pub(crate) fn has_threads(&self) -> bool {
        self.threads().iter().any(|state| !matches!(state, 'Z' | 'X' | 'x'))
    }

    /// The states of the threads of this very process.
    fn threads(&self) -> Vec<char> {
        if Process::read(self.pid).is_none_or(|now| now.started != self.started) {
            return Vec::new();
        }
        let stats = self
            .tasks()
            .into_iter()
            .filter_map(|task| std::fs::read_to_string(task.join("stat")).ok());
        stats.filter_map(|stat| state(&stat)).collect()
    }

    /// The inodes of its sockets.
    pub(crate) fn sockets(&self) -> BTreeSet<u32> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid));
        let targets = files.into_iter().flatten().flatten();
        let inode = |target: PathBuf| {
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        };
        targets
            .filter_map(|file| inode(std::fs::read_link(file.path()).ok()?))
            .collect()
    }

    fn tasks(&self) -> Vec<PathBuf> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid));
        tasks.into_iter().flatten().flatten().map(|task| task.path()).collect()
    }

    /// Where the kernel tells of this process. Of one that was killed only the threads that are left say where they work.
    fn places(&self) -> Vec<PathBuf> {
        if self.is_ending() {
            self.tasks()
        } else {
            vec![PathBuf::from(format!("/proc/{}", self.pid))]
        }
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::os(format!("sending {signal} to process {}", self.pid), errno)),
        }
    }
}

/// The process that holds a POSIX write lock on the file; none when nobody does or there is no such file.
///
/// # Errors
/// When it is locked by somebody who cannot be seen, such as a process of another container.
pub(crate) fn lock_holder(path: &Path) -> Result<Option<Process>> {
    // Not for writing: the file system may have become read-only under the server.
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("cannot look at the lock of", path, error)),
    };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))
        .map_err(|errno| Error::file("cannot query the lock of", path, errno.into()))?;
    if lock.l_type == libc::F_UNLCK as i16 {
        return Ok(None);
    }
    // A dying process with many threads shows as a zombie while its last threads still hold its files.
    match Process::read(lock.l_pid) {
        Some(process) => Ok(Some(process)),
        None => Err(Error::State(format!(
            "{} is locked by process {}, which cannot be seen from here (another container?): end it by hand",
            path.display(),
            lock.l_pid
        ))),
    }
}

/// Processes whose executable has one of these base names and whose working directory is `directory`.
///
/// Directories are compared by what they are, not by name: a server in a container of this machine works in a
/// directory of the same name and must be left alone.
pub(crate) fn working_in(directory: &Path, executables: &[&str]) -> Vec<Process> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let Some(directory) = identity(directory) else {
        return Vec::new();
    };
    let works_there = |place: &PathBuf| {
        identity(&place.join("cwd")) == Some(directory)
            && std::fs::read_link(place.join("exe")).is_ok_and(|exe| has_base_name(&exe, executables))
    };
    let processes = pids().filter_map(Process::read);
    processes
        .filter(|process| process.places().iter().any(works_there))
        .collect()
}

/// Names this run of the kernel: another one after every boot.
pub(crate) fn boot() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let id = std::fs::read_to_string(path).map_err(|error| Error::file("cannot read", path, error))?;
    Ok(id.trim_end().to_owned())
}

/// The first process with this name (at most 15 characters).
pub(crate) fn named(name: &str) -> Option<Process> {
    let has_name =
        |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
    pids().filter(has_name).find_map(Process::find)
}

/// A process that lives in the network namespace with this inode.
pub(crate) fn in_network(inode: u64) -> Option<i32> {
    pids().find(|pid| std::fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|it| it.ino() == inode))
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn has_base_name(exe: &Path, names: &[&str]) -> bool {
    // A program that was replaced by an upgrade while it runs is shown with this suffix.
    let name = exe.file_name().and_then(|name| name.to_str()).unwrap_or("");
    names.contains(&name.trim_end_matches(" (deleted)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::sys::deadline::Deadline;

    fn me() -> i32 {
        std::process::id().cast_signed()
    }

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let mut process = Process::find(me()).unwrap();
        assert!(process.is_alive());
        assert!(!process.is_frozen());
        process.started += 1;
        assert!(
            !process.is_alive(),
            "the same pid with another start time is another process"
        );
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a child to look at")]
    fn a_zombie_is_gone_and_a_stopped_process_is_frozen() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let process = Process::find(child.id().cast_signed()).unwrap();
        process.signal(Signal::SIGSTOP).unwrap();
        let soon = Deadline::after(Duration::from_secs(5));
        soon.poll("stop", Duration::from_millis(5), || {
            Ok(process.is_frozen().then_some(()))
        })
        .unwrap();
        assert!(process.has_threads());
        process.signal(Signal::SIGKILL).unwrap();
        soon.poll("end", Duration::from_millis(5), || {
            Ok((!process.is_alive()).then_some(()))
        })
        .unwrap();
        assert!(!process.has_threads(), "its parent has not asked for it yet");
        child.wait().unwrap();
    }

    #[test]
    fn without_file_or_lock_there_is_no_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ibdata1");
        assert_eq!(lock_holder(&path).unwrap(), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(lock_holder(&path).unwrap(), None);
    }

    #[test]
    fn a_replaced_executable_keeps_its_name() {
        assert!(has_base_name(Path::new("/usr/sbin/mariadbd (deleted)"), &["mariadbd"]));
        assert!(!has_base_name(Path::new("/usr/sbin/mariadbd-safe"), &["mariadbd"]));
    }
}
