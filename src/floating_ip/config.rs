//! What the texts of the parameters mean.
//!
//! Invariant: no I/O here.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::params::refuse_left_out;
use super::provider::{self, Settings};
use crate::error::{Error, Result};
use crate::ocf::params::Params;

/// The longest name that the kernel accepts for an interface or a label.
const NAME_MAX: usize = 15;
const ARP_COUNT: RangeInclusive<u64> = 1..=1_000;
const ARP_INTERVAL: RangeInclusive<u64> = 10..=3_600_000;
const REFRESH: RangeInclusive<u64> = 0..=10;
/// The provider of an address that is announced to neighbours.
const LOCAL: &str = "local";
/// Where `ip netns` keeps the namespaces that have names.
const NAMESPACES: &str = "/run/netns";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broadcast {
    /// All host bits set; none where the network has no room for one.
    Ones,
    /// All host bits clear.
    Zeros,
    Given(Ipv4Addr),
}

/// Who is told of the address in person, besides everybody at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directed {
    pub(crate) gateway: bool,
    /// Those whom this node talked to lately.
    pub(crate) neighbours: bool,
    pub(crate) hosts: Vec<IpAddr>,
    /// As it was written.
    pub(crate) text: String,
}

/// Who resets the connections to an address that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    /// The kernel; packets of our own where it cannot.
    Kernel,
    Packets,
    No,
}

/// What a stop does about clients; it asks for it also when other parameters are wrong.
pub(crate) fn reset(params: Params<'_>) -> Reset {
    match params.text("reset_connections") {
        Some("packets") => Reset::Packets,
        Some("no") => Reset::No,
        Some(_) | None => Reset::Kernel,
    }
}

/// The parameters, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) ip: IpAddr,
    pub(crate) nic: Option<String>,
    pub(crate) prefix: Option<u8>,
    broadcast: Broadcast,
    label: Option<String>,
    /// When to repeat the announcement, counted from the first one.
    pub(crate) repeats: Vec<Duration>,
    /// Whether start returns before the repetitions.
    pub(crate) background: bool,
    /// Announcements at each monitor.
    pub(crate) refresh: u64,
    pub(crate) directed: Directed,
    pub(crate) check_link: bool,
    /// Whether to ask the network for another owner before the address is added.
    pub(crate) probe: bool,
    /// IPv6: without duplicate address detection.
    pub(crate) nodad: bool,
    pub(crate) noprefixroute: bool,
    /// The cloud that routes the address; none on a local network.
    pub(crate) cloud: Option<Settings>,
    /// Whether nobody is told: a cloud's network knows where the address is.
    pub(crate) silent: bool,
    /// Seconds for which the address may be the source of new connections; none for ever.
    pub(crate) preferred: Option<u32>,
}

impl Config {
    pub(crate) fn from(params: Params<'_>) -> Result<Config> {
        params.check()?;
        refuse_left_out(params)?;
        let ip = unicast(params)?;
        let nic = params.text("nic").map(interface_name).transpose()?;
        let (nic, label_in_nic) = nic.map_or((None, None), |(nic, label)| (Some(nic), label));
        let config = Config {
            ip,
            nic,
            prefix: params.text("cidr_netmask").map(|text| prefix(ip, text)).transpose()?,
            broadcast: broadcast(ip, params.text("broadcast").unwrap_or("+"))?,
            label: label_in_nic.or(params.text("iflabel").map(str::to_owned)),
            repeats: repeats(params)?,
            background: params.boolean("arp_bg")?,
            refresh: within(params, "arp_count_refresh", REFRESH)?.unwrap_or(0),
            directed: directed(params.text("announce_to").unwrap_or(""))?,
            check_link: params.boolean("check_link_status")?,
            probe: params.boolean("run_arping")?,
            nodad: params.boolean("nodad")?,
            noprefixroute: params.boolean("noprefixroute")?,
            cloud: cloud(params)?,
            silent: false,
            preferred: params.text("preferred_lft").map(preferred).transpose()?.flatten(),
        };
        namespace(params)?;
        if let Some(nic) = &config.nic {
            config.label(nic)?;
        }
        if config.is_link_local() && config.nic.is_none() {
            let allowed = "is needed for a link-local address: every interface has that network";
            return Err(Error::parameter("nic", "", allowed));
        }
        Ok(config)
    }

    fn is_link_local(&self) -> bool {
        match self.ip {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        }
    }

    /// The kernel's label of the address on this interface: `eth0:vip`. IPv6 addresses have none.
    pub(crate) fn label(&self, interface: &str) -> Result<Option<String>> {
        let Some(label) = self.label.as_ref().filter(|_| self.ip.is_ipv4()) else {
            return Ok(None);
        };
        let whole = format!("{interface}:{label}");
        if whole.len() > NAME_MAX || label.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
            let allowed = format!("\"{whole}\" must have at most {NAME_MAX} characters, no blank and no slash");
            return Err(Error::parameter("iflabel", label, allowed));
        }
        Ok(Some(whole))
    }

    pub(crate) fn broadcast(&self, prefix: u8) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.ip else { return None };
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        match self.broadcast {
            Broadcast::Given(address) => Some(address),
            // A network of one or two addresses has no broadcast address (RFC 3021).
            Broadcast::Ones | Broadcast::Zeros if prefix >= 31 => None,
            Broadcast::Ones => Some(Ipv4Addr::from_bits(ip.to_bits() | hosts)),
            Broadcast::Zeros => Some(Ipv4Addr::from_bits(ip.to_bits() & !hosts)),
        }
    }
}

/// The address alone, of either family: all that stop and a probe need.
pub(crate) fn address(params: Params<'_>) -> Result<IpAddr> {
    let text = params.text("ip").unwrap_or("");
    text.parse().map_err(|_| {
        let allowed = "must be an IPv4 or IPv6 address such as 192.0.2.10 or 2001:db8::10, without a prefix";
        Error::parameter("ip", text, allowed)
    })
}

/// The file of the network namespace that the address lives in; none for the one that this program runs in.
pub(crate) fn namespace(params: Params<'_>) -> Result<Option<PathBuf>> {
    let Some(name) = params.text("network_namespace") else {
        return Ok(None);
    };
    let fine = !name.contains(|c: char| c == '/' || c.is_whitespace()) && name != "." && name != "..";
    let path = fine.then(|| Path::new(NAMESPACES).join(name));
    path.map(Some)
        .ok_or_else(|| Error::parameter("network_namespace", name, "must be a name that `ip netns` lists"))
}

/// What only an address of a cloud needs.
fn cloud(params: Params<'_>) -> Result<Option<Settings>> {
    let provider = params.text("provider").unwrap_or(LOCAL);
    if provider == LOCAL {
        return Ok(None);
    }
    let known = provider::names();
    if !known.contains(&provider) {
        let allowed = format!("must be one of: {LOCAL}, {}", known.join(", "));
        return Err(Error::parameter("provider", provider, allowed));
    }
    if params.text("token_file").is_none() {
        let allowed = format!("must name a file with a token for the API of {provider}, readable by root only");
        return Err(Error::parameter("token_file", "", allowed));
    }
    Ok(Some(Settings {
        provider: provider.to_owned(),
        token_file: params.text("token_file").map(PathBuf::from),
        api_url: params.text("api_url").map(str::to_owned),
        metadata_url: params.text("metadata_url").map(str::to_owned),
        authorities: params.text("ssl_cacert").map(PathBuf::from),
        machine: params.integer("server_id")?,
    }))
}

fn unicast(params: Params<'_>) -> Result<IpAddr> {
    let ip = address(params)?;
    let nobody = match ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast() || ip.to_ipv4_mapped().is_some(),
    };
    if nobody {
        return Err(Error::parameter(
            "ip",
            &ip.to_string(),
            "must be the address of one host",
        ));
    }
    Ok(ip)
}

/// An interface, and the label behind a colon that older configurations have there.
fn interface_name(text: &str) -> Result<(String, Option<String>)> {
    let (name, label) = match text.split_once(':') {
        Some((name, label)) => (name, Some(label.to_owned())),
        None => (text, None),
    };
    // Alternative names may be longer than NAME_MAX, up to 127 characters.
    let strange = |c: char| c == '/' || c.is_whitespace();
    if name.is_empty() || name.len() > 127 || name.contains(strange) || name == "." || name == ".." {
        return Err(Error::parameter("nic", text, "must be the name of a network interface"));
    }
    Ok((name.to_owned(), label))
}

/// A prefix length, or a netmask of the old form.
fn prefix(ip: IpAddr, text: &str) -> Result<u8> {
    let from_mask = |mask: Ipv4Addr| {
        let bits = mask.to_bits();
        (bits.leading_ones() + bits.trailing_zeros() == u32::BITS || bits == u32::MAX).then(|| bits.leading_ones())
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let length = match text.parse::<Ipv4Addr>() {
        Ok(mask) if ip.is_ipv4() => from_mask(mask).and_then(|length| u8::try_from(length).ok()),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    };
    length.filter(|length| (1..=longest).contains(length)).ok_or_else(|| {
        let allowed = format!("must be a prefix length from 1 to {longest}");
        Error::parameter("cidr_netmask", text, allowed)
    })
}

fn broadcast(ip: IpAddr, text: &str) -> Result<Broadcast> {
    let refused = |allowed| Err(Error::parameter("broadcast", text, allowed));
    match (text, text.parse()) {
        ("+", _) => Ok(Broadcast::Ones),
        ("-", _) => Ok(Broadcast::Zeros),
        (_, Ok(_)) if ip.is_ipv6() => refused("must not be set: IPv6 has no broadcast addresses"),
        (_, Ok(address)) => Ok(Broadcast::Given(address)),
        (_, Err(_)) => refused("must be +, - or an IPv4 address"),
    }
}

pub(crate) fn directed(text: &str) -> Result<Directed> {
    let mut directed = Directed {
        text: text.to_owned(),
        ..Directed::default()
    };
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word {
            "gateway" => directed.gateway = true,
            "neighbours" => directed.neighbours = true,
            host => directed.hosts.push(host.parse().map_err(|_| {
                let allowed = "must be a list of gateway, neighbours and addresses of hosts";
                Error::parameter("announce_to", text, allowed)
            })?),
        }
    }
    Ok(directed)
}

fn preferred(text: &str) -> Result<Option<u32>> {
    match (text, text.parse()) {
        ("forever", _) => Ok(None),
        (_, Ok(seconds)) => Ok(Some(seconds)),
        (_, Err(_)) => Err(Error::parameter(
            "preferred_lft",
            text,
            "must be a number of seconds, or forever",
        )),
    }
}

/// The first repeats follow quickly, because a switch may still learn the port; the last ones catch slow neighbours.
fn repeats(params: Params<'_>) -> Result<Vec<Duration>> {
    const FIRST: [u64; 4] = [50, 200, 500, 1000];
    let count = within(params, "arp_count", ARP_COUNT)?.unwrap_or(1);
    let interval = within(params, "arp_interval", ARP_INTERVAL)?;
    Ok((1..count)
        .map(|n| match interval {
            Some(interval) => n * interval,
            None => usize::try_from(n)
                .ok()
                .and_then(|n| FIRST.get(n - 1).copied())
                .unwrap_or(n.saturating_sub(3) * 1000),
        })
        .map(Duration::from_millis)
        .collect())
}

fn within(params: Params<'_>, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    match params.integer(name)? {
        Some(value) if !range.contains(&value) => {
            let allowed = format!("must be from {} to {}", range.start(), range.end());
            Err(Error::parameter(name, &value.to_string(), allowed))
        }
        given => Ok(given),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
