use super::*;
use crate::mysql::decide::archive::{Author, Class, classify, successor_has};
use crate::mysql::gtid::{Gtid, mysql};
use crate::mysql::reign::Reign;

const HERE: Author<'_> = Author {
    node: "n1",
    server_id: 11,
    server_uuid: "",
    reigns: &[],
};

fn gtid(text: &str) -> Gtid {
    let numbers: Vec<u64> = text.split('-').map(|part| part.parse().unwrap()).collect();
    Gtid::MariaDb(mariadb::Gtid {
        domain: numbers[0] as u32,
        server: numbers[1] as u32,
        sequence: numbers[2],
    })
}

/// n1 was primary of epoch 3 from 0-12-20 to 0-11-30.
fn former_primary() -> Record {
    Record {
        began_at: list("0-12-20"),
        ended_at: Some(list("0-11-30")),
        ..record(Role::Replica)
    }
}

#[track_caller]
fn finds(gtids: &str, record: &Record, epoch: &Epoch, class: Class, words: &str) {
    let gtids: Vec<Gtid> = gtids.split(' ').map(gtid).collect();
    let finding = classify(&gtids, HERE, record, epoch);
    assert_eq!(finding.class, class, "{}", finding.reason);
    assert!(finding.reason.contains(words), "{}", finding.reason);
}

#[test]
fn what_a_primary_wrote_and_no_proven_successor_has_was_never_acknowledged() {
    let successor = epoch("n2", 4, "0-11-28");
    let reason = "n1 wrote them as primary of epoch 3";
    finds(
        "0-11-29 0-11-30",
        &former_primary(),
        &successor,
        Class::NeverAcknowledged,
        reason,
    );
    let later = epoch("n3", 7, "0-12-40");
    finds("0-11-30", &former_primary(), &later, Class::NeverAcknowledged, reason);
    let crashed = Record {
        ended_at: None,
        ..former_primary()
    };
    finds("0-11-31", &crashed, &successor, Class::NeverAcknowledged, reason);
}

#[test]
fn what_may_have_been_acknowledged_is_errant() {
    let record = former_primary();
    let successor = epoch("n2", 4, "0-11-28");
    let unproven = Epoch {
        proven: false,
        ..successor.clone()
    };
    let why = "the promotion of epoch 4 was not proven";
    finds("0-11-29", &record, &unproven, Class::Errant, why);
    let since = Epoch {
        doubted: 4,
        ..epoch("n3", 6, "")
    };
    finds("0-11-29", &record, &since, Class::Errant, why);
    let older = Epoch { doubted: 3, ..since };
    finds("0-11-29", &record, &older, Class::NeverAcknowledged, "epoch 3");
}

#[test]
fn what_was_not_written_as_primary_is_errant() {
    let successor = epoch("n2", 4, "0-11-28");
    let record = former_primary();
    let never = Record::default();
    for (gtids, record, words) in [
        (
            "0-11-29 0-13-30",
            &record,
            "0-13-30 was not written by n1 but by the server with id 13",
        ),
        ("0-11-29", &never, "0-11-29 was written by n1, which was never primary"),
        (
            "0-11-29 0-11-31",
            &record,
            "0-11-31 was written by n1 when it was not primary any more, after epoch 3",
        ),
        (
            "5-11-1",
            &record,
            "5-11-1 was written by n1 when it was not primary any more",
        ),
        (
            "0-11-20",
            &record,
            "0-11-20 was written by n1 before it was primary of epoch 3",
        ),
    ] {
        finds(gtids, record, &successor, Class::Errant, words);
    }
}

#[test]
fn the_table_of_reigns_says_in_what_capacity_others_wrote() {
    let reign = |epoch, server_id, opened, closed: Option<&str>| Reign {
        epoch,
        node: format!("n{}", server_id - 10),
        server_id,
        server_uuid: String::new(),
        opened: list(opened),
        closed: closed.map(list),
    };
    let reigns = [
        reign(1, 12, "", Some("0-12-9")),
        reign(2, 13, "0-12-9", Some("0-13-20")),
        reign(3, 12, "0-13-20", None),
    ];
    let here = Author {
        reigns: &reigns,
        ..HERE
    };
    for (text, words) in [
        ("0-12-9", "by n2, the server with id 12, as primary of epoch 1"),
        ("0-12-10", "by n2, the server with id 12, when it was not primary"),
        ("0-13-9", "by n3, the server with id 13, when it was not primary"),
        ("0-13-10", "by n3, the server with id 13, as primary of epoch 2"),
        ("0-12-21", "by n2, the server with id 12, as primary of epoch 3"),
        ("0-14-21", "by the server with id 14, which was never primary"),
    ] {
        let finding = classify(&[gtid(text)], here, &former_primary(), &epoch("n2", 4, "0-11-28"));
        assert_eq!(finding.class, Class::Errant);
        assert!(finding.reason.contains(words), "{}", finding.reason);
    }
}

#[test]
fn on_mysql_the_uuid_says_who_wrote_it() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let number = u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap();
    let here = Author {
        server_uuid: uuid,
        ..HERE
    };
    let record = Record {
        began_at: list(&format!("{uuid}:1-5")),
        ended_at: Some(list(&format!("{uuid}:1-8"))),
        ..former_primary()
    };
    let epoch = epoch("n2", 4, "");
    for (author, gno, class) in [
        (number, 8, Class::NeverAcknowledged),
        (number, 9, Class::Errant),
        (number, 5, Class::Errant),
        (number + 1, 8, Class::Errant),
    ] {
        let extra = [Gtid::MySql(mysql::Gtid::new(author, "", gno))];
        let finding = classify(&extra, here, &record, &epoch);
        assert_eq!(finding.class, class, "{}", finding.reason);
    }
}

#[test]
fn the_epoch_says_what_its_primary_has_of_the_one_before_only() {
    let record = former_primary();
    let successor = successor_has(&record, &epoch("n2", 4, "0-11-28")).unwrap();
    assert!(successor.covers(&list("0-11-28")) && !successor.covers(&list("0-11-29")));
    assert_eq!(successor_has(&record, &epoch("n2", 5, "0-12-40")), None);
}

/// Or the whole reign before it would be searched for something that the successor lacks.
#[test]
fn a_successor_has_what_its_predecessor_began_with() {
    let record = Record {
        began_at: list("0-12-20"),
        ..former_primary()
    };
    let successor = successor_has(&record, &epoch("n2", 4, "0-11-28")).unwrap();
    assert!(successor.covers(&list("0-12-20")) && successor.covers(&list("0-11-28")));
    assert!(!successor.covers(&list("0-12-21")));
}
