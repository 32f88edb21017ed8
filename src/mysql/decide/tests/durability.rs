use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::mysql::decide::durability::*;
use crate::mysql::state::{Resigned, Standing};

fn armed(clients: usize) -> SemiSync {
    SemiSync {
        source_enabled: true,
        clients,
        connected: clients,
        ..server().semi_sync
    }
}

fn disarmed(clients: usize) -> SemiSync {
    SemiSync {
        source_enabled: false,
        ..armed(clients)
    }
}

fn standing(ready: bool, resigned: Option<u64>) -> Standing {
    Standing {
        epoch: 3,
        ready,
        resigned,
    }
}

fn next(claim: &Claim, standings: &[(&str, Standing)], gone: &[&str], semi_sync: &SemiSync) -> Upkeep {
    let standings: BTreeMap<String, Standing> = standings
        .iter()
        .map(|(node, standing)| ((*node).to_owned(), standing.clone()))
        .collect();
    let gone: BTreeSet<String> = gone.iter().map(|node| (*node).to_owned()).collect();
    upkeep(&Situation {
        claim,
        standings: &standings,
        gone: &gone,
        semi_sync,
        stuck: false,
        doubtful: false,
        policy: POLICY,
        instances: Some(3),
    })
}

fn changed(ackers: &[(&str, u64)], needed: usize) -> Upkeep {
    Upkeep::Claim {
        ackers: ackers
            .iter()
            .map(|(node, admission)| ((*node).to_owned(), *admission))
            .collect(),
        needed,
    }
}

#[test]
fn acknowledgements_outnumber_the_nodes_that_a_cluster_with_quorum_can_lose() {
    let needed = |instances, most, ackers| wanted(POLICY, Some(instances), most, ackers);
    let any = usize::MAX;
    assert_eq!((needed(2, any, 1), needed(3, any, 2), needed(4, any, 3)), (1, 1, 1));
    assert_eq!((needed(5, any, 4), needed(7, any, 6)), (2, 3));
    assert_eq!(needed(5, 1, 4), 1, "MariaDB waits for one");
    assert_eq!(needed(5, any, 1), 1, "no more than there are");
    assert_eq!(needed(3, any, 0), 0, "alone");
    // Quorum is lost with more than (n - 1) / 2 nodes; the primary is one of them.
    for instances in 2..12 {
        let lost_replicas = ((instances - 1) / 2_usize).saturating_sub(1);
        assert!(needed(instances, any, instances - 1) > lost_replicas);
    }
    let asynchronous = Policy {
        semi_sync: false,
        ..POLICY
    };
    assert_eq!(wanted(asynchronous, Some(3), 1, 2), 0);
}

#[test]
fn a_settled_primary_does_nothing() {
    let all = claim(&["n2", "n3"], 1, "");
    assert_eq!(next(&all, &[], &[], &armed(2)), Upkeep::Nothing);
    assert!(is_settled(&all, &armed(2), POLICY, Some(3)));
    assert!(!is_settled(&all, &armed(1), POLICY, Some(3)), "one is away");
    assert!(!is_settled(
        &claim(&["n2"], 1, ""),
        &SemiSync {
            connected: 2,
            ..armed(1)
        },
        POLICY,
        Some(3)
    ));
    assert!(!is_settled(&all, &disarmed(2), POLICY, Some(3)));
    assert!(
        !is_settled(&claim(&["n2"], 1, ""), &armed(1), POLICY, Some(3)),
        "n3 may come back"
    );
    assert!(is_settled(&claim(&["n2"], 1, ""), &armed(1), POLICY, Some(2)));
}

#[test]
fn a_replica_is_given_up_only_when_it_cannot_acknowledge_any_more() {
    let all = claim(&["n2", "n3"], 1, "");
    assert_eq!(
        next(&all, &[], &[], &armed(1)),
        Upkeep::Nothing,
        "it may come back, or be fenced"
    );
    assert_eq!(
        next(&all, &[("n3", standing(false, None))], &[], &armed(1)),
        Upkeep::Nothing
    );
    let without = changed(&[("n2", 1)], 1);
    assert_eq!(next(&all, &[], &["n3"], &armed(1)), without);
    assert_eq!(next(&all, &[("n3", standing(false, Some(1)))], &[], &armed(1)), without);
    assert_eq!(
        next(&all, &[("n3", standing(false, Some(0)))], &[], &armed(1)),
        Upkeep::Nothing,
        "an earlier admission"
    );
}

#[test]
fn the_last_replica_is_given_up_in_the_claim_first_and_then_nobody_is_waited_for() {
    let one = claim(&["n2"], 1, "");
    assert_eq!(next(&one, &[], &["n2"], &armed(0)), changed(&[], 0));
    let nobody = claim(&[], 0, "");
    assert_eq!(next(&nobody, &[], &["n2"], &armed(0)), Upkeep::Wait(0));
    assert_eq!(next(&nobody, &[], &["n2"], &disarmed(0)), Upkeep::Nothing);
}

#[test]
fn a_replica_is_admitted_waited_for_and_claimed_in_this_order() {
    let ready = [("n2", standing(true, None))];
    let nobody = claim(&[], 0, "");
    assert_eq!(next(&nobody, &ready, &[], &disarmed(0)), changed(&[("n2", 2)], 0));
    let admitted = claim(&["n2"], 0, "");
    assert_eq!(
        next(&admitted, &ready, &[], &disarmed(0)),
        Upkeep::Nothing,
        "it does not acknowledge yet"
    );
    assert_eq!(next(&admitted, &ready, &[], &disarmed(1)), Upkeep::Wait(1));
    assert_eq!(next(&admitted, &ready, &[], &armed(1)), changed(&[("n2", 1)], 1));
}

#[test]
fn a_replica_that_restarted_is_admitted_anew() {
    let all = claim(&["n2", "n3"], 1, "");
    assert_eq!(
        next(&all, &[("n3", standing(true, Some(1)))], &[], &armed(1)),
        changed(&[("n2", 1), ("n3", 2)], 1)
    );
}

#[test]
fn a_server_that_waits_for_less_than_is_claimed_is_claimed_for_less_at_once() {
    let all = claim(&["n2", "n3"], 1, "");
    for lax in [
        disarmed(2),
        SemiSync {
            timeout_ms: 10_000,
            ..armed(2)
        },
        SemiSync {
            fell_back: true,
            ..armed(2)
        },
        SemiSync {
            strict: false,
            ..armed(2)
        },
    ] {
        assert_eq!(next(&all, &[], &[], &lax), changed(&[("n2", 1), ("n3", 1)], 0));
        let doubted = claim(&["n2", "n3"], 0, "");
        assert_eq!(next(&doubted, &[], &[], &lax), Upkeep::Wait(1), "and armed again");
    }
}

#[test]
fn a_replica_begins_when_it_is_admitted_and_resigns_when_it_is_of_no_use() {
    let admitted = epoch("n1", 3, "0-1-5");
    let on_duty = server();
    let off_duty = Server {
        semi_sync: SemiSync {
            replica_enabled: false,
            replica_acknowledges: false,
            ..server().semi_sync
        },
        ..server()
    };
    let plain = record(Role::Replica);
    let duty = |server: &Server, record: &Record| duty(server, record, &admitted, "n2", POLICY);
    assert_eq!(duty(&on_duty, &plain), Duty::Nothing);
    assert_eq!(duty(&off_duty, &plain), Duty::Acknowledge);
    let resigned = |admission| Record {
        resigned: Some(Resigned { epoch: 3, admission }),
        ..plain.clone()
    };
    assert_eq!(
        duty(&off_duty, &resigned(1)),
        Duty::Nothing,
        "it waits until it is admitted anew"
    );
    assert_eq!(duty(&off_duty, &resigned(0)), Duty::Acknowledge);
    let behind = |server: &Server, seconds| Server {
        link: Some(Link {
            lag: Some(Duration::from_secs(seconds)),
            ..link()
        }),
        ..server.clone()
    };
    assert_eq!(duty(&behind(&on_duty, 61), &plain), Duty::Resign);
    assert_eq!(duty(&behind(&on_duty, 31), &plain), Duty::Nothing);
    assert_eq!(
        duty(&behind(&off_duty, 31), &plain),
        Duty::Resign,
        "admitted, and not near enough to begin"
    );
    assert_eq!(duty(&behind(&off_duty, 31), &resigned(1)), Duty::Nothing);
    let dropped = Record {
        dropped_tail: true,
        ..plain.clone()
    };
    assert_eq!(
        duty(&behind(&on_duty, 61), &dropped),
        Duty::Nothing,
        "it would skip its own transactions"
    );
    let full = |server: &Server| Server {
        disk: Disk::Full("/data has 1 MiB left".to_owned()),
        ..server.clone()
    };
    assert_eq!(duty(&full(&on_duty), &plain), Duty::Resign);
    assert!(is_ready(&on_duty, POLICY) && !is_ready(&full(&on_duty), POLICY));
    let orphan = Server {
        link: Some(Link {
            receiver: Thread::Connecting,
            lag: None,
            ..link()
        }),
        ..on_duty
    };
    assert_eq!(duty(&orphan, &plain), Duty::Nothing, "a survivor keeps what it has");
}

fn with(claim: &Claim, semi_sync: &SemiSync, stuck: bool, doubtful: bool) -> Upkeep {
    upkeep(&Situation {
        claim,
        standings: &BTreeMap::new(),
        gone: &BTreeSet::new(),
        semi_sync,
        stuck,
        doubtful,
        policy: POLICY,
        instances: Some(3),
    })
}

#[test]
fn commits_whose_acknowledgement_was_lost_are_released_when_nothing_is_claimed_of_them() {
    let all = claim(&["n2", "n3"], 1, "");
    let none = claim(&["n2", "n3"], 0, "");
    assert_eq!(with(&all, &armed(2), true, false), changed(&[("n2", 1), ("n3", 1)], 0));
    assert_eq!(with(&none, &armed(2), true, false), Upkeep::Wait(0));
    // Then nothing is stuck, and it goes on as after any other doubt.
    assert_eq!(with(&none, &disarmed(2), false, false), Upkeep::Wait(1));
    assert_eq!(
        with(&none, &armed(2), false, false),
        changed(&[("n2", 1), ("n3", 1)], 1)
    );
}

#[test]
fn commits_without_an_acknowledgement_move_the_floor() {
    let all = claim(&["n2", "n3"], 1, "");
    assert_eq!(with(&all, &armed(2), false, true), changed(&[("n2", 1), ("n3", 1)], 1));
}
