//! Where the address is, and that it is gone.

use super::{Agent, Seen, demand};
use crate::lab::Lan;
use crate::{IP, ONCE, RECURRING, VIP};

/// The address is here in another form: monitor must not say "not running", and stop must take it away.
fn found_and_removed(agent: Agent, lan: &Lan, parameters: &[(&str, &str)]) -> Seen {
    let monitor = agent.run(&lan.a, "monitor", &[parameters, &[RECURRING]].concat());
    let stop = agent.run(&lan.a, "stop", parameters);
    let left = lan.a.copies(VIP);
    demand!(
        stop.code != 0 || left.is_empty(),
        "stop says success, and the address is still there: {left:?}"
    );
    demand!(left.is_empty(), "stop fails with {}: {left:?}", stop.code);
    demand!(
        monitor.code != 7,
        "monitor says \"not running\" of an address that answers"
    );
    Ok(())
}

pub(super) fn another_prefix(agent: Agent, lan: &Lan) -> Seen {
    lan.a.ip("addr add 10.0.0.100/32 dev eth0");
    found_and_removed(agent, lan, &[IP, ("cidr_netmask", "24")])
}

pub(super) fn another_interface(agent: Agent, lan: &Lan) -> Seen {
    lan.a.ip("link add other type veth peer name other-end");
    lan.a.shell("ip link set other-end up && ip link set other up");
    lan.a.ip("addr add 10.0.0.100/24 dev other");
    found_and_removed(agent, lan, &[IP, ("nic", "eth0"), ("cidr_netmask", "24")])
}

pub(super) fn renamed_interface(agent: Agent, lan: &Lan) -> Seen {
    let parameters = [IP, ("nic", "eth0"), ("cidr_netmask", "24")];
    agent.run(&lan.a, "start", &parameters).ends_with(0);
    lan.a
        .shell("ip link set eth0 down && ip link set eth0 name wan0 && ip link set wan0 up");
    found_and_removed(agent, lan, &parameters)
}

pub(super) fn stop_without_a_network(agent: Agent, lan: &Lan) -> Seen {
    agent.run(&lan.a, "start", &[IP, ONCE]).ends_with(0);
    lan.a
        .shell("ip addr del 10.0.0.1/24 dev eth0; ip route flush table main");
    let stop = agent.run(&lan.a, "stop", &[IP]);
    let left = lan.a.copies(VIP);
    demand!(
        stop.code != 0 || left.is_empty(),
        "stop says success, and the address is still there: {left:?}"
    );
    demand!(stop.code == 0, "stop fails with {}", stop.code);
    Ok(())
}

pub(super) fn other_addresses(agent: Agent, lan: &Lan) -> Seen {
    lan.a.shell("echo 0 > /proc/sys/net/ipv4/conf/all/promote_secondaries");
    lan.a.shell("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
    lan.a.ip("addr flush dev eth0 scope global");
    for ip in [VIP, "10.0.0.101"] {
        lan.a.ip(&format!("addr add {ip}/24 brd + dev eth0"));
    }
    let parameters = [IP, ("nic", "eth0"), ("cidr_netmask", "24")];
    agent.run(&lan.a, "stop", &parameters).ends_with(0);
    demand!(!lan.a.copies("10.0.0.101").is_empty(), "another address went along");
    Ok(())
}

/// Refused by start and validation, with the parameter in the reason.
fn refused(agent: Agent, lan: &Lan, parameter: (&str, &str)) -> Seen {
    for action in ["validate-all", "start"] {
        let run = agent.run(&lan.a, action, &[IP, parameter]);
        demand!(run.code == 6, "{action} with {parameter:?} ends with {}", run.code);
        demand!(
            run.stderr.contains(parameter.0),
            "{action} does not name {}",
            parameter.0
        );
    }
    demand!(lan.a.copies(VIP).is_empty(), "the address was added");
    Ok(())
}

pub(super) fn virtual_server(agent: Agent, lan: &Lan) -> Seen {
    refused(agent, lan, ("lvs_support", "true"))
}

pub(super) fn load_sharing(agent: Agent, lan: &Lan) -> Seen {
    refused(agent, lan, ("unique_clone_address", "true"))?;
    refused(agent, lan, ("clusterip_hash", "sourceip-sourceport"))?;
    let run = agent.run(&lan.a, "start", &[IP, ("CRM_meta_clone_max", "2")]);
    demand!(run.code == 6, "a clone of two is started");
    Ok(())
}

pub(super) fn long_label(agent: Agent, lan: &Lan) -> Seen {
    let label = ("iflabel", "much-too-long-for-it");
    let run = agent.run(&lan.a, "start", &[IP, ("nic", "eth0"), ("cidr_netmask", "24"), label]);
    demand!(run.code != 0 && lan.a.copies(VIP).is_empty(), "it was started");
    Ok(())
}

pub(super) fn repeated(agent: Agent, lan: &Lan) -> Seen {
    for action in ["start", "start", "stop", "stop"] {
        let run = agent.run(&lan.a, action, &[IP, ONCE]);
        demand!(
            run.code == 0,
            "a repeated {action} ends with {}: {}",
            run.code,
            run.stderr
        );
        let expected: &[&str] = if action == "start" { &["eth0 24"] } else { &[] };
        demand!(lan.a.copies(VIP) == expected, "after {action}: {:?}", lan.a.copies(VIP));
    }
    Ok(())
}
