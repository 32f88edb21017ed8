//! The verbs of the routing tables: list, add and delete addresses, look up links and networks.
//!
//! Decides nothing. <https://docs.kernel.org/networking/netlink_spec/rt-addr.html>

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;
use super::state::{Address, Link, OnLink};
use crate::error::{Error, Result};

/// This agent's mark on an address (IFA_PROTO). Kernels before 5.18 ignore it. Not one of the kernel's own values
/// (1 to 3) and not one that a routing daemon uses for its routes.
const TAG: AddressProtocol = AddressProtocol::Other(98);
/// Attribute of an alternative interface name (Linux 5.5), which may be longer than a primary one.
const IFLA_ALT_IFNAME: u16 = 53;
const IFNAME_MAX: usize = 15;

/// An address with everything that the kernel knows about it, enough to delete it and to put it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    message: AddressMessage,
}

/// An address to be added.
pub(crate) struct New<'a> {
    pub(crate) ip: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) link: &'a Link,
    pub(crate) broadcast: Option<Ipv4Addr>,
    pub(crate) label: Option<String>,
}

/// All addresses of the family that `like` belongs to, on all links.
pub(crate) fn addresses(netlink: &mut Netlink, like: IpAddr) -> Result<Vec<Entry>> {
    let mut message = AddressMessage::default();
    message.header.family = family(like);
    let answers = netlink.dump("list addresses", &RouteNetlinkMessage::GetAddress(message))?;
    Ok(answers.into_iter().filter_map(entry).collect())
}

/// Every copy of this very address.
pub(crate) fn copies(netlink: &mut Netlink, ip: IpAddr) -> Result<Vec<Address>> {
    Ok(addresses(netlink, ip)?
        .into_iter()
        .map(|entry| entry.address)
        .filter(|address| address.ip == ip)
        .collect())
}

fn entry(message: RouteNetlinkMessage) -> Option<Entry> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let mut local = None;
    let mut peer = None;
    let mut flags = AddressFlags::empty();
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
    let address = Address {
        // On a point-to-point link IFA_ADDRESS is the other end; IPv6 has only IFA_ADDRESS.
        ip: local.or(peer)?,
        prefix: message.header.prefix_len,
        link: message.header.index,
        secondary: flags.contains(AddressFlags::Secondary)
            || message.header.flags.contains(AddressHeaderFlags::Secondary),
        ours,
    };
    Some(Entry { address, message })
}

/// Adds an address, with this agent's tag. One that is there already is no error.
pub(crate) fn add(netlink: &mut Netlink, new: &New<'_>) -> Result<()> {
    let doing = format!("add {}/{} to {}", new.ip, new.prefix, new.link.name);
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = new.prefix;
    message.header.index = new.link.index;
    // The kernel refuses two scopes in one network, and 127.0.0.1 has this one.
    message.header.scope = if new.ip.is_loopback() {
        AddressScope::Host
    } else {
        AddressScope::Universe
    };
    message.attributes = vec![
        AddressAttribute::Local(new.ip.into()),
        AddressAttribute::Address(new.ip.into()),
        AddressAttribute::Protocol(TAG),
    ];
    message
        .attributes
        .extend(new.broadcast.map(AddressAttribute::Broadcast));
    message
        .attributes
        .extend(new.label.clone().map(AddressAttribute::Label));
    create(netlink, &doing, message)
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
    create(netlink, &doing, message)
}

fn create(netlink: &mut Netlink, doing: &str, message: AddressMessage) -> Result<()> {
    let request = RouteNetlinkMessage::NewAddress(message);
    let result = netlink.request(doing, request, NLM_F_CREATE | NLM_F_EXCL);
    unless(result, &[libc::EEXIST]).map(|_| ())
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

/// The link with this index; none when it is gone.
pub(crate) fn link(netlink: &mut Netlink, index: u32) -> Result<Option<Link>> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    get_link(netlink, message)
}

/// The link with this name, its own or an alternative one.
pub(crate) fn link_named(netlink: &mut Netlink, name: &str) -> Result<Option<Link>> {
    let mut message = LinkMessage::default();
    message.attributes.push(if name.len() <= IFNAME_MAX {
        LinkAttribute::IfName(name.to_owned())
    } else {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, text))
    });
    get_link(netlink, message)
}

fn get_link(netlink: &mut Netlink, mut message: LinkMessage) -> Result<Option<Link>> {
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let result = netlink.request("look up an interface", RouteNetlinkMessage::GetLink(message), 0);
    let answers = unless(result, &[libc::ENODEV])?;
    Ok(answers.into_iter().find_map(|answer| {
        let RouteNetlinkMessage::NewLink(message) = answer else {
            return None;
        };
        Some(seen_link(&message))
    }))
}

fn seen_link(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut name = String::new();
    let mut hardware = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(found) => name.clone_from(found),
            LinkAttribute::Address(bytes) => hardware = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            _ => {}
        }
    }
    let speaks_arp = message.header.link_layer_type == LinkLayerType::Ether && !flags.contains(LinkFlags::Noarp);
    Link {
        index: message.header.index,
        name,
        ethernet: hardware.filter(|_| speaks_arp),
        up: flags.contains(LinkFlags::Up),
        // IFF_RUNNING would follow a lost carrier only after up to a second; IFF_LOWER_UP is the carrier itself.
        carrier: flags.contains(LinkFlags::LowerUp) && !flags.contains(LinkFlags::Dormant),
    }
}

/// The directly connected networks of the main routing table.
pub(crate) fn networks(netlink: &mut Netlink) -> Result<Vec<OnLink>> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    let result = netlink.dump("list networks", &RouteNetlinkMessage::GetRoute(message));
    // A network namespace without any route has no main table yet.
    let answers = unless(result, &[libc::ENOENT])?;
    Ok(answers.into_iter().filter_map(on_link).collect())
}

fn on_link(message: RouteNetlinkMessage) -> Option<OnLink> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let header = &message.header;
    // Kernels that do not know filtered dumps send everything.
    let fits = header.table == RouteHeader::RT_TABLE_MAIN && header.kind == RouteType::Unicast;
    if !fits || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut route = OnLink {
        network: Ipv4Addr::UNSPECIFIED.into(),
        prefix: header.destination_prefix_length,
        link: 0,
        metric: 0,
        source: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => route.network = (*ip).into(),
            RouteAttribute::PrefSource(RouteAddress::Inet(ip)) => route.source = Some((*ip).into()),
            RouteAttribute::Oif(index) => route.link = *index,
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => return None,
            _ => {}
        }
    }
    (route.link != 0).then_some(route)
}

fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// Takes these refusals of the kernel for an empty answer.
fn unless<T>(result: Result<Vec<T>>, harmless: &[i32]) -> Result<Vec<T>> {
    match result {
        Err(Error::Kernel { errno, .. }) if harmless.contains(&errno) => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_speaks_no_arp() {
        let mut netlink = Netlink::open().unwrap();
        let lo = link_named(&mut netlink, "lo").unwrap().unwrap();
        assert_eq!((lo.name.as_str(), lo.ethernet), ("lo", None));
        assert_eq!(link(&mut netlink, lo.index).unwrap(), Some(lo));
    }

    #[test]
    fn a_name_that_nobody_has_is_no_link() {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(link_named(&mut netlink, "nosuchlink0").unwrap(), None);
        assert_eq!(link_named(&mut netlink, "a-name-that-is-longer-than-15").unwrap(), None);
        assert_eq!(link(&mut netlink, 1 << 30).unwrap(), None);
    }

    #[test]
    fn tables_can_be_read() {
        let mut netlink = Netlink::open().unwrap();
        addresses(&mut netlink, Ipv4Addr::LOCALHOST.into()).unwrap();
        networks(&mut netlink).unwrap();
    }

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
    }
}
