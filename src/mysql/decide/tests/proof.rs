//! When nothing acknowledged can be missing, and what is said when that is not certain.

use super::promote::{vote, with_votes};
use super::*;
use crate::mysql::decide::promote::*;
use crate::mysql::state::{Ballot, Vote};

fn proof_of(election: &Election) -> Result<Proof, Why> {
    match next_step(&server(), &record_in(election.epoch.as_ref()), Some("n1"), election) {
        Promotion::Open(proof) => Ok(proof),
        Promotion::Refuse(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_election_is_proven_when_every_instance_was_compared() {
    let n3 = vote("n3", Some(holdings("", "", "")));
    let n1 = vote("n1", Some(holdings("", "", "")));
    let first = |votes: &[(String, Vote)]| proof_of(&with_votes(votes, None)).map(|proof| proof.proven);
    assert_eq!(first(&[n1, n3.clone()]), Ok(true));
    assert_eq!(
        first(&[n3]),
        Ok(false),
        "nothing was acknowledged yet, and n1 is unknown"
    );
}

/// It may be connected to this server from a time when that was primary before.
#[test]
fn who_does_not_say_what_it_has_may_acknowledge_and_is_not_waited_for() {
    let ended = epoch("n2", 3, "0-1-5");
    let claim = |ballot: Ballot| {
        let claim = with_n3(ballot, &ended).opening_claim(list("0-1-5"), 1);
        (claim.ackers.contains_key("n3"), claim.needed)
    };
    assert_eq!(claim(Ballot::Holds(holdings("0-1-5", "", ""))), (true, 1));
    assert_eq!(claim(Ballot::Unknown), (true, 0));
    assert_eq!(claim(Ballot::Held), (false, 0));
    assert_eq!(claim(Ballot::NoServer), (false, 0));
}

fn missing_of(election: &Election) -> Vec<String> {
    match proof_of(election) {
        Err(Why::NotProven { missing, .. }) => missing,
        other => panic!("{other:?}"),
    }
}

/// n2 is the candidate; n1 was the primary; what n3 says.
fn with_n3(ballot: Ballot, ended: &Epoch) -> Election {
    let vote = Vote { epoch: 3, ballot };
    with_votes(&[("n3".to_owned(), vote)], Some(ended))
}

#[test]
fn fewer_than_the_needed_ackers_may_be_unknown() {
    let ended = epoch("n1", 3, "0-1-5");
    let same = || holdings("0-1-5", "0-1-5", "0-1-5");
    assert!(proof_of(&with_n3(Ballot::Holds(same()), &ended)).unwrap().proven);
    for ballot in [
        Ballot::Restarted(same()),
        Ballot::NoServer,
        Ballot::Held,
        Ballot::Unknown,
    ] {
        assert_eq!(missing_of(&with_n3(ballot, &ended)), ["n3"]);
    }
    let two_needed = Epoch {
        claim: claim(&["n2", "n3"], 2, "0-1-5"),
        ..ended.clone()
    };
    assert!(
        proof_of(&with_n3(Ballot::NoServer, &two_needed)).unwrap().proven,
        "n2 has it, with certainty"
    );
    let only_n2 = Epoch {
        claim: claim(&["n2"], 1, "0-1-5"),
        ..ended.clone()
    };
    assert!(
        proof_of(&with_n3(Ballot::Unknown, &only_n2)).unwrap().proven,
        "n3 acknowledged nothing"
    );
    let restarted = Election {
        knows_what_it_received: false,
        ..with_n3(Ballot::Holds(same()), &ended)
    };
    assert_eq!(missing_of(&restarted), ["n2"]);
}

#[test]
fn a_primary_that_ran_alone_is_followed_only_by_one_that_compared_with_it() {
    let alone = Epoch {
        claim: claim(&[], 0, "0-1-5"),
        ..epoch("n1", 3, "0-1-5")
    };
    let n3 = vote("n3", Some(holdings("0-1-5", "0-1-5", "0-1-5")));
    assert_eq!(
        missing_of(&with_votes(std::slice::from_ref(&n3), Some(&alone))),
        [""; 0]
    );
    let n1 = vote("n1", Some(holdings("0-1-5", "", "")));
    assert!(proof_of(&with_votes(&[n1, n3], Some(&alone))).unwrap().proven);
}

#[test]
fn what_is_not_proven_is_promoted_only_where_loss_is_accepted_and_is_recorded() {
    let refused = with_n3(Ballot::NoServer, &epoch("n1", 3, "0-1-9"));
    assert!(proof_of(&refused).is_err());
    let bounded = Election {
        policy: Policy {
            loss: Loss::Bounded,
            ..POLICY
        },
        ..refused.clone()
    };
    let proof = proof_of(&bounded).unwrap();
    assert!(
        !proof.proven
            && proof
                .evidence
                .starts_with("not proven: in epoch 3 commits waited for 1 of n2, n3")
    );
    let accepted = Election {
        loss_accepted: true,
        ..refused
    };
    let proof = proof_of(&accepted).unwrap();
    assert!(
        !proof.proven && proof.evidence.starts_with("the operator accepted that in epoch 3"),
        "{proof:?}"
    );
}

#[test]
fn without_acknowledgements_an_election_goes_on_and_is_not_proven() {
    let policy = Policy {
        semi_sync: false,
        ..POLICY
    };
    let ended = Epoch {
        claim: claim(&[], 0, ""),
        ..epoch("n1", 3, "0-1-5")
    };
    let election = Election {
        policy,
        ..with_n3(Ballot::NoServer, &ended)
    };
    let proof = proof_of(&election).unwrap();
    assert!(
        !proof.proven && proof.evidence.contains("replication=async"),
        "{proof:?}"
    );
    let mute = Election {
        policy,
        ..with_n3(Ballot::Unknown, &ended)
    };
    assert!(
        matches!(proof_of(&mute), Err(Why::NoVote { .. })),
        "it may have what nobody else has"
    );
}

#[test]
fn a_successor_has_all_that_was_confirmed_before_the_ackers_changed() {
    let moved = Epoch {
        claim: claim(&["n2", "n3"], 1, "0-1-7"),
        ..epoch("n1", 3, "0-1-5")
    };
    let n3 = vote("n3", Some(holdings("0-1-5", "0-1-5", "0-1-5")));
    assert!(matches!(
        proof_of(&with_votes(&[n3], Some(&moved))),
        Err(Why::OlderThanEpoch { position, .. }) if position == list("0-1-7")
    ));
}
