use std::io::Cursor;

use super::*;

const MARIADB: &[u8] = include_bytes!("../../../tests/fixtures/binlog/mariadb-10.11.bin");
const MYSQL: &[u8] = include_bytes!("../../../tests/fixtures/binlog/mysql-9.7.bin");
/// The server that wrote it.
const UUID: &str = "ef8908f4-e5b7-11f1-ab7d-299fa456c4d6";

fn open(bytes: &[u8]) -> Result<Log<Cursor<&[u8]>>> {
    Log::open(Cursor::new(bytes), bytes.len() as u64)
}

fn transactions(bytes: &[u8]) -> Vec<(u64, String)> {
    let found = open(bytes).unwrap().filter_map(|event| match event.unwrap() {
        Event {
            offset,
            entry: Entry::Transaction(gtid),
            ..
        } => Some((offset, gtid.to_string())),
        _ => None,
    });
    found.collect()
}

fn named(offset: u64, gtid: &str) -> (u64, String) {
    (offset, gtid.to_owned())
}

#[test]
fn transactions_of_mariadb_have_their_places() {
    let found = transactions(MARIADB);
    assert_eq!(
        found,
        [named(379, "0-11-4"), named(586, "0-11-5"), named(793, "5-11-1")]
    );
}

#[test]
fn transactions_of_mysql_have_their_places_and_tags() {
    let of = |offset, rest: &str| named(offset, &format!("{UUID}:{rest}"));
    let found = transactions(MYSQL);
    assert_eq!(
        found,
        [of(244, "4"), of(514, "blue:2"), of(789, "green_1:1"), of(1067, "5")]
    );
}

#[test]
fn the_head_says_what_was_there_before_and_where_transactions_begin() {
    let mariadb = head(open(MARIADB).unwrap()).unwrap();
    assert_eq!((mariadb.server_id, mariadb.length), (11, 379));
    assert_eq!(mariadb.before, Some(Position::parse("0-11-3").unwrap()));
    let mysql = head(open(MYSQL).unwrap()).unwrap();
    assert_eq!((mysql.server_id, mysql.length), (11, 244));
    assert_eq!(
        mysql.before,
        Some(Position::parse(&format!("{UUID}:1-3:blue:1")).unwrap())
    );
}

#[test]
fn sets_without_tags_have_a_form_of_their_own() {
    let mut body = Vec::new();
    body.extend(1_u64.to_le_bytes());
    body.extend(0x0a_u128.to_be_bytes());
    body.extend(2_u64.to_le_bytes());
    for bound in [1_u64, 4, 7, 8] {
        body.extend(bound.to_le_bytes());
    }
    let read = previous_gtids(&body).unwrap();
    assert_eq!(read.to_string(), "00000000-0000-0000-0000-00000000000a:1-3:7");
    assert_eq!(previous_gtids(&body[..body.len() - 1]), None);
}

/// Whatever is at the end of a file that is being written, what is before it is found.
#[test]
fn an_event_that_is_not_complete_is_not_there() {
    for (bytes, last) in [(MARIADB, 793), (MYSQL, 1067)] {
        let all = transactions(bytes);
        for length in 4..bytes.len() {
            let found = transactions(&bytes[..length]);
            assert!(all.starts_with(&found), "{length}");
            assert!(length < bytes.len() - 200 || found.len() >= all.len() - 1, "{length}");
        }
        assert_eq!(transactions(&bytes[..last + 19]).len(), all.len() - 1);
    }
}

#[test]
fn what_a_server_had_before_is_unknown_until_it_is_written() {
    assert_eq!(head(open(&MARIADB[..256]).unwrap()).unwrap().before, None);
    assert_eq!(head(open(&MYSQL[..127]).unwrap()).unwrap().before, None);
}

#[test]
fn other_files_and_encrypted_ones_are_refused() {
    for (bytes, why) in [
        (b"\xfdbin and so on".as_slice(), "encrypted"),
        (b"SQLite format 3".as_slice(), "no binary log"),
    ] {
        let error = open(bytes).err().unwrap();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(open(b"").unwrap().count(), 0);
    let mut broken = MARIADB.to_vec();
    broken[379 + 9..379 + 13].fill(0);
    assert!(open(&broken).unwrap().any(|event| event.is_err()));
    let mut encrypted = MARIADB.to_vec();
    encrypted[256 + 4] = kind::START_ENCRYPTION;
    assert!(head(open(&encrypted).unwrap()).is_err());
}

#[test]
fn numbers_of_variable_length_are_read() {
    for (bytes, number) in [
        (vec![0x04], 2),
        (vec![0xbd, 0x03], 239),
        (vec![0xfb, 0xff, 0x07], 0xffff),
        (vec![0xff, 1, 0, 0, 0, 0, 0, 0, 0x80], 0x8000_0000_0000_0001),
        (vec![0x7f, 1, 0, 0, 0, 0, 0, 0x80], 0x0080_0000_0000_0001),
    ] {
        assert_eq!(Fields(&bytes).varlen(), Some(number), "{bytes:x?}");
    }
    assert_eq!(Fields(&[0xff, 1]).varlen(), None);
    assert_eq!(Fields(&[]).varlen(), None);
}
