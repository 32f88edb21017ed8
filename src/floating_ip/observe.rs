//! Looking at this node: where the address is wanted, where it belongs, and reasons in the administrator's words.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use super::config::Config;
use super::decide::{self, Nic, Placement, Wanted, Why};
use super::route;
use super::state::Address;
use crate::error::{Error, Result};
use crate::sys::files::RUN_DIRECTORY;
use crate::sys::netlink::Netlink;

/// A file about an address until the next boot. It belongs to a network namespace, as the address does.
pub(crate) fn run_file(kind: &str, ip: IpAddr) -> Result<PathBuf> {
    // The namespace of this thread: an action may have entered another one than its process began in.
    let namespace = Path::new("/proc/thread-self/ns/net");
    let inode = std::fs::metadata(namespace)
        .map_err(|error| Error::file("cannot look at", namespace, error))?
        .ino();
    Ok(Path::new(RUN_DIRECTORY).join(format!("{kind}-{ip}@{inode}")))
}

/// Enters the network namespace that the address lives in, for good. None when there is no such namespace: then there is no
/// such address either.
pub(crate) fn enter(namespace: Option<&Path>) -> Result<Option<()>> {
    let Some(path) = namespace else { return Ok(Some(())) };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("cannot open network namespace", path, error)),
    };
    match setns(file, CloneFlags::CLONE_NEWNET) {
        Ok(()) => Ok(Some(())),
        Err(errno) => Err(Error::os(
            format!("entering network namespace {}", path.display()),
            errno,
        )),
    }
}

pub(crate) fn no_namespace(namespace: Option<&Path>) -> String {
    let path = namespace.unwrap_or(Path::new("")).display();
    format!("there is no network namespace {path}; `ip netns` lists them")
}

pub(crate) fn wanted(config: &Config, copies: &[Address], netlink: &mut Netlink) -> Result<Wanted> {
    let mut wanted = Wanted {
        ip: config.ip,
        nic: Nic::Any,
        prefix: config.prefix,
        check_link: config.check_link,
    };
    wanted.nic = match (&config.nic, copies) {
        (Some(name), _) => route::link_named(netlink, name)?.map_or(Nic::Missing, |link| Nic::Link(link.index)),
        (None, [only]) if !only.ours => {
            let neighbours = route::link(netlink, only.link)?.is_some_and(|link| link.ethernet.is_some());
            decide::routed(&wanted, &route::networks(netlink, wanted.ip)?, neighbours)
        }
        (None, _) => Nic::Any,
    };
    Ok(wanted)
}

pub(crate) fn placement(wanted: &Wanted, copies: &[Address], netlink: &mut Netlink) -> Result<Placement> {
    match decide::known_place(wanted, copies) {
        Some(place) => Ok(Placement::At(place)),
        None => Ok(decide::place_by_network(wanted, &route::networks(netlink, wanted.ip)?)),
    }
}

pub(crate) fn explain(why: &Why, ip: IpAddr, nic: Option<&str>, netlink: &mut Netlink) -> String {
    let mut name = |index| match route::link(netlink, index) {
        Ok(Some(link)) => link.name,
        Ok(None) | Err(_) => format!("interface {index}"),
    };
    why.text(ip, nic.unwrap_or("(none)"), &mut name)
}
