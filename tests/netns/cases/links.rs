//! Interfaces in a bad state.

use super::{Agent, Seen, demand};
use crate::lab::{Lan, until};
use crate::{IP, ONCE, RECURRING, VIP};

const ON_ETH0: [(&str, &str); 3] = [IP, ("nic", "eth0"), ("cidr_netmask", "24")];

fn ports(lan: &Lan, state: &str) {
    for port in ["to-a", "to-b"] {
        lan.client.ip(&format!("link set {port} {state}"));
    }
    until("the change of the carrier", || {
        let has_carrier = lan.a.ip("link show eth0").contains("LOWER_UP");
        (has_carrier == (state == "up")).then_some(())
    });
}

pub(super) fn switched_off(agent: Agent, lan: &Lan) -> Seen {
    lan.a.ip("link set eth0 down");
    let run = agent.run(&lan.a, "start", &ON_ETH0);
    demand!(
        !lan.a.ip("link show eth0").contains(",UP"),
        "start switched the interface on"
    );
    demand!(run.code != 0, "start says success");
    Ok(())
}

pub(super) fn no_carrier(agent: Agent, lan: &Lan) -> Seen {
    ports(lan, "down");
    let run = agent.run(&lan.a, "start", &ON_ETH0);
    demand!(run.code != 0, "start says success, and nobody can reach the address");
    demand!(lan.a.copies(VIP).is_empty(), "start failed and left the address behind");
    Ok(())
}

pub(super) fn carrier_lost(agent: Agent, lan: &Lan) -> Seen {
    agent.run(&lan.a, "start", &[IP, ONCE]).ends_with(0);
    ports(lan, "down");
    let lost = agent.run(&lan.a, "monitor", &[IP, RECURRING]);
    demand!(lost.code != 0, "monitor says that all is well");
    ports(lan, "up");
    let back = agent.run(&lan.a, "monitor", &[IP, RECURRING]);
    demand!(back.code == 0, "with the carrier back, monitor ends with {}", back.code);
    Ok(())
}
