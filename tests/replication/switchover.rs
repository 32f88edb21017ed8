//! Promotions in order: the first one, and one that hands over from a primary that is well.

use crate::lab::{Lab, N1, N2, N3};
use crate::load::Load;

#[test]
fn after_the_first_promotion_the_others_follow_and_confirm_every_commit() {
    let lab = Lab::new();
    lab.transition().promote(N1).carry_out();
    lab.await_follows(N2, N1);
    lab.await_follows(N3, N1);
    lab.write(N1, 815);
    assert!(lab.same_rows(&[N1, N2, N3]).contains_key(&815));
    let epoch = lab.epoch();
    assert!(
        epoch.contains(r#""number":1"#) && epoch.contains(r#""proven":true"#),
        "{epoch}"
    );
    lab.monitor(N1).expect(8);
    for node in [N2, N3] {
        lab.monitor(node).expect(0);
        assert_eq!(lab.score(node).as_deref(), Some("50000"));
        assert!(lab.server(node).read_only());
        assert_eq!(lab.vote(node), None, "a vote that was counted is withdrawn");
    }
    assert_eq!(lab.score(N1).as_deref(), Some("100000"));
}

#[test]
fn a_switchover_under_load_loses_nothing_and_the_former_primary_follows_by_itself() {
    let lab = Lab::serving();
    let load = Load::on(lab.server(N1));
    load.await_rows(50);
    let transition = lab.transition().demote(N1).promote(N2).close();
    assert!(lab.server(N1).read_only());
    let confirmed = load.end();
    let pid = lab.server(N1).pid();
    transition.carry_out_promotion();
    let epoch = lab.epoch();
    for part in [r#""number":2"#, r#""node":"n2""#, r#""proven":true"#] {
        assert!(epoch.contains(part), "{epoch}");
    }
    lab.await_follows(N1, N2);
    lab.await_follows(N3, N2);
    assert_eq!(
        lab.server(N1).pid(),
        pid,
        "the former primary obeyed and needed no kill"
    );
    lab.write(N2, 816);
    let rows = lab.same_rows(&[N2, N1, N3]);
    let missing: Vec<&u64> = confirmed.iter().filter(|key| !rows.contains_key(key)).collect();
    assert!(missing.is_empty(), "confirmed and lost: {missing:?}");
    for (node, code) in [(N1, 0), (N2, 8), (N3, 0)] {
        lab.monitor(node).expect(code);
    }
}
