//! Repeats the announcement for a while after start has returned, in a process of its own, and ends that process.
//!
//! The process holds a lock on a file under /run/baton for as long as it lives; start hands the locked file down to it.
//! So whoever gets the lock knows that no announcer is left: no pid file is trusted, and none can be missed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::Signal;

use super::announce::Announcer;
use super::netlink::Netlink;
use super::route;
use crate::error::{Error, Result};
use crate::sys::command;
use crate::sys::deadline::Deadline;
use crate::sys::files;
use crate::sys::process::Process;

/// The hidden first argument under which the binary runs as announcer.
pub(crate) const WORD: &str = "announce";
const RUN_DIRECTORY: &str = "/run/baton";
const APPLET: &str = "floating-ip";

/// The announcer of an address belongs to a network namespace, as the address does.
fn lock_path(ip: IpAddr) -> Result<PathBuf> {
    let namespace = Path::new("/proc/self/ns/net");
    let inode = std::fs::metadata(namespace)
        .map_err(|error| Error::file("cannot look at", namespace, error))?
        .ino();
    Ok(Path::new(RUN_DIRECTORY).join(format!("announcer-{ip}@{inode}")))
}

/// Starts the announcer that goes on where this one ends. The caller must have cancelled an earlier one.
pub(crate) fn launch(first: Announcer, repeats: &[Duration]) -> Result<()> {
    if repeats.is_empty() {
        return Ok(());
    }
    let (ip, link) = (first.ip, first.link);
    files::private_directory(Path::new(RUN_DIRECTORY))?;
    let path = lock_path(ip.into())?;
    let failed = |error| Error::file("cannot prepare", &path, error);
    let lock = Flock::lock(files::open_lock(&path)?, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| Error::file("another announcer still holds", &path, errno.into()))?;
    lock.set_len(0).map_err(failed)?;
    let inherited = lock.try_clone().map_err(failed)?;
    let times: Vec<String> = repeats.iter().map(|at| at.as_millis().to_string()).collect();
    let arguments = [WORD.to_owned(), ip.to_string(), link.to_string(), times.join(",")];
    // Closing the packet socket takes longer than all the rest of a start: the announcer has the time for it.
    command::respawn(APPLET, &arguments, inherited.into(), first.into_socket())?;
    // Dropping the lock would unlock the file for the announcer as well: both share one open file. Closing is enough,
    // and the kernel does that when this process ends, which is next.
    std::mem::forget(lock);
    Ok(())
}

/// Ends the announcer of this address and waits until it is gone. None running is success.
pub(crate) fn cancel(ip: IpAddr, deadline: Deadline) -> Result<()> {
    let path = lock_path(ip)?;
    let waiting_for = format!("the end of the announcer of {ip} (lock {})", path.display());
    deadline.poll(&waiting_for, Duration::from_millis(5), || {
        let Some(mut file) = open_existing(&path)? else {
            return Ok(Some(()));
        };
        let mut pid = String::new();
        file.read_to_string(&mut pid)
            .map_err(|error| Error::file("cannot read", &path, error))?;
        let holder = pid.trim().parse().ok().and_then(Process::find);
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_) => Ok(Some(())),
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

fn open_existing(path: &Path) -> Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("cannot open", path, error)),
    }
}

/// The announcer itself; `arguments` are those that [`launch`] wrote.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let [ip, link, times] = arguments else {
        return Err(Error::State(
            "an announcer needs address, interface and times".to_owned(),
        ));
    };
    let (ip, link, times) = parse(ip, link, times)
        .ok_or_else(|| Error::State("an announcer's arguments are not what start writes".to_owned()))?;
    // Out of the action's process group: Pacemaker kills the whole group when an action is over time.
    nix::unistd::setsid().map_err(|errno| Error::os("starting a session", errno))?;
    let pid = std::process::id().to_string();
    nix::unistd::write(std::io::stdin(), pid.as_bytes())
        .map_err(|errno| Error::os("writing the announcer's pid", errno))?;
    let null = Path::new("/dev/null");
    File::open(null)
        .and_then(|file| Ok(nix::unistd::dup2_stdout(file)?))
        .map_err(|error| Error::file("cannot open", null, error))?;
    let last = times.last().copied().unwrap_or_default();
    let deadline = Deadline::after(last + Duration::from_secs(5));
    let mut netlink = Netlink::open()?;
    for at in times {
        deadline.pause(at.saturating_sub(deadline.age()));
        // An announcement of an address that has moved on would pull its clients back here.
        let here = route::copies(&mut netlink, ip.into())?
            .iter()
            .any(|copy| copy.link == link);
        let hardware = route::link(&mut netlink, link)?.and_then(|link| link.ethernet);
        let Some(hardware) = hardware.filter(|_| here) else {
            return Ok(());
        };
        // A link that is down for a moment is no reason to keep silent later.
        let _ = Announcer::open(ip, link, hardware)?.announce(deadline);
    }
    Ok(())
}

fn parse(ip: &str, link: &str, times: &str) -> Option<(Ipv4Addr, u32, Vec<Duration>)> {
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
            Ipv4Addr::new(10, 0, 0, 1),
            7,
            vec![Duration::from_millis(50), Duration::from_secs(1)],
        );
        assert_eq!(parse("10.0.0.1", "7", "50,1000"), Some(expected));
        assert_eq!(parse("10.0.0.1", "7", ""), None);
        assert_eq!(parse("10.0.0.1", "eth0", "50"), None);
    }

    #[test]
    fn cancelling_what_was_never_started_succeeds() {
        let deadline = Deadline::after(Duration::from_secs(1));
        cancel("192.0.2.77".parse().unwrap(), deadline).unwrap();
    }
}
