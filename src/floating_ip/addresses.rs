//! The verbs of the kernel's list of addresses: list, add, put back, delete.
//!
//! Decides nothing. <https://docs.kernel.org/networking/netlink_spec/rt-addr.html>

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::state::{Address, Link, Uniqueness};
use crate::error::{Error, Result};
use crate::sys::netlink::{Netlink, unless};

/// This agent's mark on an address (IFA_PROTO). Kernels before 5.18 have none. Not one of the kernel's own values (1 to
/// 3) and not one that a routing daemon uses for its routes.
const TAG: AddressProtocol = AddressProtocol::Other(98);
const FOREVER: u32 = u32::MAX;

/// An address with everything that the kernel knows about it, enough to delete it and to put it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    message: AddressMessage,
}

/// An address to be added.
pub(crate) struct New<'a> {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) link: &'a Link,
    pub(crate) broadcast: Option<Ipv4Addr>,
    pub(crate) label: Option<String>,
    pub(crate) noprefixroute: bool,
    /// IPv6: use it without asking whether it is somebody else's; else use it while asking, where the kernel allows.
    pub(crate) nodad: bool,
    /// Seconds; none for ever.
    pub(crate) preferred: Option<u32>,
}

/// All addresses of the family that `like` belongs to, on all links.
pub(crate) fn all(netlink: &mut Netlink, like: IpAddr) -> Result<Vec<Entry>> {
    let mut message = AddressMessage::default();
    message.header.family = family(like);
    let answers = netlink.dump("list addresses", &RouteNetlinkMessage::GetAddress(message))?;
    Ok(answers.into_iter().filter_map(entry).collect())
}

/// Every copy of this very address.
pub(crate) fn copies(netlink: &mut Netlink, ip: IpAddr) -> Result<Vec<Address>> {
    let addresses = all(netlink, ip)?.into_iter().map(|entry| entry.address);
    Ok(addresses.filter(|address| address.ip == ip).collect())
}

fn entry(message: RouteNetlinkMessage) -> Option<Entry> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let mut local = None;
    let mut peer = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let mut ours = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            AddressAttribute::Flags(found) => flags = *found,
            AddressAttribute::Protocol(found) => ours = *found == TAG,
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end; IPv6 has only IFA_ADDRESS.
    let ip = local.or(peer)?;
    let address = Address {
        ip,
        prefix: message.header.prefix_len,
        link: message.header.index,
        // For IPv6 the same bit marks temporary addresses.
        secondary: ip.is_ipv4() && flags.contains(AddressFlags::Secondary),
        ours,
        uniqueness: uniqueness(flags),
    };
    Some(Entry { address, message })
}

fn uniqueness(flags: AddressFlags) -> Uniqueness {
    if flags.contains(AddressFlags::Dadfailed) {
        Uniqueness::Duplicate
    } else if !flags.contains(AddressFlags::Tentative) {
        Uniqueness::Settled
    } else if flags.contains(AddressFlags::Optimistic) {
        Uniqueness::Optimistic
    } else {
        Uniqueness::Asking
    }
}

/// Adds an address, with this agent's tag where the kernel has tags. One that is there already, in this very form, is no
/// error.
pub(crate) fn add(netlink: &mut Netlink, new: &New<'_>) -> Result<()> {
    let added = add_new(netlink, new);
    let exists = |error: &Error| matches!(error, Error::Kernel { errno, .. } if *errno == libc::EEXIST);
    if added.as_ref().is_err_and(exists)
        && copies(netlink, new.ip)?
            .iter()
            .any(|copy| (copy.link, copy.prefix) == (new.link.index, new.prefix))
    {
        return Ok(());
    }
    added
}

fn add_new(netlink: &mut Netlink, new: &New<'_>) -> Result<()> {
    let doing = format!("add {}/{} to {}", new.ip, new.prefix, new.link.name);
    let mut message = described(new);
    message.attributes.push(AddressAttribute::Protocol(TAG));
    match create(netlink, &doing, message) {
        // Old kernels ignore a tag; should one refuse it, the address matters more. Any other reason comes up again.
        Err(Error::Kernel {
            errno: libc::EINVAL | libc::EOPNOTSUPP,
            ..
        }) => create(netlink, &doing, described(new)),
        result => result,
    }
}

fn described(new: &New<'_>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(new.ip);
    message.header.prefix_len = new.prefix;
    message.header.index = new.link.index;
    // The kernel refuses two scopes in one network, and 127.0.0.1 has this one. For IPv6 it knows the scope itself.
    message.header.scope = if new.ip.is_loopback() {
        AddressScope::Host
    } else {
        AddressScope::Universe
    };
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Noprefixroute, new.noprefixroute);
    if new.ip.is_ipv6() {
        flags.insert(if new.nodad {
            AddressFlags::Nodad
        } else {
            AddressFlags::Optimistic
        });
    }
    message.attributes = vec![AddressAttribute::Local(new.ip), AddressAttribute::Address(new.ip)];
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    message
        .attributes
        .extend(new.broadcast.map(AddressAttribute::Broadcast));
    message
        .attributes
        .extend(new.label.clone().map(AddressAttribute::Label));
    message.attributes.extend(new.preferred.map(|seconds| {
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = FOREVER;
        lifetime.ifa_preferred = seconds;
        AddressAttribute::CacheInfo(lifetime)
    }));
    message
}

/// Puts back an address that the kernel deleted together with another one.
pub(crate) fn restore(netlink: &mut Netlink, entry: &Entry) -> Result<()> {
    let doing = format!("put back {}/{}", entry.address.ip, entry.address.prefix);
    let mut message = entry.message.clone();
    // Whether it is a secondary is the kernel's to decide, by what it finds on the link.
    message.header.flags.remove(AddressHeaderFlags::Secondary);
    for attribute in &mut message.attributes {
        if let AddressAttribute::Flags(flags) = attribute {
            flags.remove(AddressFlags::Secondary);
        }
    }
    let result = create(netlink, &doing, message).map(|()| Vec::<()>::new());
    unless(result, &[libc::EEXIST]).map(|_| ())
}

fn create(netlink: &mut Netlink, doing: &str, message: AddressMessage) -> Result<()> {
    let request = RouteNetlinkMessage::NewAddress(message);
    netlink.request(doing, request, NLM_F_CREATE | NLM_F_EXCL).map(|_| ())
}

/// Deletes one copy of an address. One that is gone already is no error.
pub(crate) fn delete(netlink: &mut Netlink, entry: &Entry) -> Result<()> {
    let Address { ip, prefix, link, .. } = entry.address;
    let mut message = AddressMessage::default();
    message.header.family = family(ip);
    message.header.prefix_len = prefix;
    message.header.index = link;
    message.attributes = entry
        .message
        .attributes
        .iter()
        .filter(|attribute| matches!(attribute, AddressAttribute::Local(_) | AddressAttribute::Address(_)))
        .cloned()
        .collect();
    let doing = format!("delete {ip}/{prefix} from interface {link}");
    let result = netlink.request(&doing, RouteNetlinkMessage::DelAddress(message), 0);
    unless(result, &[libc::EADDRNOTAVAIL, libc::ENODEV]).map(|_| ())
}

pub(crate) fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_to_point_address_is_the_near_end() {
        let mut message = AddressMessage::default();
        message.attributes = vec![
            AddressAttribute::Address(Ipv4Addr::new(10, 0, 0, 2).into()),
            AddressAttribute::Local(Ipv4Addr::new(10, 0, 0, 1).into()),
            AddressAttribute::Protocol(TAG),
        ];
        let found = entry(RouteNetlinkMessage::NewAddress(message)).unwrap().address;
        assert_eq!(found.ip, Ipv4Addr::new(10, 0, 0, 1));
        assert!(found.ours && !found.secondary);
        assert_eq!(found.uniqueness, Uniqueness::Settled);
    }

    #[test]
    fn the_kernels_flags_say_whether_an_address_is_unique() {
        let tentative = AddressFlags::Tentative;
        assert_eq!(uniqueness(AddressFlags::Permanent), Uniqueness::Settled);
        assert_eq!(uniqueness(tentative), Uniqueness::Asking);
        assert_eq!(uniqueness(tentative | AddressFlags::Optimistic), Uniqueness::Optimistic);
        assert_eq!(uniqueness(tentative | AddressFlags::Dadfailed), Uniqueness::Duplicate);
    }

    #[test]
    fn addresses_can_be_listed() {
        let mut netlink = Netlink::open().unwrap();
        copies(&mut netlink, Ipv4Addr::LOCALHOST.into()).unwrap();
        copies(&mut netlink, std::net::Ipv6Addr::LOCALHOST.into()).unwrap();
    }
}
