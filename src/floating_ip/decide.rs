//! What an address that is seen means, and where one that is wanted belongs.
//!
//! Invariant: no I/O here; plain data in, a closed enum out.

use std::net::IpAddr;

use super::state::{Address, Link, OnLink, Uniqueness, contains};

/// The configured interface, looked up on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nic {
    /// None is configured: the routing table decides.
    Any,
    /// None is configured, and the only copy does not carry this agent's tag: it counts where the routing table leads,
    /// if it leads anywhere.
    Routed(Option<u32>),
    /// Index of the link.
    Link(u32),
    /// No link of this node has the configured name.
    Missing,
}

/// What the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) ip: IpAddr,
    pub(crate) nic: Nic,
    pub(crate) prefix: Option<u8>,
    pub(crate) check_link: bool,
}

/// Where an address is or shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) link: u32,
    pub(crate) prefix: u8,
}

impl Place {
    pub(crate) fn holds(self, copy: &Address) -> bool {
        copy.link == self.link && copy.prefix == self.prefix
    }
}

/// What is wrong, or why not. Links are indexes here; [`Why::text`] names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    OtherLink(Place),
    /// No interface is configured, and the routing table leads to another one, or to none.
    Stray(Place, Option<u32>),
    OtherPrefix {
        found: Place,
        wanted: u8,
    },
    Several(Vec<Place>),
    Renamed(Place),
    AdminDown(u32),
    NoCarrier(u32),
    /// The interface has a carrier and is not ready, for this reason.
    Unready(u32, &'static str),
    /// The kernel found another owner and does not use the address.
    Duplicate(Place),
    NicMissing,
    NoNetwork,
}

impl Why {
    /// One sentence for the administrator. `nic` is the parameter's value, `name` names a link.
    pub(crate) fn text(&self, ip: IpAddr, nic: &str, mut name: impl FnMut(u32) -> String) -> String {
        let mut at = |place: &Place| format!("{ip}/{} on {}", place.prefix, name(place.link));
        match self {
            Why::OtherLink(found) => format!("found {}, but nic is {nic}", at(found)),
            Why::Stray(found, Some(link)) => {
                let found = at(found);
                format!(
                    "found {found}, which this agent did not put there, but the network of {ip} is on {}; remove that \
                     copy, or set nic if it is where the address belongs",
                    name(*link)
                )
            }
            Why::Stray(found, None) => format!(
                "found {}, which this agent did not put there and where nobody can be told of it; remove that copy, or set \
                 nic if it is where the address belongs",
                at(found)
            ),
            Why::OtherPrefix { found, wanted } => format!("found {}, but cidr_netmask is {wanted}", at(found)),
            Why::Several(found) => {
                let all: Vec<String> = found.iter().map(&mut at).collect();
                format!("found {} copies of one address: {}", found.len(), all.join(", "))
            }
            Why::Renamed(found) => format!(
                "found {}, but no interface is named {nic}: was it renamed? Set nic to its new name before the next start",
                at(found)
            ),
            Why::AdminDown(link) => format!(
                "interface {0} is switched off; if that is not intended: ip link set {0} up",
                name(*link)
            ),
            Why::NoCarrier(link) => format!(
                "interface {} has no carrier: nobody can reach {ip} there; check cable, switch port or bond",
                name(*link)
            ),
            Why::Unready(link, word) => format!(
                "interface {} is {word}: nobody can reach {ip} there; check what it is built on",
                name(*link)
            ),
            Why::Duplicate(found) => format!(
                "{} is not used, because another host answers for it: find that host by its hardware address \
                 (`ip neighbour` on a third host), then clean up this resource",
                at(found)
            ),
            Why::NicMissing => format!("no interface of this node is named {nic}; `ip link` lists them"),
            Why::NoNetwork => format!(
                "no directly connected network of this node contains {ip}; set nic and cidr_netmask, or give the node \
                 an address in that network"
            ),
        }
    }
}

/// The state of the address on this node, as far as the copies of it tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Form {
    Absent,
    Right(Place),
    /// It serves clients, but its interface no longer has the configured name.
    Renamed(Place),
    Wrong(Why),
}

fn place(copy: &Address) -> Place {
    Place {
        link: copy.link,
        prefix: copy.prefix,
    }
}

pub(crate) fn form(wanted: &Wanted, copies: &[Address]) -> Form {
    let only = match copies {
        [] => return Form::Absent,
        [only] => only,
        several => return Form::Wrong(Why::Several(several.iter().map(place).collect())),
    };
    let found = place(only);
    let right_prefix = |form| match wanted.prefix {
        Some(prefix) if prefix != found.prefix => Form::Wrong(Why::OtherPrefix { found, wanted: prefix }),
        Some(_) | None => form,
    };
    match wanted.nic {
        Nic::Any => right_prefix(Form::Right(found)),
        Nic::Routed(link) if only.ours || link == Some(found.link) => right_prefix(Form::Right(found)),
        Nic::Routed(link) => Form::Wrong(Why::Stray(found, link)),
        Nic::Link(link) if link == found.link => right_prefix(Form::Right(found)),
        Nic::Link(_) => Form::Wrong(Why::OtherLink(found)),
        // Only the tag tells an interface that was renamed under our address from an address of somebody else.
        Nic::Missing if only.ours => right_prefix(Form::Renamed(found)),
        Nic::Missing => Form::Wrong(Why::OtherLink(found)),
    }
}

/// What monitor reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Absent,
    Healthy,
    /// Present, but no client can reach it: recover elsewhere.
    Unreachable(Why),
    /// Serves, but will not survive the next start.
    Degraded(Why),
    /// Present in a form that start did not make. Not "not running": that would invite a second start elsewhere.
    Wrong(Why),
}

/// `link` is the link of the only copy. A probe asks whether the address is here, not whether it is well: "not running"
/// for an address that waits on a dead link would let it answer on two nodes once the link is back.
pub(crate) fn monitor(wanted: &Wanted, copies: &[Address], link: Option<&Link>, probe: bool) -> Verdict {
    let unreachable = link.and_then(|link| unusable(link, wanted.check_link));
    let duplicate = copies.iter().find(|copy| copy.uniqueness == Uniqueness::Duplicate);
    let healthy = match form(wanted, copies) {
        Form::Absent => return Verdict::Absent,
        Form::Wrong(why) => return Verdict::Wrong(why),
        Form::Right(_) => Verdict::Healthy,
        Form::Renamed(place) => Verdict::Degraded(Why::Renamed(place)),
    };
    if let Some(copy) = duplicate {
        return Verdict::Wrong(Why::Duplicate(place(copy)));
    }
    match unreachable {
        Some(why) if wanted.check_link && !probe => Verdict::Unreachable(why),
        Some(_) | None => healthy,
    }
}

/// Where the configuration and what is present say the address belongs; none when the routing table must be asked.
pub(crate) fn known_place(wanted: &Wanted, copies: &[Address]) -> Option<Place> {
    match (form(wanted, copies), wanted.nic, wanted.prefix) {
        (Form::Right(place) | Form::Renamed(place), _, _) => Some(place),
        (Form::Absent | Form::Wrong(_), Nic::Link(link), Some(prefix)) => Some(Place { link, prefix }),
        (Form::Absent | Form::Wrong(_), _, _) => None,
    }
}

/// Where an address belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Placement {
    At(Place),
    Nowhere(Why),
}

/// Where the address belongs by the networks that are directly connected: the narrowest one that contains it, then the
/// one with the lowest metric.
pub(crate) fn place_by_network(wanted: &Wanted, routes: &[OnLink]) -> Placement {
    let on_wanted_link = |route: &&OnLink| match wanted.nic {
        Nic::Any | Nic::Routed(None) => true,
        Nic::Link(link) | Nic::Routed(Some(link)) => route.link == link,
        Nic::Missing => false,
    };
    let best = routes
        .iter()
        .filter(on_wanted_link)
        // A route that a misplaced copy of the address made itself says nothing about where it belongs.
        .filter(|route| route.prefix > 0 && !made_by(wanted.ip, route))
        .filter(|route| contains(route.network, route.prefix, wanted.ip))
        .min_by_key(|route| (u8::MAX - route.prefix, route.metric));
    match best {
        Some(route) => Placement::At(Place {
            link: route.link,
            prefix: wanted.prefix.unwrap_or(route.prefix),
        }),
        None if wanted.nic == Nic::Missing => Placement::Nowhere(Why::NicMissing),
        None => Placement::Nowhere(Why::NoNetwork),
    }
}

/// IPv6 routes do not say which address made them, but an address' own host route can have no other maker.
fn made_by(ip: IpAddr, route: &OnLink) -> bool {
    route.source == Some(ip) || ip.is_ipv6() && route.network == ip
}

/// Where a copy that somebody else made may be when no interface is configured. `neighbours` tells whether its link has any.
pub(crate) fn routed(wanted: &Wanted, routes: &[OnLink], neighbours: bool) -> Nic {
    match place_by_network(wanted, routes) {
        Placement::At(place) => Nic::Routed(Some(place.link)),
        Placement::Nowhere(_) if neighbours => Nic::Any,
        Placement::Nowhere(_) => Nic::Routed(None),
    }
}

/// What start does. Copies in another place are removed afterwards: the address is served all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Starting {
    Refuse(Why),
    /// The address is where it belongs: only tell the neighbours.
    Announce,
    /// It is where it belongs, and the kernel still asks whether somebody else has it.
    Settle,
    /// It is where it belongs, and the kernel gave it up: take it away, and ask again.
    Renew,
    Add,
}

pub(crate) fn start(wanted: &Wanted, copies: &[Address], place: Place, link: &Link) -> Starting {
    match (
        unusable(link, wanted.check_link),
        settling(copies, |copy| place.holds(copy)),
    ) {
        (Some(why), _) => Starting::Refuse(why),
        (None, Settling::Usable) => Starting::Announce,
        (None, Settling::Hopeful | Settling::Waiting) => Starting::Settle,
        (None, Settling::Duplicate) => Starting::Renew,
        (None, Settling::Gone) => Starting::Add,
    }
}

/// An interface that an administrator switched off is never used, and never switched on: that may be intended.
fn unusable(link: &Link, check_link: bool) -> Option<Why> {
    match (link.up, link.carrier) {
        (false, _) => Some(Why::AdminDown(link.index)),
        (true, false) if check_link => Some(Why::NoCarrier(link.index)),
        (true, true) if check_link => link.unready.map(|word| Why::Unready(link.index, word)),
        (true, false | true) => None,
    }
}

/// How far an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Settling {
    Usable,
    /// Usable, but another owner may still answer.
    Hopeful,
    Waiting,
    Duplicate,
    /// It is not there: something took it away, or it was never added.
    Gone,
}

pub(crate) fn settling(copies: &[Address], which: impl Fn(&Address) -> bool) -> Settling {
    match copies.iter().find(|copy| which(copy)).map(|copy| copy.uniqueness) {
        None => Settling::Gone,
        Some(Uniqueness::Settled) => Settling::Usable,
        Some(Uniqueness::Optimistic) => Settling::Hopeful,
        Some(Uniqueness::Asking) => Settling::Waiting,
        Some(Uniqueness::Duplicate) => Settling::Duplicate,
    }
}

/// The other addresses that the kernel deletes together with this one when the link does not promote secondaries. IPv6
/// knows no such thing: there, the same flag marks temporary addresses.
pub(crate) fn dependents<'a>(victim: &Address, all: &'a [Address]) -> Vec<&'a Address> {
    if victim.secondary || victim.ip.is_ipv6() {
        return Vec::new();
    }
    all.iter()
        .filter(|other| other.secondary && other.link == victim.link && other.prefix == victim.prefix)
        .filter(|other| contains(victim.ip, victim.prefix, other.ip))
        .collect()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
