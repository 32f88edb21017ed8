//! The primary is killed: nothing confirmed is lost, and it comes back as a replica.

use crate::lab::{Lab, N1, N2, N3};
use crate::load::Load;
use crate::support::eventually;
use crate::support::server::SOON;

#[test]
fn a_primary_killed_under_load_loses_no_confirmed_row_and_rejoins() {
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
    lab.await_follows(N1, N2);
    lab.await_follows(N3, N2);
    lab.write(N2, 817);
    lab.same_rows(&[N2, N1, N3]);
    lab.monitor(N1).expect(0);
}

#[test]
fn a_killed_primary_drops_the_tail_that_nobody_confirmed_and_keeps_a_copy() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    for relay in &lab.relays {
        relay.cut();
    }
    let load = Load::on(lab.server(N1));
    await_waiting(&lab);
    lab.server(N1).crash();
    assert!(load.end().is_empty(), "confirmed although no replica received it");
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    lab.write(N2, 817);
    lab.transition().start(&[N1]).carry_out();
    lab.await_follows(N1, N2);
    let rows = lab.same_rows(&[N2, N1, N3]);
    assert!(rows.keys().all(|key| *key < 1_000_000), "{rows:?}");
    let copy = lab.kept(N1, "before-truncation/epoch-1");
    assert_eq!(std::fs::read_dir(&copy).unwrap().count(), 1, "{}", copy.display());
}

/// A commit waits for its acknowledgement, so it is in the binary log.
pub(crate) fn await_waiting(lab: &Lab) {
    let query = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
        WHERE VARIABLE_NAME='Rpl_semi_sync_master_wait_sessions'";
    eventually("a commit that waits", SOON, || {
        (lab.server(N1).ask(query) != "0").then_some(())
    });
}

/// n2 is the candidate, and only n3 has the last rows.
#[test]
fn a_candidate_that_is_behind_fetches_from_the_survivor_that_has_more() {
    let lab = Lab::serving();
    lab.write(N1, 10);
    lab.await_received(N2, N1);
    lab.relays[0].cut();
    lab.await_status(N2, "Slave_IO_Running", "Connecting");
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
