//! Takes copies of an address away without taking its neighbours along.
//!
//! When the first address of a network leaves a link, the kernel deletes the others of that network as well, unless
//! the link promotes secondaries. That is switched on around the deletion; where /proc/sys cannot be written (a
//! container), the lost addresses are put back.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::addresses::{self, Entry};
use super::route;
use super::{decide, state::Address};
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::deadline::Deadline;
use crate::sys::files::{self, Lock, RUN_DIRECTORY};
use crate::sys::netlink::Netlink;

const LOCK: &str = "floating-ip.lock";

/// Deletes every copy of `ip` that `which` selects, and proves that none is left.
///
/// # Errors
/// Names the copies that are still there; all others are deleted nevertheless.
pub(crate) fn remove(
    netlink: &mut Netlink,
    ip: IpAddr,
    which: impl Fn(&Address) -> bool,
    deadline: Deadline,
) -> Result<()> {
    let selected = |entry: &Entry| entry.address.ip == ip && which(&entry.address);
    if !addresses::all(netlink, ip)?.iter().any(selected) {
        return Ok(());
    }
    let _lock = serialize(deadline);
    let before = addresses::all(netlink, ip)?;
    let mut failures = Vec::new();
    for victim in before.iter().filter(|entry| selected(entry)) {
        if let Err(error) = delete_alone(netlink, victim, &before) {
            failures.push(error.to_string());
        }
    }
    let left: Vec<Entry> = addresses::all(netlink, ip)?.into_iter().filter(selected).collect();
    if left.is_empty() {
        for failure in failures {
            log::warning(&failure);
        }
        return Ok(());
    }
    let left: Vec<String> = left
        .iter()
        .map(|entry| format!("{ip}/{} on interface {}", entry.address.prefix, entry.address.link))
        .collect();
    Err(Error::State(format!(
        "still present: {}; {}",
        left.join(", "),
        failures.join("; ")
    )))
}

/// Two stops at the same time could put back each other's address. Without the lock (read-only /run) that window is a
/// fraction of a millisecond, and a stop that fails for want of a lock would cost a node.
fn serialize(deadline: Deadline) -> Option<Lock> {
    let directory = Path::new(RUN_DIRECTORY);
    let path = directory.join(LOCK);
    let taken = files::private_directory(directory).and_then(|()| {
        deadline.within(Duration::from_secs(5)).poll(
            "the end of another change of addresses",
            Duration::from_millis(5),
            || Lock::try_take(&path),
        )
    });
    taken
        .inspect_err(|error| log::warning(&format!("addresses are changed without a lock: {error}")))
        .ok()
}

fn delete_alone(netlink: &mut Netlink, victim: &Entry, before: &[Entry]) -> Result<()> {
    let all: Vec<Address> = before.iter().map(|entry| entry.address.clone()).collect();
    let dependents = decide::dependents(&victim.address, &all);
    if dependents.is_empty() {
        return addresses::delete(netlink, victim);
    }
    let promotion = Promotion::switch_on(netlink, victim.address.link);
    let result = addresses::delete(netlink, victim);
    drop(promotion);
    result?;
    let after = addresses::all(netlink, victim.address.ip)?;
    let lost = before.iter().filter(|entry| {
        dependents.contains(&&entry.address)
            && !after.iter().any(|now| {
                (now.address.ip, now.address.prefix, now.address.link)
                    == (entry.address.ip, entry.address.prefix, entry.address.link)
            })
    });
    // One that cannot be put back is no reason to leave the others away.
    let mut failures = Vec::new();
    for entry in lost {
        log::warning(&format!(
            "the kernel deleted {} together with {}: putting it back; set net.ipv4.conf.*.promote_secondaries=1",
            entry.address.ip, victim.address.ip
        ));
        if let Err(error) = addresses::restore(netlink, entry) {
            failures.push(error.to_string());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::State(failures.join("; ")))
}

/// Keeps net.ipv4.conf.LINK.promote_secondaries at 1 until dropped.
struct Promotion {
    path: PathBuf,
}

impl Promotion {
    /// None when nothing had to be, or could be, switched.
    fn switch_on(netlink: &mut Netlink, link: u32) -> Option<Promotion> {
        let link = route::link(netlink, link).ok()??;
        let setting = |name: &str| {
            Path::new("/proc/sys/net/ipv4/conf")
                .join(name)
                .join("promote_secondaries")
        };
        let path = setting(&link.name);
        let is_on = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0");
        if is_on(&path) || is_on(&setting("all")) {
            return None;
        }
        std::fs::write(&path, "1").ok()?;
        Some(Promotion { path })
    }
}

impl Drop for Promotion {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.path, "0");
    }
}
