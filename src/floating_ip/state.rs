//! What a node's network looks like to this agent: plain data, read by [`super::route`], judged by [`super::decide`].
//!
//! Invariant: no I/O here.

use std::net::IpAddr;

/// One copy of an address. The kernel allows the same address on several links, and on one link with several prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: u8,
    /// Index of the link that carries it.
    pub(crate) link: u32,
    /// The kernel hangs it on another address of the same network and link, and drops it together with that one.
    pub(crate) secondary: bool,
    /// It carries this agent's tag (IFA_PROTO, Linux 5.18).
    pub(crate) ours: bool,
    pub(crate) uniqueness: Uniqueness,
}

/// What the kernel knows of other owners of an IPv6 address. IPv4 addresses are settled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uniqueness {
    Settled,
    /// In use already, while the kernel still asks.
    Optimistic,
    /// Not in use before the kernel has asked.
    Asking,
    /// Somebody else answered: the kernel does not use the address.
    Duplicate,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// The hardware address of a link that finds its neighbours by ARP or NDP over Ethernet; none for loopback, tunnels and the like.
    pub(crate) ethernet: Option<[u8; 6]>,
    /// Its neighbours are told by messages of another kind, which baton does not speak.
    pub(crate) infiniband: bool,
    /// Administratively up.
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    /// What keeps a link with a carrier from passing traffic, in the kernel's word: "dormant", "lower layer down".
    pub(crate) unready: Option<&'static str>,
}

/// Somebody on a link whose hardware address the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) ip: IpAddr,
    pub(crate) hardware: [u8; 6],
}

/// A route to a network that is directly on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnLink {
    pub(crate) network: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) link: u32,
    pub(crate) metric: u32,
    /// The address that gave rise to the route.
    pub(crate) source: Option<IpAddr>,
}

/// Whether `ip` belongs to the network of `network` and `prefix`.
pub(crate) fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let differing = network.to_bits() ^ ip.to_bits();
            differing.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let differing = network.to_bits() ^ ip.to_bits();
            differing.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_share_its_prefix() {
        let holds = |network: &str, prefix, ip: &str| contains(network.parse().unwrap(), prefix, ip.parse().unwrap());
        assert!(holds("10.0.0.0", 24, "10.0.0.255"));
        assert!(!holds("10.0.0.0", 24, "10.0.1.0"));
        assert!(holds("10.0.0.7", 32, "10.0.0.7"));
        assert!(!holds("10.0.0.7", 32, "10.0.0.6"));
        assert!(holds("0.0.0.0", 0, "192.0.2.1"));
        assert!(holds("2001:db8::", 64, "2001:db8::1"));
        assert!(!holds("2001:db8::", 64, "10.0.0.1"));
    }
}
