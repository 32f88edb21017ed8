//! What a node knows of what it once received, or confirmed as primary.

use super::*;
use crate::mysql::state::Voted;

#[test]
fn a_node_knows_what_it_received_from_the_epochs_primary_or_from_its_own_vote() {
    let last = epoch("n1", 3, "0-1-5");
    let knows = |server: &Server, record: &Record, source: Option<&str>, epoch: &Epoch| {
        knows_what_it_received(server, record, source, epoch, "n2")
    };
    let plain = record(Role::Replica);
    assert!(knows(&server(), &plain, Some("n1"), &last));
    assert!(
        !knows(&server(), &plain, Some("n3"), &last),
        "attached to somebody else"
    );
    let changing = Record {
        changing_source: true,
        ..plain.clone()
    };
    assert!(
        !knows(&server(), &changing, Some("n1"), &last),
        "its relay log may be gone"
    );
    let restarted = Server { link: None, ..server() };
    assert!(!knows(&restarted, &plain, None, &last));
    assert!(
        knows(&restarted, &plain, None, &epoch("n2", 3, "")),
        "it was the primary itself"
    );
    let voted = |epoch: u64, received: &str| Record {
        voted: Some(Voted {
            epoch,
            received: list(received),
        }),
        ..record(Role::Replica)
    };
    assert!(
        knows(&restarted, &voted(3, "0-1-5"), None, &last),
        "all that it voted for is executed"
    );
    assert!(!knows(&restarted, &voted(3, "0-1-6"), None, &last));
    assert!(
        !knows(&restarted, &voted(2, "0-1-5"), None, &last),
        "the vote of another election"
    );
}

#[test]
fn a_primary_is_judged_by_how_its_reign_began_and_how_it_ran() {
    let last = epoch("n2", 3, "0-1-5");
    let knows = |record: &Record, position: &str| {
        let own = Server {
            link: None,
            holdings: holdings(position, "", ""),
            ..server()
        };
        knows_what_it_received(&own, record, None, &last, "n2")
    };
    let elsewhere = Record {
        epoch: 1,
        ..record(Role::Replica)
    };
    assert!(!knows(&elsewhere, "0-1-5"), "it has no record of that");
    let unopened = Record {
        opening: 3,
        ..elsewhere
    };
    assert!(knows(&unopened, "0-1-5"), "its promotion ended before it was open");
    assert!(!knows(&unopened, "0-1-4"), "it has less than it was to open with");
    let loose = Record {
        epoch: 3,
        not_durable: Some("sync_binlog=1".to_owned()),
        machine_crashed: true,
        ..record(Role::Primary)
    };
    assert!(
        !knows(&loose, "0-1-5"),
        "its settings are right again since its machine crashed"
    );
}

/// Beginning to follow deletes the relay log, with what was acknowledged and not executed.
#[test]
fn a_node_that_followed_its_primary_once_more_knows_what_it_received_once_that_is_here_again() {
    let knows = |epoch_of_loss: u64, upto: &str, received: &str| {
        let record = Record {
            refetches: Some(Voted {
                epoch: epoch_of_loss,
                received: list(upto),
            }),
            ..record(Role::Replica)
        };
        let server = with(holdings("0-1-5", "0-1-5", received));
        knows_what_it_received(&server, &record, Some("n1"), &epoch("n1", 3, "0-1-5"), "n2")
    };
    assert!(!knows(3, "0-1-8", "0-1-7"));
    assert!(knows(3, "0-1-8", "0-1-8"), "received, executed or not");
    assert!(knows(3, "0-1-8", "0-1-9"));
    assert!(knows(2, "0-1-8", "0-1-7"), "in an epoch that is over");
}
