//! The primary is killed: nothing confirmed is lost, and it comes back as a replica.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::archived::only_archived;
use crate::lab::{Lab, N1, N2, N3};
use crate::load::Load;
use crate::support::eventually;
use crate::support::family::family;
use crate::support::server::SOON;

#[test]
fn a_primary_killed_under_load_loses_no_confirmed_row_and_comes_back() {
    let lab = Lab::serving();
    let load = Load::on(lab.server(N1));
    load.await_rows(100);
    lab.server(N1).crash();
    let confirmed = load.end();
    let transition = lab.transition().demote(N1).promote(N2).close();
    transition.elect();
    let vote = lab.vote(N1).unwrap();
    assert!(vote.contains("no-server"), "{vote}");
    transition.carry_out_promotion();
    let epoch = lab.epoch();
    for part in [
        "holds everything that n3 received",
        "n1, where no server runs",
        r#""proven":true"#,
    ] {
        assert!(epoch.contains(part), "{epoch}");
    }
    let rows = lab.rows(N2);
    let missing: Vec<&u64> = confirmed.iter().filter(|key| !rows.contains_key(key)).collect();
    assert!(missing.is_empty(), "confirmed and lost: {missing:?}");
    lab.transition().start(&[N1]).carry_out();
    lab.await_follows(N3, N2);
    lab.write(N2, 817);
    lab.same_rows(&[N2, N3]);
    if lab.await_rejoined_or_held(N1, N2) {
        lab.same_rows(&[N2, N1]);
        lab.monitor(N1).expect(0);
    } else {
        assert!(family().recovery_commits, "its tail should have been dropped");
        assert_eq!(only_archived(&lab, N1).says("class"), "never-acknowledged");
    }
}

/// n2 is the candidate, and only n3 has the last rows.
#[test]
fn a_candidate_that_is_behind_fetches_from_the_survivor_that_has_more() {
    let lab = Lab::serving();
    lab.write(N1, 10);
    lab.await_received(N2, N1);
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    for id in 11..31 {
        lab.write(N1, id);
    }
    lab.server(N1).crash();
    assert!(!lab.rows(N2).contains_key(&11));
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect().try_promote().expect(0);
    let rows = lab.rows(N2);
    assert!((10..31).all(|id| rows.contains_key(&id)), "{rows:?}");
    transition.notify(N3, "post", "promote");
    lab.await_follows(N3, N2);
    lab.write(N2, 31);
    lab.same_rows(&[N2, N3]);
}

/// n3 has the last rows in its relay log, and has executed less than n2 when it votes.
#[test]
fn a_survivor_that_received_more_and_executed_less_is_fetched_from_not_called_diverged() {
    let lab = Lab::serving();
    lab.stop_applier(N3);
    lab.write(N1, 10);
    lab.await_received(N2, N1);
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    for id in 11..31 {
        lab.write(N1, id);
    }
    lab.await_received(N3, N1);
    lab.server(N1).crash();
    lab.await_receiver(N3, "Connecting");
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    assert!((11..31).all(|id| lab.rows(N2).contains_key(&id)), "{:?}", lab.rows(N2));
    lab.await_follows(N3, N2);
    lab.same_rows(&[N2, N3]);
}

/// The same, and n3 is not done with it before n2 asks: MariaDB refuses then, and does not ask again by itself.
#[test]
fn a_survivor_that_still_executes_what_it_received_is_asked_until_it_has() {
    let lab = Lab::serving();
    lab.write(N1, 9);
    lab.same_rows(&[N1, N2, N3]);
    let mut backup = lab.server(N3).root();
    backup.query_drop("LOCK TABLES app.t READ").unwrap();
    lab.write(N1, 10);
    lab.await_received(N2, N1);
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    lab.write(N1, 11);
    lab.await_received(N3, N1);
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect();
    std::thread::scope(|scope| {
        let promotion = transition.call(N2);
        let promotion = scope.spawn(move || promotion.run("promote"));
        eventually("n2 has asked n3", SOON, || {
            let refused = lab.status(N2, "Last_IO_Errno") == "1236";
            let receives = lab.status(N2, family().receiver) == "Yes";
            (lab.status(N2, family().source) == "127.0.0.4" && (refused || receives)).then_some(())
        });
        backup.query_drop("UNLOCK TABLES").unwrap();
        promotion.join().unwrap().expect(0);
    });
    assert!(lab.rows(N2).contains_key(&11), "{:?}", lab.rows(N2));
}

/// n3 has executed everything, and its replication was stopped since: what it has can still be had from it.
#[test]
fn a_survivor_whose_replication_was_stopped_is_fetched_from() {
    let lab = Lab::serving();
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    for id in 11..31 {
        lab.write(N1, id);
    }
    lab.same_rows(&[N1, N3]);
    lab.stop_applier(N3);
    lab.stop_receiver(N3);
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect().try_promote().expect(0);
    assert!(lab.rows(N2).contains_key(&30), "{:?}", lab.rows(N2));
}

/// Both replicas wait for a host that is off by now; each would hear of the order to stop only when it gives up.
#[test]
fn a_source_whose_host_is_gone_holds_up_neither_a_promotion_nor_the_others() {
    let lab = Lab::serving();
    lab.write(N1, 10);
    lab.same_rows(&[N1, N2, N3]);
    lab.server(N1).crash();
    for relay in &lab.relays {
        relay.vanish();
        let what = format!("a replica asks {} in vain", relay.address);
        eventually(&what, SOON, || asks_in_vain(relay.address).then_some(()));
    }
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    let ended = transition.elect().try_promote().expect(0);
    assert!(ended.took < Duration::from_secs(2), "{ended:?}");
    let began = Instant::now();
    transition.notify(N3, "post", "promote");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    lab.await_follows(N3, N2);
}

/// Whether a connection to this address is being tried: state 2, and the address, in the kernel's table.
fn asks_in_vain(address: &str) -> bool {
    let octets = address.parse::<Ipv4Addr>().unwrap().octets();
    let peer = format!("{:08X}:", u32::from_ne_bytes(octets));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[2].starts_with(&peer) && fields[3] == "02"
    })
}

/// Nobody followed the second primary yet: it must have written nothing that its successor does not have.
#[test]
fn a_primary_that_is_killed_before_anybody_follows_it_comes_back_by_itself() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect().try_promote().expect(0);
    lab.monitor(N2);
    // A moment later: what is committed would survive.
    let mut root = lab.server(N2).root();
    root.query_drop("FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS").unwrap();
    lab.server(N2).crash();
    lab.transition().demote(N2).stop(&[N2]).promote(N3).carry_out();
    assert!(lab.epoch().contains(r#""proven":true"#), "{}", lab.epoch());
    lab.write(N3, 102);
    lab.transition().start(&[N1, N2]).carry_out();
    lab.await_rejoined(N2, N3);
    lab.await_rejoined(N1, N3);
    assert!(lab.same_rows(&[N3, N1, N2]).contains_key(&101));
}
