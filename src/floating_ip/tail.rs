//! Repeats the announcement for a while after start has returned, in a process of its own, and ends that process.
//!
//! The process holds a lock on a file under /run/baton for as long as it lives; start hands the locked file down to it.
//! So whoever gets the lock knows that no announcer is left: no pid file is trusted, and none can be missed. Behind the
//! process' pid the file has what went wrong with the announcements, for monitor to read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::Signal;

use super::addresses;
use super::announce::{Announcer, Listener};
use super::config::{self, Directed};
use super::decide::{self, Settling};
use super::frame;
use super::state::Link;
use super::{observe, route};
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::command;
use crate::sys::deadline::Deadline;
use crate::sys::files;
use crate::sys::netlink::Netlink;
use crate::sys::process::Process;

/// The hidden first argument under which the binary runs as announcer.
pub(crate) const WORD: &str = "announce";
const APPLET: &str = "floating-ip";
/// How a record of another owner begins, and how long after its last word it counts.
const CONFLICT: &str = "another host claims the address";
const CONFLICT_LIFE: Duration = Duration::from_secs(120);

fn path(ip: IpAddr) -> Result<PathBuf> {
    observe::run_file("announcer", ip)
}

/// Starts the announcer that goes on where `first` ended. The caller must have cancelled an earlier one. What already went
/// wrong is `trouble`, and stays known when there is nothing to repeat.
pub(crate) fn launch(first: Announcer, repeats: &[Duration], directed: &Directed, trouble: &str) -> Result<()> {
    let (ip, link) = (first.ip, first.link);
    if repeats.is_empty() {
        return note(ip, trouble);
    }
    let path = path(ip)?;
    let lock = locked(&path)?;
    let failed = |error| Error::file("cannot prepare", &path, error);
    lock.set_len(0).map_err(failed)?;
    let inherited = lock.try_clone().map_err(failed)?;
    let times: Vec<String> = repeats.iter().map(|at| at.as_millis().to_string()).collect();
    let arguments = [
        WORD.to_owned(),
        ip.to_string(),
        link.to_string(),
        times.join(","),
        directed.text.clone(),
    ];
    // Closing the packet socket takes longer than all the rest of a start: the announcer has the time for it.
    command::respawn(APPLET, &arguments, inherited.into(), first.into_socket())?;
    // Dropping the lock would unlock the file for the announcer as well: both share one open file. Closing is enough,
    // and the kernel does that when this process ends, which is next.
    std::mem::forget(lock);
    Ok(())
}

/// Records what went wrong with the announcements of this address, where no announcer does.
pub(crate) fn note(ip: IpAddr, trouble: &str) -> Result<()> {
    if trouble.is_empty() {
        return Ok(());
    }
    let path = path(ip)?;
    let mut lock = locked(&path)?;
    let text = format!("-\n{}\n", trouble.replace('\n', " "));
    lock.set_len(0)
        .and_then(|()| lock.write_all(text.as_bytes()))
        .map_err(|error| Error::file("cannot write", &path, error))
}

fn locked(path: &Path) -> Result<Flock<File>> {
    files::private_directory(Path::new(files::RUN_DIRECTORY))?;
    Flock::lock(files::open_lock(path)?, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| Error::file("another announcer still holds", path, errno.into()))
}

/// Ends the announcer of this address and waits until it is gone; what it had to say is forgotten. None running is
/// success.
pub(crate) fn cancel(ip: IpAddr, deadline: Deadline) -> Result<()> {
    let path = path(ip)?;
    let waiting_for = format!("the end of the announcer of {ip} (lock {})", path.display());
    deadline.poll(&waiting_for, Duration::from_millis(5), || {
        let Some(mut file) = open_existing(&path, true)? else {
            return Ok(Some(()));
        };
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| Error::file("cannot read", &path, error))?;
        let pid = text.lines().next().unwrap_or_default();
        let holder = pid.trim().parse().ok().and_then(Process::find);
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                // On a read-only file system nothing was written either.
                let _ = lock.set_len(0);
                Ok(Some(()))
            }
            // The lock was held after the process was looked up, so it is the holder and not a later one with its pid.
            Err((_, Errno::EWOULDBLOCK)) => {
                if let Some(holder) = holder {
                    holder.signal(Signal::SIGKILL)?;
                }
                Ok(None)
            }
            Err((_, errno)) => Err(Error::file("cannot lock", &path, errno.into())),
        }
    })
}

/// What went wrong with the announcements of this address since its last start; only another host's claim, if everybody
/// was told since. Another host that claimed it is forgotten some time after its last word: nobody would say that it is
/// gone.
pub(crate) fn trouble(ip: IpAddr, told_since: bool) -> Result<Option<String>> {
    let path = path(ip)?;
    let Some(mut file) = open_existing(&path, false)? else {
        return Ok(None);
    };
    let failed = |error| Error::file("cannot read", &path, error);
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let written = file.metadata().and_then(|data| data.modified()).map_err(failed)?;
    let old = written.elapsed().is_ok_and(|age| age > CONFLICT_LIFE);
    Ok(text
        .lines()
        .nth(1)
        .filter(|line| !line.is_empty())
        .filter(|line| if line.starts_with(CONFLICT) { !old } else { !told_since })
        .map(str::to_owned))
}

fn open_existing(path: &Path, write: bool) -> Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if write && error.kind() == ErrorKind::ReadOnlyFilesystem => open_existing(path, false),
        Err(error) => Err(Error::file("cannot open", path, error)),
    }
}

/// The announcer itself; `arguments` are those that [`launch`] wrote.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let [ip, link, times, directed] = arguments else {
        return Err(Error::State(
            "an announcer needs address, interface, times and hosts".to_owned(),
        ));
    };
    let (ip, link, times) = parse(ip, link, times)
        .ok_or_else(|| Error::State("an announcer's arguments are not what start writes".to_owned()))?;
    // Out of the action's process group: Pacemaker kills the whole group when an action is over time.
    nix::unistd::setsid().map_err(|errno| Error::os("starting a session", errno))?;
    let mut record = Record::inherited()?;
    record.write("")?;
    let null = Path::new("/dev/null");
    File::open(null)
        .and_then(|file| Ok(nix::unistd::dup2_stdout(file)?))
        .map_err(|error| Error::file("cannot open", null, error))?;
    announce(ip, link, &times, &config::directed(directed)?, &mut record)
}

fn announce(ip: IpAddr, link: u32, times: &[Duration], directed: &Directed, record: &mut Record) -> Result<()> {
    let last = times.last().copied().unwrap_or_default();
    let deadline = Deadline::after(last + Duration::from_secs(5));
    let mut netlink = Netlink::open()?;
    let mut ears: Option<Listener> = None;
    let mut conflict: Option<(String, Deadline)> = None;
    for at in times {
        let until = deadline.within(at.saturating_sub(deadline.age()));
        match ears.as_ref().map(|ears| listen(ears, until)) {
            None => {}
            Some(Ok(None)) => conflict = conflict.filter(|(_, life)| !life.expired()),
            Some(Ok(Some(text))) => {
                // Its age says when the other was heard last.
                record.put(&text)?;
                conflict = Some((text, Deadline::after(CONFLICT_LIFE)));
            }
            Some(Err(error)) => {
                log::warning(&error.to_string());
                ears = None;
            }
        }
        until.pause(until.remaining());
        let failed = match repeat(&mut netlink, ip, link, directed, deadline) {
            Ok(Repeated::Done(found)) => {
                // Announcing comes first, hearing is for the record.
                if ears.is_none() {
                    ears = Listener::open(&mut netlink, ip, &found)
                        .inspect_err(|error| log::warning(&error.to_string()))
                        .ok()
                        .flatten();
                }
                None
            }
            Ok(Repeated::NotYet(why)) => Some(why.to_owned()),
            Ok(Repeated::Never(why)) => return record.write(why),
            // A link that is down for a moment is no reason to keep silent later.
            Err(error) => Some(format!("the last announcement failed: {error}")),
        };
        let claimed = conflict.as_ref().map(|(text, _)| text);
        record.write(failed.as_ref().or(claimed).map_or("", String::as_str))?;
    }
    Ok(())
}

/// What became of one announcement.
enum Repeated {
    Done(Link),
    NotYet(&'static str),
    Never(&'static str),
}

/// An announcement of an address that has moved on would pull its clients back here.
fn repeat(netlink: &mut Netlink, ip: IpAddr, link: u32, directed: &Directed, deadline: Deadline) -> Result<Repeated> {
    match decide::settling(&addresses::copies(netlink, ip)?, |copy| copy.link == link) {
        Settling::Usable | Settling::Hopeful => {}
        // The kernel asks again after its link was gone for a moment.
        Settling::Waiting => return Ok(Repeated::NotYet("the kernel asks whether another host has the address")),
        Settling::Duplicate => {
            let text = "another host answers for the address, and the kernel gave it up";
            log::error(&format!("{ip} is not announced: {text}"));
            return Ok(Repeated::Never(text));
        }
        Settling::Gone => return Ok(Repeated::Never("")),
    }
    let Some(found) = route::link(netlink, link)? else {
        return Ok(Repeated::Never(""));
    };
    if let Some(announcer) = Announcer::open(netlink, ip, &found, directed)? {
        announcer.announce(deadline)?;
        announcer.announce_in_person(deadline)?;
    }
    Ok(Repeated::Done(found))
}

/// Listens all the time, also after another claim; the next announcement contradicts it (RFC 5227, section 2.4).
fn listen(ears: &Listener, until: Deadline) -> Result<Option<String>> {
    let mut conflict = None;
    while !until.expired()
        && let Some(other) = ears.hear(until)?
    {
        let text = format!("{CONFLICT}: {}", frame::written(other));
        if conflict.as_ref() != Some(&text) {
            log::error(&text);
        }
        conflict = Some(text);
    }
    Ok(conflict)
}

/// The locked file, as inherited on standard input.
struct Record {
    file: File,
    written: Option<String>,
}

impl Record {
    fn inherited() -> Result<Record> {
        let file: OwnedFd =
            nix::unistd::dup(std::io::stdin()).map_err(|errno| Error::os("taking over the lock", errno))?;
        Ok(Record {
            file: file.into(),
            written: None,
        })
    }

    /// Replaces what went wrong, if that has changed.
    fn write(&mut self, trouble: &str) -> Result<()> {
        if self.written.as_deref() == Some(trouble) {
            return Ok(());
        }
        self.put(trouble)
    }

    /// Shortened afterwards: a monitor that reads meanwhile must not find nothing.
    fn put(&mut self, trouble: &str) -> Result<()> {
        let text = format!("{}\n{}\n", std::process::id(), trouble.replace('\n', " "));
        self.file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64))
            .map_err(|error| Error::os("writing the announcer's record", error))?;
        self.written = Some(trouble.to_owned());
        Ok(())
    }
}

fn parse(ip: &str, link: &str, times: &str) -> Option<(IpAddr, u32, Vec<Duration>)> {
    let times: Option<Vec<Duration>> = times
        .split(',')
        .map(|time| time.parse().ok().map(Duration::from_millis))
        .collect();
    Some((ip.parse().ok()?, link.parse().ok()?, times?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcer_reads_what_start_writes() {
        let expected = (
            "10.0.0.1".parse().unwrap(),
            7,
            vec![Duration::from_millis(50), Duration::from_secs(1)],
        );
        assert_eq!(parse("10.0.0.1", "7", "50,1000"), Some(expected));
        assert!(parse("2001:db8::1", "7", "50").is_some());
        assert_eq!(parse("10.0.0.1", "7", ""), None);
        assert_eq!(parse("10.0.0.1", "eth0", "50"), None);
    }

    #[test]
    fn cancelling_what_was_never_started_succeeds() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let ip = "192.0.2.77".parse().unwrap();
        cancel(ip, deadline).unwrap();
        assert_eq!(trouble(ip, false).unwrap(), None);
    }
}
