//! What a monitor costs: it runs every second on every node.

use std::time::Duration;

use crate::support::Ended;
use crate::support::server::Server;

const RUNS: usize = 20;

fn median<T: Ord + Copy>(ended: &[Ended], of: impl Fn(&Ended) -> T) -> T {
    let mut values: Vec<T> = ended.iter().map(of).collect();
    values.sort();
    values[values.len() / 2]
}

#[test]
fn a_monitor_costs_a_few_milliseconds() {
    // Without optimisation the binary needs several times as much.
    let (cpu_limit, resident_limit) = if cfg!(debug_assertions) { (60, 60) } else { (5, 10) };
    let server = Server::promoted();
    let monitor = server.promotable();
    for (kind, call, code) in [("promoted", monitor, 191), ("probe", server.call(), 8)] {
        let ended: Vec<Ended> = (0..RUNS).map(|_| call.run("monitor").expect(code)).collect();
        let cpu = median(&ended, |ended| ended.cpu);
        let wall = median(&ended, |ended| ended.took);
        let resident = median(&ended, |ended| ended.resident_kib) / 1024;
        println!("monitor ({kind}): median of {RUNS}: wall {wall:?}, CPU {cpu:?}, resident {resident} MiB");
        assert!(cpu <= Duration::from_millis(cpu_limit), "{cpu:?}");
        assert!(resident <= resident_limit, "{resident} MiB");
    }
}
