mod model;

use super::*;

fn list(text: &str) -> GtidList {
    GtidList::parse(text).unwrap()
}

fn holds(history: &str, applied: &str, received: &str) -> Holdings {
    Holdings {
        history: list(history),
        applied: list(applied),
        received: list(received),
    }
}

#[test]
fn lists_are_read_and_printed_as_the_server_does() {
    assert_eq!(list("0-1-5,1-2-7").to_string(), "0-1-5,1-2-7");
    assert_eq!(list("").to_string(), "");
    assert_eq!(list(" 0-1-5,\n0-2-6 ").to_string(), "0-1-5,0-2-6");
    for bad in [
        "0-1",
        "0-1-2-3",
        "a-b-c",
        "0-1-5;0-2-6",
        "-1-2",
        "0-1-99999999999999999999",
    ] {
        assert!(GtidList::parse(bad).unwrap_err().contains(bad), "{bad}");
    }
}

/// Server 1 asks. A crash that drops its tail leaves what it wrote before in its history; a copy of another server shows
/// nothing of it.
#[test]
fn what_a_server_wrote_itself_is_missed_unless_a_copy_covers_it() {
    let theirs = holds("0-1-100,0-2-500", "", "");
    let cases = [
        (holds("0-1-100,0-2-499", "", ""), true),
        (holds("0-1-99,0-2-499", "", ""), false),
        (holds("", "0-2-499", ""), true),
        (holds("", "0-2-99", ""), false),
        (holds("1-2-499", "", ""), false),
    ];
    for (mine, has) in cases {
        assert_eq!(mine.has_own(&theirs, 1), has, "{mine:?}");
    }
    assert!(!holds("0-1-99", "", "").has_own(&holds("", "", "0-1-100"), 1));
}

#[test]
fn a_replica_that_received_more_is_ahead_before_it_applies() {
    let behind = holds("0-1-5", "0-1-5", "0-1-5");
    let ahead = holds("0-1-5", "0-1-5", "0-1-9");
    assert_eq!(behind.lacks(&ahead), list("0-1-9"));
    assert!(ahead.lacks(&behind).is_empty());
    assert_eq!(ahead.pending(), list("0-1-9"));
    assert!(!behind.conflicts(&ahead));
}

#[test]
fn a_replica_that_received_more_and_applied_less_is_no_conflict() {
    let quick = holds("0-1-7", "0-1-7", "0-1-7");
    let slow = holds("0-1-5", "0-1-5", "0-1-9");
    assert_eq!(quick.lacks(&slow), list("0-1-9"));
    assert_eq!(slow.lacks(&quick), list("0-1-7"));
    assert!(!quick.conflicts(&slow) && !slow.conflicts(&quick));
    let wrote = holds("0-1-5,0-2-6", "0-1-5", "0-1-5");
    assert!(
        wrote.conflicts(&slow) && slow.conflicts(&wrote),
        "the tail in the relay log never reached the one that wrote"
    );
}

#[test]
fn equal_numbers_of_different_servers_are_a_conflict() {
    let a = holds("0-1-5,0-2-6", "0-1-5", "");
    let b = holds("0-1-6", "0-1-6", "");
    assert_eq!(a.lacks(&b), list("0-1-6"));
    assert_eq!(b.lacks(&a), list("0-2-6"));
    assert!(a.conflicts(&b));
}

#[test]
fn an_own_transaction_below_the_tip_is_found() {
    // The old primary wrote 0-1-6 that nobody received; the new one went on from 0-1-5 as server 2.
    let old = holds("0-1-6", "", "");
    let new = holds("0-1-5,0-2-9", "0-1-5", "");
    assert_eq!(new.lacks(&old), list("0-1-6"));
}

#[test]
fn a_foreign_transaction_below_the_tip_is_found_where_its_server_is_known() {
    // Server 3 was once primary, wrote 0-3-6 when it was none any more, and went on replicating from server 1.
    let primary = holds("0-3-2,0-1-9", "", "");
    let strayed = holds("0-3-6,0-1-9", "0-1-9", "0-1-9");
    assert_eq!(primary.lacks(&strayed), list("0-3-6"));
    assert!(strayed.lacks(&primary).is_empty());
}

#[test]
fn a_server_seeded_from_a_backup_has_what_its_position_says() {
    let seeded = holds("", "0-1-100", "");
    let source = holds("0-1-100", "", "");
    assert!(seeded.lacks(&source).is_empty());
    assert_eq!(seeded.lacks(&holds("0-1-101", "", "")), list("0-1-101"));
    assert!(seeded.covers(&list("0-1-99")));
}

#[test]
fn every_domain_counts() {
    let a = holds("0-1-5,1-1-7", "", "");
    let b = holds("0-1-5,1-1-9", "", "");
    assert_eq!(a.lacks(&b), list("1-1-9"));
    assert!(!a.conflicts(&b));
    let c = holds("0-1-6,1-1-7", "", "");
    assert!(!b.conflicts(&c), "each is ahead in another domain: the union exists");
}

#[test]
fn replication_resumes_after_own_and_applied_transactions() {
    assert_eq!(holds("0-1-5,0-2-6", "0-1-5", "0-2-9").resume_position(), list("0-2-6"));
    assert_eq!(holds("", "0-1-5", "").resume_position(), list("0-1-5"));
}

#[test]
fn a_foreign_transaction_does_not_hide_what_was_received() {
    // A local write took the number of a transaction that had been received and acknowledged.
    let survivor = holds("0-1-5,0-3-6", "0-1-5", "0-1-6");
    let candidate = holds("0-1-5", "0-1-5", "0-1-5");
    assert_eq!(candidate.lacks(&survivor), list("0-1-6,0-3-6"));
}

#[test]
fn a_rebuilt_server_has_what_its_primary_had_when_it_was_promoted() {
    // Seeded by a backup of server 2, which was promoted at 0-1-5: the binary log starts empty.
    let seeded = holds("", "0-2-101", "");
    assert!(!seeded.covers(&list("0-1-5")));
    let seeded = seeded.knowing(2, &list("0-1-5"));
    assert!(seeded.covers(&list("0-1-5")));
    assert!(!seeded.conflicts(&holds("0-1-5", "0-1-5", "")));
    assert!(
        !holds("", "0-2-4", "").knowing(2, &list("0-1-5")).covers(&list("0-1-5")),
        "from before"
    );
}

#[test]
fn nothing_lacks_nothing() {
    let nothing = Holdings::default();
    assert!(nothing.lacks(&nothing).is_empty());
    assert!(!nothing.conflicts(&nothing));
    assert!(nothing.covers(&GtidList::default()));
}

#[test]
fn small_histories_agree_with_a_model_of_transaction_sets() {
    // Two servers share a line of n transactions of server 1, then each may go on alone (server 2 and 3).
    for shared in 0..4_u64 {
        for own_a in 0..3_u64 {
            for own_b in 0..3_u64 {
                let side = |server: u32, own: u64| {
                    let common = (shared > 0).then_some(Gtid {
                        domain: 0,
                        server: 1,
                        sequence: shared,
                    });
                    let tail = (own > 0).then_some(Gtid {
                        domain: 0,
                        server,
                        sequence: shared + own,
                    });
                    Holdings {
                        history: common.into_iter().chain(tail).collect(),
                        ..Holdings::default()
                    }
                };
                let (a, b) = (side(2, own_a), side(3, own_b));
                assert_eq!(a.lacks(&b).is_empty(), own_b == 0, "{a:?} {b:?}");
                assert_eq!(a.conflicts(&b), own_a > 0 && own_b > 0, "{a:?} {b:?}");
            }
        }
    }
}
