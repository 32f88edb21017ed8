//! Tests of the test: what it measures and accuses by must itself be right.

use std::time::{Duration, Instant};

use crate::acts;
use crate::health::View;
use crate::lab::Node;
use crate::timeline::{self, Mark};
use crate::witness::{Sample, moments_with_two};
use crate::writer::longest_gap;

pub(crate) type Check = (&'static str, fn() -> bool);

pub(crate) const CHECKS: &[Check] = &[
    (
        "a_gap_lies_between_two_acknowledgements",
        a_gap_lies_between_two_acknowledgements,
    ),
    ("a_gap_may_last_to_the_end", a_gap_may_last_to_the_end),
    ("two_writable_servers_are_found", two_writable_servers_are_found),
    ("nobody_is_accused_without_proof", nobody_is_accused_without_proof),
    ("a_log_line_becomes_an_entry", a_log_line_becomes_an_entry),
    ("the_state_of_the_cluster_is_read", the_state_of_the_cluster_is_read),
    ("exit_reasons_are_found_in_a_log", exit_reasons_are_found_in_a_log),
    ("every_act_has_a_name_of_its_own", every_act_has_a_name_of_its_own),
];

fn millis(from: Instant, millis: u64) -> Instant {
    from + Duration::from_millis(millis)
}

fn acknowledged(began: Instant, at: &[u64]) -> Vec<Instant> {
    at.iter().map(|at| millis(began, *at)).collect()
}

fn a_gap_lies_between_two_acknowledgements() -> bool {
    let began = Instant::now();
    let acknowledged = acknowledged(began, &[0, 500, 510, 710, 720]);
    let gap = |injected, end| longest_gap(&acknowledged, millis(began, injected), millis(began, end));
    let length = |injected, end| gap(injected, end).map(|gap| gap.length().as_millis());
    // What was before the fault does not count; a gap that the fault found open does.
    length(505, 730) == Some(200) && length(100, 730) == Some(500)
}

fn a_gap_may_last_to_the_end() -> bool {
    let began = Instant::now();
    let acknowledged = acknowledged(began, &[0, 10, 20]);
    let gap = longest_gap(&acknowledged, millis(began, 15), millis(began, 900));
    gap.is_some_and(|gap| gap.length() == Duration::from_millis(880))
}

/// Answers at these times, 2 ms after their questions.
fn samples(began: Instant, writable: bool, session: u32, at: &[u64]) -> Vec<Sample> {
    let one = |at: &u64| Sample {
        sent: millis(began, *at),
        received: millis(began, *at + 2),
        writable,
        session,
    };
    at.iter().map(one).collect()
}

fn two_writable_servers_are_found() -> bool {
    let began = Instant::now();
    let [one, other, _] = Node::ALL;
    let all = [
        (one, samples(began, true, 1, &[0, 20, 40, 1000, 1020])),
        (other, samples(began, true, 1, &[10, 30, 1010])),
    ];
    // From 10 to 40 and at 1010.
    moments_with_two(&all) == 2
}

fn nobody_is_accused_without_proof() -> bool {
    let began = Instant::now();
    let [one, other, _] = Node::ALL;
    let never = |first: Vec<Sample>, second: Vec<Sample>| moments_with_two(&[(one, first), (other, second)]) == 0;
    let between = || samples(began, true, 1, &[10]);
    let mut reconnected = samples(began, true, 1, &[0]);
    reconnected.extend(samples(began, true, 2, &[20]));
    // One after the other; closed; a connection was lost in between; too far apart; at the same time as an answer.
    never(samples(began, true, 1, &[0, 5]), between())
        && never(samples(began, false, 1, &[0, 20]), between())
        && never(reconnected, between())
        && never(samples(began, true, 1, &[0, 500]), between())
        && never(samples(began, true, 1, &[9, 29]), between())
}

fn a_log_line_becomes_an_entry() -> bool {
    let [node, ..] = Node::ALL;
    let line = "Nov 21 09:49:54.530 n1 pacemaker-controld  [125] (log_executor_event) \tnotice: Result of demote \
                operation for db on n1: OK | graph action confirmed; call=31 key=db_demote_0 rc=0";
    let healthy = "Nov 21 09:49:54.530 n1 pacemaker-controld  [125] (log_executor_event) \tnotice: Result of monitor \
                   operation for db on n1: OK | graph action confirmed; call=31 key=db_monitor_2000 rc=0";
    let Some(entry) = timeline::read(line, node, 2026) else {
        return false;
    };
    let (hour, minute, second, millis) = entry.at.time().as_hms_milli();
    (hour, minute, second, millis) == (9, 49, 54, 530)
        && (entry.phase, entry.what.as_str()) == ("demoted", "OK")
        && timeline::read(healthy, node, 2026).is_none()
        && timeline::read("no stamp: Result of demote operation for db on n1: OK", node, 2026).is_none()
}

fn the_state_of_the_cluster_is_read() -> bool {
    let xml = r#"<pacemaker-result><nodes>
        <node name="n1" online="true" pending="false"/><node name="n2" online="true" pending="true"/></nodes>
        <resources><resource id="db-ip" role="Started"><node name="n1"/></resource>
        <clone id="db-clone"><resource id="db" role="Promoted"><node name="n1"/></resource>
        <resource id="db" role="Unpromoted"><node name="n3"/></resource></clone></resources>
        <node_attributes><node name="n2"/></node_attributes>
        <failures><failure op_key="db_monitor_1000" node="n3" exitreason="held"/></failures></pacemaker-result>"#;
    let [one, _, three] = Node::ALL;
    let view = View::parse(xml).unwrap_or_default();
    view.online == [one]
        && view.promoted == [one]
        && view.unpromoted == [three]
        && view.address == [one]
        && view.failures.len() == 1
        && view.failures[0].to_string() == "db_monitor_1000 on n3: held"
}

fn exit_reasons_are_found_in_a_log() -> bool {
    let mark = Mark {
        instant: Instant::now(),
        day_time: time::macros::datetime!(2026-11-21 13:45:22 UTC),
    };
    let line = |clock: &str, reason: &str| {
        format!(
            "Nov 21 {clock} n1 pacemaker-execd     [125] (log_op_output) \tinfo: db_monitor_2000[454] error output \
             [ ocf-exit-reason:{reason} ]\n"
        )
    };
    let log = line("13:45:21.948", "before") + &line("13:45:23.948", "the server is full") + "another line\n";
    timeline::exit_reasons(&log, mark) == ["the server is full"]
}

fn every_act_has_a_name_of_its_own() -> bool {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let names: Vec<&str> = acts::all().map(|act| act.name).collect();
    let different: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    different.len() == names.len()
        && names.iter().all(|name| plain(name))
        && acts::DEMO.iter().all(|name| different.contains(name))
}
