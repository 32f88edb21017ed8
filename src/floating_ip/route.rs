//! The verbs of the routing tables that tell where an address belongs and who is there: links, networks, gateways,
//! neighbours.
//!
//! Decides nothing. <https://docs.kernel.org/networking/netlink_spec/rt-route.html>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage, State};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType};

use super::addresses::family;
use super::state::{Link, Neighbour, OnLink};
use crate::error::Result;
use crate::sys::netlink::{Netlink, unless};

/// Attribute of an alternative interface name (Linux 5.5), which may be longer than a primary one.
const IFLA_ALT_IFNAME: u16 = 53;
const IFNAME_MAX: usize = 15;

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
    let mut unready = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(found) => name.clone_from(found),
            LinkAttribute::Address(bytes) => hardware = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            LinkAttribute::OperState(state) => unready = hindrance(*state),
            _ => {}
        }
    }
    let has_neighbours = message.header.link_layer_type == LinkLayerType::Ether && !flags.contains(LinkFlags::Noarp);
    Link {
        index: message.header.index,
        name,
        ethernet: hardware.filter(|_| has_neighbours),
        infiniband: message.header.link_layer_type == LinkLayerType::Infiniband,
        up: flags.contains(LinkFlags::Up),
        // IFF_RUNNING would follow a lost carrier only after up to a second; IFF_LOWER_UP is the carrier itself.
        carrier: flags.contains(LinkFlags::LowerUp),
        unready,
    }
}

/// The hardware addresses of all links of this node.
pub(crate) fn own_hardware(netlink: &mut Netlink) -> Result<Vec<[u8; 6]>> {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let answers = netlink.dump("list interfaces", &RouteNetlinkMessage::GetLink(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => seen_link(&message).ethernet,
            _ => None,
        })
        .collect())
}

/// "Down" is not among them: it follows the carrier with a delay of up to a second, in both directions.
fn hindrance(state: State) -> Option<&'static str> {
    match state {
        State::NotPresent => Some("missing a component"),
        State::LowerLayerDown => Some("down at a lower layer"),
        State::Testing => Some("in a test"),
        State::Dormant => Some("dormant"),
        _ => None,
    }
}

/// The directly connected networks of the main routing table.
pub(crate) fn networks(netlink: &mut Netlink, like: IpAddr) -> Result<Vec<OnLink>> {
    Ok(routes(netlink, like)?.iter().filter_map(on_link).collect())
}

/// The next hops of the default routes over this link.
pub(crate) fn gateways(netlink: &mut Netlink, like: IpAddr, link: u32) -> Result<Vec<IpAddr>> {
    let routes = routes(netlink, like)?;
    let defaults = routes
        .iter()
        .filter(|route| route.header.destination_prefix_length == 0);
    Ok(defaults
        .filter(|route| route.attributes.contains(&RouteAttribute::Oif(link)))
        .filter_map(|route| route.attributes.iter().find_map(gateway))
        .collect())
}

/// The link that the default route leads over, the one with the lowest metric.
pub(crate) fn default_link(netlink: &mut Netlink, like: IpAddr) -> Result<Option<u32>> {
    let routes = routes(netlink, like)?;
    let defaults = routes
        .iter()
        .filter(|route| route.header.destination_prefix_length == 0);
    let number =
        |route: &RouteMessage, wanted: fn(&RouteAttribute) -> Option<u32>| route.attributes.iter().find_map(wanted);
    let best = defaults.min_by_key(|route| number(route, metric).unwrap_or(0));
    Ok(best.and_then(|route| number(route, output_link)))
}

fn metric(attribute: &RouteAttribute) -> Option<u32> {
    match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    }
}

fn output_link(attribute: &RouteAttribute) -> Option<u32> {
    match attribute {
        RouteAttribute::Oif(link) => Some(*link),
        _ => None,
    }
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(gateway) => address(gateway),
        _ => None,
    }
}

/// The unicast routes of the main table.
fn routes(netlink: &mut Netlink, like: IpAddr) -> Result<Vec<RouteMessage>> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(like);
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    let result = netlink.dump("list networks", &RouteNetlinkMessage::GetRoute(message));
    // A network namespace without any route has no main table yet.
    let answers = unless(result, &[libc::ENOENT])?;
    let messages = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(message) => Some(message),
        _ => None,
    });
    // Kernels that do not know filtered dumps send everything.
    Ok(messages
        .filter(|RouteMessage { header, .. }| {
            let fits = header.table == RouteHeader::RT_TABLE_MAIN && header.kind == RouteType::Unicast;
            fits && !header.flags.contains(RouteFlags::Cloned)
        })
        .collect())
}

fn on_link(message: &RouteMessage) -> Option<OnLink> {
    let everything: IpAddr = match message.header.address_family {
        netlink_packet_route::AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut route = OnLink {
        network: everything,
        prefix: message.header.destination_prefix_length,
        link: 0,
        metric: 0,
        source: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(network) => route.network = address(network)?,
            RouteAttribute::PrefSource(source) => route.source = address(source),
            RouteAttribute::Oif(index) => route.link = *index,
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => return None,
            _ => {}
        }
    }
    (route.link != 0).then_some(route)
}

fn address(found: &RouteAddress) -> Option<IpAddr> {
    match found {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// Those on this link whom the kernel knows.
pub(crate) fn neighbours(netlink: &mut Netlink, like: IpAddr, link: u32) -> Result<Vec<Neighbour>> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(like);
    message.attributes.push(NeighbourAttribute::IfIndex(link));
    let answers = netlink.dump("list neighbours", &RouteNetlinkMessage::GetNeighbour(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => Some(message),
            _ => None,
        })
        .filter(|message| message.header.ifindex == link && message.header.family == family(like))
        .filter_map(|message| neighbour(&message))
        .collect())
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let known = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let ip = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::from(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::from(*ip)),
        _ => None,
    })?;
    let hardware = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
        _ => None,
    })?;
    known.then_some(Neighbour { ip, hardware })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infiniband_is_not_taken_for_a_link_without_neighbours() {
        let mut message = LinkMessage::default();
        message.header.link_layer_type = LinkLayerType::Infiniband;
        let link = seen_link(&message);
        assert!(link.infiniband && link.ethernet.is_none());
    }

    #[test]
    fn loopback_is_there_and_speaks_no_arp() {
        let mut netlink = Netlink::open().unwrap();
        let lo = link_named(&mut netlink, "lo").unwrap().unwrap();
        assert_eq!((lo.name.as_str(), lo.ethernet), ("lo", None));
        assert_eq!(link(&mut netlink, lo.index).unwrap(), Some(lo));
        own_hardware(&mut netlink).unwrap();
    }

    #[test]
    fn a_name_that_nobody_has_is_no_link() {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(link_named(&mut netlink, "nosuchlink0").unwrap(), None);
        assert_eq!(link_named(&mut netlink, "a-name-that-is-longer-than-15").unwrap(), None);
        assert_eq!(link(&mut netlink, 1 << 30).unwrap(), None);
    }

    #[test]
    fn tables_of_both_families_can_be_read() {
        let mut netlink = Netlink::open().unwrap();
        for like in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            networks(&mut netlink, like).unwrap();
            gateways(&mut netlink, like, 1).unwrap();
            default_link(&mut netlink, like).unwrap();
            neighbours(&mut netlink, like, 1).unwrap();
        }
    }
}
