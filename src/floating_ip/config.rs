//! The parameters of the agent: one table, and what their texts mean.
//!
//! Invariant: no I/O here. Names and meanings are those of ocf:heartbeat:IPaddr2.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ocf::params::{Kind, Param, Params};

pub(crate) const PARAMS: &[Param] = &[
    Param::new("ip", Kind::Text, "").required(),
    Param::new("nic", Kind::Text, ""),
    Param::new("cidr_netmask", Kind::Text, "").alias("netmask"),
    Param::new("broadcast", Kind::Text, "+"),
    Param::new("iflabel", Kind::Text, ""),
    Param::new("arp_count", Kind::Integer, "6").reloadable(),
    Param::new("arp_interval", Kind::Integer, "").reloadable(),
    Param::new("check_link_status", Kind::Boolean, "true").reloadable(),
];

/// The longest name that the kernel accepts for an interface or a label.
const NAME_MAX: usize = 15;
const ARP_COUNT: std::ops::RangeInclusive<u64> = 1..=100;
const ARP_INTERVAL: std::ops::RangeInclusive<u64> = 10..=60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broadcast {
    /// All host bits set; none where the network has no room for one.
    Ones,
    /// All host bits clear.
    Zeros,
    Given(Ipv4Addr),
}

/// The parameters, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) ip: Ipv4Addr,
    pub(crate) nic: Option<String>,
    pub(crate) prefix: Option<u8>,
    broadcast: Broadcast,
    label: Option<String>,
    /// When to repeat the announcement, counted from the first one.
    pub(crate) repeats: Vec<Duration>,
    pub(crate) check_link: bool,
}

impl Config {
    pub(crate) fn from(params: Params<'_>) -> Result<Config> {
        params.check()?;
        let config = Config {
            ip: unicast(params)?,
            nic: params.text("nic").map(interface_name).transpose()?,
            prefix: params.text("cidr_netmask").map(prefix).transpose()?,
            broadcast: broadcast(params.text("broadcast").unwrap_or("+"))?,
            label: params.text("iflabel").map(str::to_owned),
            repeats: repeats(params)?,
            check_link: params.boolean("check_link_status")?,
        };
        if let Some(nic) = &config.nic {
            config.label(nic)?;
        }
        Ok(config)
    }

    /// The kernel's label of the address on this interface: `eth0:vip`.
    pub(crate) fn label(&self, interface: &str) -> Result<Option<String>> {
        let Some(label) = &self.label else { return Ok(None) };
        let whole = format!("{interface}:{label}");
        if whole.len() > NAME_MAX || label.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
            let allowed = format!("\"{whole}\" must have at most {NAME_MAX} characters, no blank and no slash");
            return Err(Error::parameter("iflabel", label, allowed));
        }
        Ok(Some(whole))
    }

    pub(crate) fn broadcast(&self, prefix: u8) -> Option<Ipv4Addr> {
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        match self.broadcast {
            Broadcast::Given(address) => Some(address),
            // A network of one or two addresses has no broadcast address (RFC 3021).
            Broadcast::Ones | Broadcast::Zeros if prefix >= 31 => None,
            Broadcast::Ones => Some(Ipv4Addr::from_bits(self.ip.to_bits() | hosts)),
            Broadcast::Zeros => Some(Ipv4Addr::from_bits(self.ip.to_bits() & !hosts)),
        }
    }
}

/// The address alone, of either family: all that stop and a probe need.
pub(crate) fn address(params: Params<'_>) -> Result<IpAddr> {
    let text = params.text("ip").unwrap_or("");
    text.parse().map_err(|_| {
        Error::parameter(
            "ip",
            text,
            "must be an IPv4 address such as 192.0.2.10, without a prefix",
        )
    })
}

fn unicast(params: Params<'_>) -> Result<Ipv4Addr> {
    let refused = |ip: IpAddr, why: &str| Err(Error::parameter("ip", &ip.to_string(), why));
    match address(params)? {
        IpAddr::V6(ip) => refused(
            ip.into(),
            "this version manages IPv4 addresses only; use ocf:heartbeat:IPaddr2",
        ),
        IpAddr::V4(ip) if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() => {
            refused(ip.into(), "must be the address of one host")
        }
        IpAddr::V4(ip) => Ok(ip),
    }
}

fn interface_name(name: &str) -> Result<String> {
    if name.contains(':') {
        return Err(Error::parameter(
            "nic",
            name,
            "must be an interface only; a label goes into iflabel",
        ));
    }
    // Alternative names may be longer than NAME_MAX, up to 127 characters.
    if name.len() > 127 || name.contains(|c: char| c == '/' || c.is_whitespace()) || name == "." || name == ".." {
        return Err(Error::parameter("nic", name, "must be the name of a network interface"));
    }
    Ok(name.to_owned())
}

/// A prefix length, or a netmask of the old form.
fn prefix(text: &str) -> Result<u8> {
    let from_mask = |mask: Ipv4Addr| {
        let bits = mask.to_bits();
        (bits.leading_ones() + bits.trailing_zeros() == u32::BITS || bits == u32::MAX).then(|| bits.leading_ones())
    };
    let length = match text.parse::<Ipv4Addr>() {
        Ok(mask) => from_mask(mask).and_then(|length| u8::try_from(length).ok()),
        Err(_) => text.parse().ok(),
    };
    length
        .filter(|length| (1..=32).contains(length))
        .ok_or_else(|| Error::parameter("cidr_netmask", text, "must be a prefix length from 1 to 32, such as 24"))
}

fn broadcast(text: &str) -> Result<Broadcast> {
    match text {
        "+" => Ok(Broadcast::Ones),
        "-" => Ok(Broadcast::Zeros),
        address => address
            .parse()
            .map(Broadcast::Given)
            .map_err(|_| Error::parameter("broadcast", text, "must be +, - or an IPv4 address")),
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

fn within(params: Params<'_>, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>> {
    match params.integer(name)? {
        Some(value) if !range.contains(&value) => {
            let allowed = format!("must be from {} to {}", range.start(), range.end());
            Err(Error::parameter(name, &value.to_string(), allowed))
        }
        given => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ocf::env::Env;
    use crate::ocf::params::Strictness;

    fn config(pairs: &[(&str, &str)]) -> Result<Config> {
        let pairs: Vec<(String, &str)> = pairs.iter().map(|(n, v)| (format!("OCF_RESKEY_{n}"), *v)).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        Config::from(Params::new(&Env::of(&pairs), PARAMS, Strictness::RefuseAll))
    }

    fn with(name: &str, value: &str) -> Result<Config> {
        config(&[("ip", "10.0.0.100"), (name, value)])
    }

    fn millis(config: &Config) -> Vec<u128> {
        config.repeats.iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn an_address_alone_is_a_configuration() {
        let config = config(&[("ip", "10.0.0.100")]).unwrap();
        assert_eq!(
            (config.nic.as_deref(), config.prefix, config.check_link),
            (None, None, true)
        );
        assert_eq!(millis(&config), [50, 200, 500, 1000, 2000]);
        assert_eq!(config.broadcast(24), Some(Ipv4Addr::new(10, 0, 0, 255)));
        assert_eq!(config.broadcast(32), None);
        assert_eq!(config.label("eth0").unwrap(), None);
    }

    #[test]
    fn what_is_not_the_address_of_one_ipv4_host_is_refused_as_a_parameter() {
        for ip in [
            "",
            "10.0.0",
            "10.0.0.100/24",
            "db.example",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "2001:db8::1",
        ] {
            let error = config(&[("ip", ip)]).unwrap_err();
            assert!(
                matches!(&error, Error::Parameter { name, .. } if name == "ip"),
                "{ip}: {error}"
            );
        }
        let error = config(&[("ip", "2001:db8::1")]).unwrap_err().to_string();
        assert!(error.contains("IPv4 addresses only"), "{error}");
    }

    #[test]
    fn a_prefix_is_a_number_or_an_old_netmask() {
        for (text, expected) in [
            ("24", 24),
            ("32", 32),
            ("255.255.255.0", 24),
            ("255.255.255.255", 32),
            ("128.0.0.0", 1),
        ] {
            assert_eq!(with("cidr_netmask", text).unwrap().prefix, Some(expected), "{text}");
        }
        assert_eq!(with("netmask", "25").unwrap().prefix, Some(25));
        for bad in ["0", "33", "-1", "255.0.255.0", "0.0.0.0", "/24"] {
            assert!(with("cidr_netmask", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_broadcast_address_is_given_or_computed() {
        assert_eq!(
            with("broadcast", "-").unwrap().broadcast(24),
            Some(Ipv4Addr::new(10, 0, 0, 0))
        );
        let given = with("broadcast", "10.0.0.200").unwrap();
        assert_eq!(given.broadcast(24), Some(Ipv4Addr::new(10, 0, 0, 200)));
        assert!(with("broadcast", "all").is_err());
    }

    #[test]
    fn a_label_fits_into_the_kernel_or_is_refused() {
        let config = with("iflabel", "vip").unwrap();
        assert_eq!(config.label("eth0").unwrap().as_deref(), Some("eth0:vip"));
        assert!(config.label("enp0s31f6abcdef").is_err());
        let error = super::tests::config(&[("ip", "10.0.0.1"), ("nic", "enp0s31f6"), ("iflabel", "database")]);
        assert!(error.unwrap_err().to_string().contains("enp0s31f6:database"));
    }

    #[test]
    fn a_label_in_nic_is_sent_to_iflabel() {
        assert!(with("nic", "eth0:1").unwrap_err().to_string().contains("iflabel"));
        assert!(with("nic", "../eth0").is_err());
        assert!(with("nic", "enx0123456789ab-a-long-alternative-name").is_ok());
    }

    #[test]
    fn announcements_are_counted_and_spaced_as_configured() {
        let both = config(&[("ip", "10.0.0.1"), ("arp_count", "3"), ("arp_interval", "200")]).unwrap();
        assert_eq!(millis(&both), [200, 400]);
        assert!(with("arp_count", "1").unwrap().repeats.is_empty());
        assert_eq!(
            millis(&with("arp_count", "8").unwrap()),
            [50, 200, 500, 1000, 2000, 3000, 4000]
        );
        for (name, bad) in [
            ("arp_count", "0"),
            ("arp_count", "101"),
            ("arp_interval", "1"),
            ("arp_interval", "x"),
        ] {
            assert!(with(name, bad).is_err(), "{name}={bad}");
        }
    }
}
