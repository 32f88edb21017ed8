use super::*;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn mariadb(text: &str) -> Gtid {
    let numbers: Vec<u64> = text.split('-').map(|part| part.parse().unwrap()).collect();
    Gtid::MariaDb(mariadb::Gtid {
        domain: numbers[0] as u32,
        server: numbers[1] as u32,
        sequence: numbers[2],
    })
}

fn mysql(tag: &str, number: u64) -> Gtid {
    Gtid::MySql(mysql::Gtid::new(
        u128::from_str_radix(&UUID.replace('-', ""), 16).unwrap(),
        tag,
        number,
    ))
}

fn primary(history: &str, applied: &str) -> Holdings {
    let list = |text| mariadb::GtidList::parse(text).unwrap();
    Holdings::MariaDb(mariadb::Holdings {
        history: list(history),
        applied: list(applied),
        received: list(""),
    })
}

/// What of a binary log is extra, in words.
fn beyond(has: &Holdings, log: &[Gtid]) -> String {
    let mut extras = Extras::beyond(has);
    for (place, gtid) in log.iter().enumerate() {
        extras.see(gtid.clone(), place);
    }
    let found = extras.found();
    assert!(found.iter().all(|(gtid, place)| log[*place] == *gtid));
    found.iter().map(|(gtid, _)| gtid).collect::<Transactions>().to_string()
}

fn log(text: &str) -> Vec<Gtid> {
    text.split(' ').map(mariadb).collect()
}

#[test]
fn a_tail_is_what_comes_behind_the_last_common_transaction() {
    let has = primary("0-1-7,0-2-9", "0-1-7");
    assert_eq!(beyond(&has, &log("0-1-6 0-1-7 0-1-8 0-1-9")), "0-1-8 to 0-1-9");
    assert_eq!(beyond(&has, &log("0-1-6 0-1-7")), "");
    assert_eq!(beyond(&has, &log("0-1-7 0-3-8 5-1-1 0-3-11")), "0-3-8, 0-3-11, 5-1-1");
}

#[test]
fn what_a_seeded_primary_does_not_show_is_not_extra() {
    // Seeded when server 3 was primary no more.
    let has = primary("0-1-9", "0-1-6");
    assert_eq!(beyond(&has, &log("0-3-4 0-3-5 0-1-6 0-1-9 0-1-10")), "0-1-10");
    // Another domain says nothing of this one.
    assert_eq!(beyond(&has, &log("7-3-5 0-1-9")), "7-3-5");
}

#[test]
fn a_foreign_transaction_before_a_common_one_is_extra_where_its_server_is_known() {
    let has = primary("0-3-2,0-1-9", "");
    assert_eq!(beyond(&has, &log("0-3-2 0-3-6 0-1-9")), "0-3-6");
}

#[test]
fn of_mysql_the_set_decides() {
    let set = |text: &str| mysql::GtidSet::parse(&format!("{UUID}:{text}")).unwrap();
    let has = Holdings::MySql(mysql::Holdings {
        executed: set("1-5:blue:1-2"),
        received: set("6"),
    });
    let log = [
        mysql("", 5),
        mysql("", 6),
        mysql("blue", 2),
        mysql("blue", 3),
        mysql("", 8),
    ];
    assert_eq!(beyond(&has, &log), format!("{UUID}:6:8:blue:3"));
    let all: Transactions = log.iter().collect();
    assert_eq!(all.count(), 5);
}

#[test]
fn a_position_reaches_what_was_written_before_it() {
    let at = |text: &str| Position::parse(text).unwrap();
    assert!(at("0-1-7").reaches(&mariadb("0-2-7")) && at("0-1-7").reaches(&mariadb("0-1-6")));
    assert!(!at("0-1-7").reaches(&mariadb("0-1-8")) && !at("0-1-7").reaches(&mariadb("1-1-1")));
    let set = at(&format!("{UUID}:1-5"));
    assert!(set.reaches(&mysql("", 5)) && !set.reaches(&mysql("", 6)) && !set.reaches(&mysql("blue", 1)));
    assert!(
        !at("").reaches(&mariadb("0-1-1")) && !set.reaches(&mariadb("0-1-1")) && !at("0-1-7").reaches(&mysql("", 1))
    );
}

#[test]
fn who_wrote_a_transaction_is_in_its_name() {
    assert!(mariadb("0-11-5").is_by(11, UUID) && !mariadb("0-11-5").is_by(12, UUID));
    assert!(mysql("blue", 5).is_by(1, &UUID.to_uppercase()) && !mysql("", 5).is_by(1, ""));
    assert_eq!(mariadb("0-11-5").author(), "the server with id 11");
    assert_eq!(mysql("blue", 5).author(), format!("the server with uuid {UUID}"));
}
