//! What both families have in common; each family's own claims are in its file.

use super::*;

const SET: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag:7";

fn position(text: &str) -> Position {
    Position::parse(text).unwrap()
}

fn mariadb(history: &str, received: &str) -> Holdings {
    Holdings::MariaDb(mariadb::Holdings {
        history: GtidList::parse(history).unwrap(),
        applied: GtidList::default(),
        received: GtidList::parse(received).unwrap(),
    })
}

fn mysql(executed: &str, received: &str) -> Holdings {
    Holdings::MySql(mysql::Holdings {
        executed: GtidSet::parse(executed).unwrap(),
        received: GtidSet::parse(received).unwrap(),
    })
}

#[test]
fn a_position_is_read_by_its_shape_and_written_as_its_server_does() {
    assert!(matches!(position("0-1-5,1-1-7"), Position::MariaDb(_)));
    assert!(matches!(position(SET), Position::MySql(_)));
    for text in ["", "0-1-5,1-1-7", SET] {
        let json = serde_json::to_string(&position(text)).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position(text));
    }
    for bad in [
        "0-1",
        "0-1-5:7",
        "nonsense",
        "0-1-5,3e11fa47-71ca-11e1-9e33-c80aa9429562:1",
    ] {
        assert!(Position::parse(bad).unwrap_err().contains(bad), "{bad}");
    }
}

#[test]
fn an_empty_position_is_the_same_in_every_family() {
    let of_mysql = Position::MySql(GtidSet::default());
    assert_eq!(of_mysql, Position::default());
    assert_eq!(Position::default(), of_mysql);
    assert_eq!(position(" \n"), of_mysql);
    assert!(of_mysql.is_empty() && !position(SET).is_empty() && !position("0-1-5").is_empty());
    assert_ne!(of_mysql, position(SET));
    assert_ne!(position("0-1-5"), of_mysql);
    assert_ne!(position("0-1-5"), position(SET));
}

#[test]
fn holdings_travel_as_json_and_those_of_earlier_versions_are_read() {
    let old = r#"{"history":"0-1-5","applied":"","received":"0-1-9"}"#;
    assert_eq!(
        serde_json::from_str::<Holdings>(old).unwrap(),
        mariadb("0-1-5", "0-1-9")
    );
    assert_eq!(serde_json::to_string(&mariadb("0-1-5", "0-1-9")).unwrap(), old);
    let set = format!(r#"{{"executed":"{SET}","received":""}}"#);
    assert_eq!(serde_json::from_str::<Holdings>(&set).unwrap(), mysql(SET, ""));
    assert_eq!(serde_json::to_string(&mysql(SET, "")).unwrap(), set);
    for (bad, named) in [
        (r#"{"history":"0-1-5","applied":"","received":"0-1"}"#, "0-1"),
        (r#"{"executed":"nonsense","received":""}"#, "nonsense"),
        (r#"{"executed":"","received":"0-1-5"}"#, "0-1-5"),
        (r#"{"history":"0-1-5","received":""}"#, "neither"),
        (r#"{"history":"","applied":"","executed":"","received":""}"#, "neither"),
        (r#"{"executed":""}"#, "received"),
    ] {
        let error = serde_json::from_str::<Holdings>(bad).unwrap_err().to_string();
        assert!(error.contains(named), "{bad}: {error}");
    }
}

#[test]
fn both_families_answer_the_same_questions() {
    let other = SET.replace("1-5", "1-9");
    for (behind, ahead, here, there, missing) in [
        (
            mariadb("0-1-5", ""),
            mariadb("0-1-5", "0-1-9"),
            "0-1-5",
            "0-1-9",
            "0-1-9",
        ),
        (
            mysql(SET, ""),
            mysql(SET, &other),
            SET,
            other.as_str(),
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:6-9",
        ),
    ] {
        assert_eq!(behind.lacks(&ahead), position(missing));
        assert_eq!(ahead.pending(), position(missing));
        assert!(ahead.covers(&position(here)) && !ahead.covers(&position(there)));
        assert!(ahead.covers(&Position::default()));
        assert_eq!(ahead.received(), position(there));
        assert!(!ahead.is_received_empty() && ahead.executed().is_received_empty());
        assert_eq!(ahead.resume_position(), position(here));
        assert_eq!(ahead.knowing(1, &position(here)), ahead);
        assert!(!behind.conflicts(&ahead));
    }
    assert_eq!(mysql(SET, "").applied(), position(SET));
    assert!(
        mariadb("0-1-5", "").applied().is_empty(),
        "its own transactions are not applied ones"
    );
}

#[test]
fn servers_of_different_families_share_nothing() {
    let (of_mariadb, of_mysql) = (mariadb("0-1-5", "0-1-9"), mysql(SET, ""));
    assert_eq!(of_mysql.lacks(&of_mariadb), position("0-1-9"));
    assert_eq!(of_mariadb.lacks(&of_mysql), position(SET));
    assert!(of_mariadb.conflicts(&of_mysql) && of_mysql.conflicts(&of_mariadb));
    assert!(!of_mariadb.covers(&position(SET)) && !of_mysql.covers(&position("0-1-5")));
    assert!(of_mariadb.covers(&Position::MySql(GtidSet::default())));
    assert_eq!(of_mariadb.knowing(1, &position(SET)), of_mariadb);
    assert_eq!(of_mysql.knowing(1, &position("0-1-5")), of_mysql);
}

#[test]
fn what_a_replica_wrote_itself_is_told_apart() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let other = "4e11fa47-71ca-11e1-9e33-c80aa9429562";
    let set = |text: &str| mysql::GtidSet::parse(text).unwrap();
    let mine = Holdings::MySql(mysql::Holdings {
        executed: set(&format!("{uuid}:1-7,{other}:1-9")),
        received: set(""),
    });
    let known = Position::MySql(set(&format!("{uuid}:1-5")));
    let told = mine.without_own(1, uuid, &known);
    assert_eq!(
        told.resume_position(),
        Position::MySql(set(&format!("{uuid}:1-5,{other}:1-9")))
    );
    let nothing = mine.without_own(1, uuid, &Position::default());
    assert_eq!(nothing.resume_position(), Position::MySql(set(&format!("{other}:1-9"))));
    let list = |text: &str| mariadb::GtidList::parse(text).unwrap();
    let mine = Holdings::MariaDb(mariadb::Holdings {
        history: list("0-1-5,0-3-4,9-3-1"),
        applied: list("0-1-5"),
        received: list(""),
    });
    let told = mine.without_own(3, "", &Position::MariaDb(list("0-3-4")));
    assert!(told.covers(&Position::MariaDb(list("0-1-5,0-3-4"))));
    assert!(!told.covers(&Position::MariaDb(list("9-3-1"))));
}
