//! What each action costs, against the bounds that the documentation promises. `make bench` prints the medians of a release
//! build; a loaded machine and a debug build may take ten times as long.

use std::time::Duration;

use crate::capture::Capture;
use crate::cases::Agent;
use crate::lab::{Lan, Run, median};
use crate::{IP, ONCE, RECURRING, VIP};

const ROUNDS: usize = 15;
const VIP6: (&str, &str) = ("ip", "fd00:10::100");
const NODAD: (&str, &str) = ("nodad", "true");
const PATIENCE: u32 = 10;

fn check(what: &str, times: Vec<Duration>, bound: u64) {
    let found = median(times);
    println!("{what:<28} {found:>10.2?}   bound {bound} ms");
    assert!(found <= Duration::from_millis(bound) * PATIENCE, "{what}: {found:?}");
}

#[test]
fn cost_of_each_action() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let (mut announced, mut monitors, mut stops, mut starts6) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let took = |run: Run| {
        run.ends_with(0);
        run.took
    };
    for round in 0..ROUNDS {
        let start = lan.a.agent("start", &[IP, ONCE]);
        start.ends_with(0);
        let first = &capture.wait_for(2 * round + 2)[2 * round];
        announced.push(first.at.duration_since(start.began).unwrap());
        monitors.push(took(lan.a.agent("monitor", &[IP, RECURRING])));
        stops.push(took(lan.a.agent("stop", &[IP])));
        starts6.push(took(lan.a.agent("start", &[VIP6, ONCE, NODAD])));
        took(lan.a.agent("stop", &[VIP6]));
    }
    check("monitor", monitors, 3);
    check("start to first announcement", announced, 10);
    check("stop", stops, 10);
    check("IPv6 start with nodad", starts6, 50);
}

/// Then the announcer must be ended, too; the kernel takes its time to close a packet socket.
#[test]
fn cost_of_a_stop_straight_after_a_start() {
    let lan = Lan::new();
    let mut stops = Vec::new();
    for _ in 0..ROUNDS {
        lan.a.agent("start", &[IP]).ends_with(0);
        stops.push(lan.a.agent("stop", &[IP]).ends_with(0).took);
    }
    check("stop straight after start", stops, 100);
}

/// Both agents in one run, on the same interface. The documentation promises a tenth of the processor time; asserted is less,
/// because this may be a debug build.
#[test]
fn cost_beside_ipaddr2() {
    const LEAST: f64 = 3.0;
    let lan = Lan::new();
    println!(
        "{:<10}{:>22}{:>22}{:>12}",
        "", "this agent (CPU, wall)", "IPaddr2 (CPU, wall)", "CPU ratio"
    );
    let mut costs: Vec<[(Duration, Duration); 2]> = Vec::new();
    let actions = ["start", "monitor", "stop"];
    for action in actions {
        costs.push([Agent::Baton, Agent::IpAddr2].map(|agent| {
            let (mut cpu, mut took) = (Vec::new(), Vec::new());
            for _ in 0..7 {
                for step in actions {
                    let run = agent.run(&lan.a, step, &[IP, ONCE, RECURRING]);
                    run.ends_with(0);
                    if step == action {
                        cpu.push(run.cpu);
                        took.push(run.took);
                    }
                }
            }
            (median(cpu), median(took))
        }));
    }
    for (action, [ours, theirs]) in actions.iter().zip(&costs) {
        let ratio = theirs.0.as_secs_f64() / ours.0.as_secs_f64();
        let shown = |cost: &(Duration, Duration)| format!("{:.1?} {:.1?}", cost.0, cost.1);
        println!("{action:<10}{:>22}{:>22}{ratio:>12.0}", shown(ours), shown(theirs));
        assert!(ratio >= LEAST, "{action}: {ratio}");
    }
}
