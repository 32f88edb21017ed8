//! Parameters as administrators write them, right and wrong.

use super::*;
use crate::floating_ip::params::PARAMS;
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
fn what_is_not_the_address_of_one_host_is_refused_as_a_parameter() {
    for ip in [
        "",
        "10.0.0",
        "10.0.0.100/24",
        "db.example",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "::",
        "::ffff:10.0.0.1",
        "2001:db8::1/64",
    ] {
        let error = config(&[("ip", ip)]).unwrap_err();
        assert!(
            matches!(&error, Error::Parameter { name, .. } if name == "ip"),
            "{ip}: {error}"
        );
    }
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
    let labelled = with("iflabel", "vip").unwrap();
    assert_eq!(labelled.label("eth0").unwrap().as_deref(), Some("eth0:vip"));
    assert!(labelled.label("enp0s31f6abcdef").is_err());
    let error = config(&[("ip", "10.0.0.1"), ("nic", "enp0s31f6"), ("iflabel", "database")]);
    assert!(error.unwrap_err().to_string().contains("enp0s31f6:database"));
}

#[test]
fn a_label_in_nic_is_understood_and_a_path_is_not() {
    let old = with("nic", "eth0:1").unwrap();
    assert_eq!(
        (old.nic.as_deref(), old.label("eth0").unwrap().as_deref()),
        (Some("eth0"), Some("eth0:1"))
    );
    let both = config(&[("ip", "10.0.0.1"), ("nic", "eth0:1"), ("iflabel", "vip")]).unwrap();
    assert_eq!(
        both.label("eth0").unwrap().as_deref(),
        Some("eth0:1"),
        "as IPaddr2 has it"
    );
    assert!(with("nic", ":1").is_err());
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
        ("arp_count", "1001"),
        ("arp_interval", "1"),
        ("arp_interval", "x"),
    ] {
        assert!(with(name, bad).is_err(), "{name}={bad}");
    }
}

fn with6(name: &str, value: &str) -> Result<Config> {
    config(&[("ip", "2001:db8::100"), (name, value)])
}

#[test]
fn an_ipv6_address_has_prefixes_of_its_own_and_no_broadcast_address_or_label() {
    assert_eq!(with6("cidr_netmask", "64").unwrap().prefix, Some(64));
    assert_eq!(with6("cidr_netmask", "128").unwrap().prefix, Some(128));
    for bad in ["0", "129", "255.255.255.0"] {
        assert!(
            with6("cidr_netmask", bad).unwrap_err().to_string().contains("1 to 128"),
            "{bad}"
        );
    }
    let config = with6("iflabel", "vip").unwrap();
    assert_eq!((config.broadcast(64), config.label("eth0").unwrap()), (None, None));
    assert!(with6("broadcast", "10.0.0.255").is_err());
}

#[test]
fn a_link_local_address_needs_its_interface() {
    assert!(
        config(&[("ip", "fe80::100")])
            .unwrap_err()
            .to_string()
            .contains("parameter nic")
    );
    config(&[("ip", "fe80::100"), ("nic", "eth0")]).unwrap();
}

#[test]
fn lifetimes_are_seconds_or_forever() {
    assert_eq!(with6("preferred_lft", "forever").unwrap().preferred, None);
    assert_eq!(with6("preferred_lft", "0").unwrap().preferred, Some(0));
    assert!(with6("preferred_lft", "never").is_err());
}

#[test]
fn those_to_be_told_in_person_are_words_and_addresses() {
    let some = with("announce_to", "gateway, 10.0.0.9 2001:db8::9").unwrap().directed;
    assert!(some.gateway && !some.neighbours);
    assert_eq!(
        some.hosts,
        ["10.0.0.9".parse::<IpAddr>().unwrap(), "2001:db8::9".parse().unwrap()]
    );
    assert!(with("announce_to", "neighbours").unwrap().directed.neighbours);
    assert!(
        with("announce_to", "everybody")
            .unwrap_err()
            .to_string()
            .contains("neighbours")
    );
}

#[test]
fn a_namespace_is_a_name() {
    let path = |name: &str| {
        let env = Env::of(&[("OCF_RESKEY_network_namespace", name)]);
        namespace(Params::new(&env, PARAMS, Strictness::RefuseAll))
    };
    assert_eq!(path("blue").unwrap(), Some(PathBuf::from("/run/netns/blue")));
    assert_eq!(path("").unwrap(), None);
    for bad in ["../mnt", "a/b", "..", "a b"] {
        assert!(path(bad).is_err() && with("network_namespace", bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_left_out_is_refused_by_name_with_a_reason() {
    for (name, value, reason) in [
        ("lvs_support", "true", "virtual server"),
        ("lvs_ipv6_addrlabel", "yes", "preferred_lft=0"),
        ("clusterip_hash", "sourceip", "multicast"),
        ("clusterip_firewall", "nft", "multicast"),
        ("unique_clone_address", "1", "multicast"),
        ("mac", "01:00:5e:00:00:01", "multicast"),
    ] {
        let error = with(name, value).unwrap_err().to_string();
        assert!(
            error.contains(&format!("parameter {name}=")) && error.contains(reason),
            "{error}"
        );
    }
    for (name, value) in [
        ("lvs_support", "false"),
        ("unique_clone_address", "no"),
        ("arp_sender", "iputils_arping"),
        ("send_arp_opts", "-A"),
        ("flush_routes", "true"),
        ("proto", "kernel"),
    ] {
        with(name, value).unwrap();
    }
}

#[test]
fn a_cloud_is_known_and_has_a_token() {
    let cloud = |pairs: &[(&str, &str)]| config(&[&[("ip", "10.0.0.1")], pairs].concat());
    assert_eq!(cloud(&[]).unwrap().cloud, None);
    assert_eq!(cloud(&[("provider", "local")]).unwrap().cloud, None);
    let token = ("token_file", "/etc/baton/token");
    for provider in ["digitalocean", "hetzner"] {
        let found = cloud(&[("provider", provider), token, ("server_id", "7")])
            .unwrap()
            .cloud
            .unwrap();
        assert_eq!((found.provider.as_str(), found.machine), (provider, Some(7)));
        let error = cloud(&[("provider", provider)]).unwrap_err().to_string();
        assert!(error.contains("parameter token_file"), "{error}");
    }
    let error = cloud(&[("provider", "ec2"), token]).unwrap_err().to_string();
    assert!(error.contains("local, digitalocean, hetzner"), "{error}");
    assert!(cloud(&[("provider", "hetzner"), ("token_file", "token")]).is_err());
}
