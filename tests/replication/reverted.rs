//! The cluster's configuration replaced by an older one, as by `cib-push`.

use crate::ackers::await_claim;
use crate::lab::{Lab, N1, N2, N3};

/// n2 serves in epoch 2, and the configuration says what it said in epoch 1.
fn reverted() -> Lab {
    let lab = Lab::serving();
    let first = lab.epoch();
    lab.transition().demote(N1).promote(N2).carry_out();
    lab.await_follows(N1, N2);
    lab.await_follows(N3, N2);
    assert!(lab.epoch().contains("\"number\":2"), "{}", lab.epoch());
    lab.set_option("epoch", &first);
    lab
}

#[test]
fn a_primary_writes_its_epoch_back() {
    let lab = reverted();
    lab.monitor(N2).expect(8);
    let epoch = lab.epoch();
    assert!(
        epoch.contains("\"number\":2") && epoch.contains("\"node\":\"n2\""),
        "{epoch}"
    );
    lab.write(N2, 10);
    lab.same_rows(&[N2, N1, N3]);
}

/// Nobody could do it afterwards.
#[test]
fn a_primary_that_is_moved_meanwhile_writes_its_epoch_back_first() {
    let lab = reverted();
    lab.transition().demote(N2).promote(N3).carry_out();
    let epoch = lab.epoch();
    assert!(
        epoch.contains("\"number\":3") && epoch.contains("\"proven\":true"),
        "{epoch}"
    );
    lab.await_follows(N2, N3);
    lab.write(N3, 10);
    lab.same_rows(&[N3, N2]);
}

#[test]
fn a_candidate_that_had_a_part_in_a_later_epoch_is_not_promoted_on_the_strength_of_an_older() {
    let lab = reverted();
    lab.server(N2).crash();
    let transition = lab.transition().demote(N2).stop(&[N2]).promote(N3).close();
    let refused = transition.elect().try_promote().expect(1);
    refused.says(&["says epoch 1", "a part in epoch 2", "put back"]);
    lab.monitor(N3);
    assert!(lab.server(N3).read_only());
}

/// n3 was given up: to wait for it, or to count on it, would be wrong.
#[test]
fn a_claim_that_was_changed_since_is_begun_anew() {
    let lab = Lab::serving();
    let both = lab.epoch();
    lab.transition().stop(&[N3]).carry_out();
    await_claim(&lab, &["n2"], 1);
    lab.set_option("epoch", &both);
    lab.monitor(N1);
    await_claim(&lab, &["n2"], 1);
}
