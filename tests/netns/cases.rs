//! What may go wrong with a floating address, as its users see it, numbered as in docs/comparison.md. Every case runs with
//! this agent, which must pass it, and with ocf:heartbeat:IPaddr2 of this machine, whose results are printed.

#[path = "cases/links.rs"]
mod links;
#[path = "cases/neighbours.rs"]
mod neighbours;
#[path = "cases/presence.rs"]
mod presence;

use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::lab::{Lan, Net, Run};
use crate::support;

const IPADDR2: &str = "/usr/lib/ocf/resource.d/heartbeat/IPaddr2";

/// Who manages the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    Baton,
    IpAddr2,
}

impl Agent {
    pub(crate) fn run(self, net: &Net, action: &str, parameters: &[(&str, &str)]) -> Run {
        match self {
            Agent::Baton => net.agent(action, parameters),
            Agent::IpAddr2 => net.act(ipaddr2(action), parameters),
        }
    }
}

/// IPaddr2 keeps the pids of its senders by address: a directory for each namespace would be too much to ask of it, so
/// cases with it run one at a time.
fn ipaddr2(action: &str) -> Command {
    static TEMPORARY: OnceLock<TempDir> = OnceLock::new();
    support::program("gawk", "gawk");
    let temporary = TEMPORARY.get_or_init(support::scratch);
    let mut command = Command::new(IPADDR2);
    command
        .arg(action)
        .env("OCF_ROOT", "/usr/lib/ocf")
        .env("OCF_RESOURCE_INSTANCE", "address")
        .env("HA_RSCTMP", temporary.path());
    command
}

/// Why a case is not passed, in the words of somebody who sees it.
type Seen = Result<(), String>;

/// Ends a case that is not as it must be.
macro_rules! demand {
    ($holds:expr, $($otherwise:tt)*) => {
        if !$holds {
            return Err(format!($($otherwise)*));
        }
    };
}
pub(crate) use demand;

struct Case {
    number: u8,
    /// What must hold.
    promise: &'static str,
    play: fn(Agent, &Lan) -> Seen,
}

const CASES: [Case; 24] = [
    Case {
        number: 1,
        promise: "no announcement leaves after stop has returned",
        play: neighbours::silence_after_stop,
    },
    Case {
        number: 2,
        promise: "an address with another prefix is found and removed",
        play: presence::another_prefix,
    },
    Case {
        number: 3,
        promise: "an address on another interface is found and removed",
        play: presence::another_interface,
    },
    Case {
        number: 4,
        promise: "an address on a renamed interface is found and removed",
        play: presence::renamed_interface,
    },
    Case {
        number: 5,
        promise: "stop does not succeed while the address is here",
        play: presence::stop_without_a_network,
    },
    Case {
        number: 6,
        promise: "stop keeps the other addresses of the network",
        play: presence::other_addresses,
    },
    Case {
        number: 7,
        promise: "an address that could not be announced is not reported as started",
        play: neighbours::unannounced,
    },
    Case {
        number: 8,
        promise: "an interface that an administrator switched off stays off",
        play: links::switched_off,
    },
    Case {
        number: 9,
        promise: "without carrier nothing is started and nothing left behind",
        play: links::no_carrier,
    },
    Case {
        number: 10,
        promise: "an IPv6 address that another host answers for is refused, and taken once it is free",
        play: neighbours::ipv6_in_use,
    },
    Case {
        number: 11,
        promise: "start returns when the IPv6 address is usable and announced, not seconds later",
        play: neighbours::ipv6_usable,
    },
    Case {
        number: 12,
        promise: "a virtual server's address on lo is refused by name",
        play: presence::virtual_server,
    },
    Case {
        number: 13,
        promise: "an address that is here already is announced again",
        play: neighbours::announced_again,
    },
    Case {
        number: 14,
        promise: "each announcement is an ARP request and an ARP reply",
        play: neighbours::both_forms,
    },
    Case {
        number: 15,
        promise: "a router that ignores broadcasts is told in person",
        play: neighbours::told_in_person,
    },
    Case {
        number: 16,
        promise: "load sharing is refused by name",
        play: presence::load_sharing,
    },
    Case {
        number: 17,
        promise: "a label that is too long is refused",
        play: presence::long_label,
    },
    Case {
        number: 18,
        promise: "another host that claims the address is reported",
        play: neighbours::claimed_by_another,
    },
    Case {
        number: 19,
        promise: "start and stop may be repeated",
        play: presence::repeated,
    },
    Case {
        number: 20,
        promise: "a client's connection fails at once when the address is stopped",
        play: neighbours::connections_reset,
    },
    Case {
        number: 21,
        promise: "neighbours follow an IPv4 address to another node at once",
        play: neighbours::followed,
    },
    Case {
        number: 22,
        promise: "neighbours follow an IPv6 address to another node at once",
        play: neighbours::followed6,
    },
    Case {
        number: 23,
        promise: "an IPv4 address that is in use is refused within a second",
        play: neighbours::ipv4_in_use,
    },
    Case {
        number: 24,
        promise: "a lost carrier is reported, and its return",
        play: links::carrier_lost,
    },
];

#[test]
fn every_case_is_passed() {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = CASES
            .iter()
            .map(|case| (case, scope.spawn(|| (case.play)(Agent::Baton, &Lan::new()))))
            .collect();
        running
            .into_iter()
            .filter_map(|(case, thread)| {
                let seen = thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
                seen.err().map(|why| format!("{} {}: {why}", case.number, case.promise))
            })
            .collect()
    });
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// For docs/comparison.md. Only that IPaddr2 runs here at all is demanded.
#[test]
fn the_same_cases_with_ipaddr2() {
    let mut results = Vec::new();
    for case in &CASES {
        // Another version of it may not even get as far as this one.
        let play = || (case.play)(Agent::IpAddr2, &Lan::new());
        let seen = std::thread::scope(|scope| scope.spawn(play).join());
        let seen = seen.unwrap_or_else(|_| Err("it did not get that far".to_owned()));
        let text = seen.as_ref().err().map_or("", String::as_str);
        println!(
            "{:>2}  {:<5}{:<80}{text}",
            case.number,
            if seen.is_ok() { "yes" } else { "no" },
            case.promise
        );
        results.push((case.number, seen));
    }
    let passed = |number| results.iter().any(|(found, seen)| *found == number && seen.is_ok());
    assert!(
        passed(17) && passed(19) && passed(21),
        "IPaddr2 does not run: {results:#?}"
    );
}
