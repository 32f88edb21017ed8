//! The same sequences with fence_baton and with the agents of fence-agents, one after the other on the same devices: what
//! they say, how long they take, and what they cost. Prints the table of docs/comparison.md.
//!
//! Needs fence-agents (tests/setup bench), and a release build for the numbers: `make bench`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test's helpers may panic, and start programs, as the test itself may"
)]

#[allow(dead_code, reason = "shared with tests/fence.rs")]
#[path = "fence/board.rs"]
mod board;
#[allow(dead_code, reason = "shared with tests/fence.rs")]
#[path = "fence/emulator.rs"]
mod emulator;
#[allow(dead_code, reason = "shared with tests/fence.rs")]
#[path = "fence/harness.rs"]
mod harness;
#[allow(dead_code, reason = "shared with tests/fence.rs")]
#[path = "fence/pdu.rs"]
mod pdu;
mod support;
#[allow(dead_code, reason = "shared with tests/fence.rs")]
#[path = "fence/tls.rs"]
mod tls;

use std::process::Command;
use std::time::Duration;

use board::{Board, reply};
use emulator::{Emulator, NODES, certificate};
use harness::Container;
use pdu::{Agent, RPDU};
use support::{BINARY, Ended, program, run, scratch, write};

/// How often each is measured; the medians count.
const RUNS: usize = 5;
/// Whoever takes longer would be killed by Pacemaker at some time, and the fencing be called failed.
const KILLED_AFTER: &str = "20";
const AT_LEAST_CHEAPER: f64 = 10.0;

/// A program and what it reads from stdin, as Pacemaker would run it.
struct Agents {
    ours: String,
    theirs: (&'static str, String),
}

struct Measured {
    codes: Vec<i32>,
    wall: Duration,
    cpu: Duration,
}

impl Measured {
    fn of(mut ended: Vec<Ended>) -> Measured {
        let codes = ended.iter().map(|ended| ended.code).collect();
        ended.sort_by_key(|ended| ended.took);
        let wall = ended[ended.len() / 2].took;
        ended.sort_by_key(|ended| ended.cpu);
        let cpu = ended[ended.len() / 2].cpu;
        Measured { codes, wall, cpu }
    }

    fn code(&self) -> String {
        let mut codes = self.codes.clone();
        codes.dedup();
        let words = codes.iter().map(|code| match code {
            -1 | 137 => format!("killed after {KILLED_AFTER} s"),
            code => code.to_string(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}

fn ask(name: &str, lines: &str) -> Ended {
    let directory = scratch();
    let agent = match name {
        "fence_baton" => {
            let link = directory.path().join(name);
            std::os::unix::fs::symlink(BINARY, &link).unwrap();
            link
        }
        other => program(other, "fence-agents: tests/setup bench"),
    };
    let stdin = directory.path().join("stdin");
    write(&stdin, lines, 0o600);
    let mut command = Command::new("timeout");
    command
        .args(["--signal", "KILL", KILLED_AFTER])
        .arg(agent)
        .stdin(std::fs::File::open(&stdin).unwrap());
    command.env("PCMK_service", "pacemaker-fenced");
    run(command)
}

/// Runs both after `prepare`, prints a row, and demands the exit code of ours. Returns both CPU times.
fn compare(title: &str, agents: &Agents, expected: i32, runs: usize, prepare: impl Fn()) -> (Duration, Duration) {
    let measure = |name: &str, lines: &str| {
        let once = |_| {
            prepare();
            ask(name, lines)
        };
        Measured::of((0..runs).map(once).collect())
    };
    let ours = measure("fence_baton", &agents.ours);
    let (name, lines) = &agents.theirs;
    let theirs = measure(name, lines);
    let ratio = theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64();
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    eprintln!(
        "| {title} | {} | {}, {} CPU | {name}: {} | {}, {} CPU | {ratio:.0} |",
        ours.code(),
        ms(ours.wall),
        ms(ours.cpu),
        theirs.code(),
        ms(theirs.wall),
        ms(theirs.cpu)
    );
    assert!(
        ours.codes.iter().all(|code| *code == expected),
        "{title}: {:?}",
        ours.codes
    );
    (ours.cpu, theirs.cpu)
}

/// The numbers of all rows in which both do the same work.
#[derive(Default)]
struct Cost(Duration, Duration);

impl Cost {
    fn add(&mut self, (ours, theirs): (Duration, Duration)) {
        self.0 += ours;
        self.1 += theirs;
    }
}

#[test]
fn fence_baton_says_what_is_true_and_costs_a_tenth() {
    eprintln!("| what | fence_baton | | fence-agents | | times the CPU |\n|---|---|---|---|---|---|");
    let mut cost = Cost::default();
    for name in ["fence_docker", "fence_redfish", "fence_apc_snmp"] {
        let metadata = || "action=metadata\n".to_owned();
        let agents = Agents {
            ours: metadata(),
            theirs: (name, metadata()),
        };
        cost.add(compare("metadata", &agents, 0, RUNS, || ()));
    }
    containers(&mut cost);
    boards(&mut cost);
    outlets(&mut cost);
    let ratio = cost.1.as_secs_f64() / cost.0.as_secs_f64();
    eprintln!("all rows: {:?} CPU against {:?}, {ratio:.0} times", cost.0, cost.1);
    assert!(ratio >= AT_LEAST_CHEAPER, "{ratio:.1}");
}

fn containers(cost: &mut Cost) {
    let node = Container::run(&[]);
    // fence_docker knows neither a socket nor an engine without TLS.
    let port = tls::engine();
    let keys = ["tlscacert", "tlscert", "tlskey"]
        .into_iter()
        .zip(["ca.pem", "client.pem", "client.key"]);
    let keys: String = keys
        .map(|(name, file)| format!("{name}={}\n", certificate(file)))
        .collect();
    let at = format!("ip=localhost\nipport={port}\n{keys}");
    let pair = |action: &str, plug: &str, more: &str| Agents {
        ours: format!("action={action}\nbackend=docker\nplug={plug}\npower_timeout=10\n{at}"),
        theirs: ("fence_docker", format!("action={action}\nplug={plug}\n{at}{more}\n")),
    };
    let running = || drop(harness::docker(&["start", &node.0], Vec::new()));
    compare("docker: off, default options", &pair("off", &node.0, ""), 0, 1, running);
    let version = "api_version=1.41";
    cost.add(compare(
        "docker: status",
        &pair("status", &node.0, version),
        0,
        RUNS,
        running,
    ));
    cost.add(compare("docker: off", &pair("off", &node.0, version), 0, RUNS, running));
    cost.add(compare(
        "docker: reboot",
        &pair("reboot", &node.0, version),
        0,
        RUNS,
        running,
    ));
    compare(
        "docker: off of an unknown container",
        &pair("off", "nobody", version),
        1,
        1,
        running,
    );
}

fn boards(cost: &mut Cost) {
    let emulator = Emulator::start("");
    let path = format!("/redfish/v1/Systems/{}", NODES[0]);
    let pair = |action: &str, port: u16| {
        let common =
            format!("action={action}\nip=localhost\nipport={port}\nsystems_uri={path}\nusername=a\npassword=b\n");
        Agents {
            ours: format!(
                "{common}backend=redfish\nplug={}\npower_timeout=18\nssl_insecure=1\n",
                NODES[0]
            ),
            theirs: ("fence_redfish", format!("{common}plug=1\nssl_insecure=1\n")),
        }
    };
    let on = || {
        let ended = emulator.ask("on", NODES[0], "power_timeout=40");
        assert_eq!(ended.code(), 0);
    };
    cost.add(compare(
        "Redfish: status",
        &pair("status", emulator.port),
        0,
        RUNS,
        || (),
    ));
    cost.add(compare(
        "Redfish: off, done by the board after 1 to 11 s",
        &pair("off", emulator.port),
        0,
        3,
        on,
    ));
    let stays_off = || {
        Board::secure(|_, before| {
            let state = if before < 3 { "On" } else { "Off" };
            reply(
                200,
                &format!(r##"{{"PowerState":"{state}","Actions":{{"#ComputerSystem.Reset":{{"target":"/reset"}}}}}}"##),
            )
        })
    };
    for (title, answers) in [("ours", 0), ("theirs", 1)] {
        // Each gets a board of its own: it counts what it was asked.
        let board = stays_off();
        let agents = pair("reboot", board.port);
        let ended = if answers == 0 {
            ask("fence_baton", &agents.ours)
        } else {
            ask("fence_redfish", &agents.theirs.1)
        };
        let code = if ended.code < 0 {
            "killed".to_owned()
        } else {
            ended.code.to_string()
        };
        eprintln!(
            "| Redfish: reboot of a node that does not come back, {title} | {code} | {:.1?} | | | |",
            ended.took
        );
        assert!(answers == 1 || ended.code == 0);
    }
    let refused = Board::secure(|_, _| reply(401, ""));
    compare("Redfish: off, wrong password", &pair("off", refused.port), 1, 1, || ());
}

fn outlets(cost: &mut Cost) {
    let (pdu, none) = (Agent::playing(&RPDU), Agent::no_pdu());
    let pair = |action: &str, port: u16, plug: &str| {
        let lines =
            format!("action={action}\nip=127.0.0.1\nipport={port}\nplug={plug}\nsnmp_version=2c\ncommunity=writer\n");
        Agents {
            ours: format!("backend=snmp_pdu\n{lines}"),
            theirs: ("fence_apc_snmp", lines),
        }
    };
    let on = || pdu.set("1", "1");
    cost.add(compare("SNMP: status", &pair("status", pdu.port, "1"), 0, RUNS, on));
    cost.add(compare("SNMP: off", &pair("off", pdu.port, "1"), 0, RUNS, on));
    cost.add(compare("SNMP: reboot", &pair("reboot", pdu.port, "1"), 0, RUNS, on));
    compare(
        "SNMP: off of outlet 42, which does not exist",
        &pair("off", pdu.port, "42"),
        1,
        1,
        on,
    );
    compare(
        "SNMP: off at a machine that is no PDU",
        &pair("off", none.port, "1"),
        1,
        1,
        on,
    );
}
