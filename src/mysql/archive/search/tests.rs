use super::*;

/// An event as every server writes it, without a check sum.
fn event(kind: u8, server: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.push(kind);
    bytes.extend(server.to_le_bytes());
    bytes.extend((19 + body.len() as u32).to_le_bytes());
    bytes.extend([0; 6]);
    bytes.extend(body);
    bytes
}

fn numbers(gtid: &str) -> Vec<u64> {
    gtid.split('-').map(|part| part.parse().unwrap()).collect()
}

/// A file of MariaDB: what was there before, and transactions with one event each behind their beginnings.
fn log(before: &str, gtids: &str) -> Vec<u8> {
    let before: Vec<_> = before.split_whitespace().map(numbers).collect();
    let mut list = (before.len() as u32).to_le_bytes().to_vec();
    for gtid in before {
        list.extend((gtid[0] as u32).to_le_bytes());
        list.extend((gtid[1] as u32).to_le_bytes());
        list.extend(gtid[2].to_le_bytes());
    }
    let mut bytes = b"\xfebin".to_vec();
    bytes.extend(event(15, 11, &[0; 100]));
    bytes.extend(event(163, 11, &list));
    for gtid in gtids.split_whitespace().map(numbers) {
        let mut body = gtid[2].to_le_bytes().to_vec();
        body.extend((gtid[0] as u32).to_le_bytes());
        bytes.extend(event(162, gtid[1] as u32, &body));
        bytes.extend(event(16, gtid[1] as u32, &[0; 8]));
    }
    bytes
}

const EMPTY_HEAD: u64 = 4 + 19 + 100 + 19 + 4;
/// Of a transaction in [`log`].
const LENGTH: u64 = 19 + 12 + 19 + 8;

fn later() -> Deadline {
    Deadline::after(std::time::Duration::from_secs(60))
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new(files: &[(&str, Vec<u8>)]) -> Directory {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        Directory(directory)
    }

    fn base(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn search(&self, has: &str) -> Found {
        binary_logs(&self.base("binlog"), Ok(&at(has)), later()).unwrap()
    }
}

fn at(has: &str) -> Holdings {
    Holdings::at(&Position::parse(has).unwrap())
}

fn gtids(found: &Found) -> String {
    let gtids: Vec<String> = found
        .transactions
        .as_ref()
        .unwrap()
        .iter()
        .map(Gtid::to_string)
        .collect();
    gtids.join(" ")
}

/// Name, length of the beginning, and the part of each piece.
fn parts(found: &Found) -> Vec<(&str, u64, u64, u64)> {
    found
        .pieces
        .iter()
        .map(|piece| {
            let name = piece.path.file_name().unwrap().to_str().unwrap();
            (name, piece.head, piece.from, piece.to)
        })
        .collect()
}

#[test]
fn a_tail_is_cut_out_of_the_last_file() {
    let directory = Directory::new(&[
        ("binlog.000001", log("", "0-11-1 0-11-2")),
        ("binlog.000002", log("0-11-2", "0-11-3 0-11-4 0-11-5")),
        ("binlog.index", b"binlog.000001".to_vec()),
    ]);
    let found = directory.search("0-11-4");
    let head = EMPTY_HEAD + 16;
    let from = head + 2 * LENGTH;
    assert_eq!(gtids(&found), "0-11-5");
    assert_eq!(parts(&found), [("binlog.000002", head, from, from + LENGTH)]);
    assert_eq!(found.pieces[0].starts, [from]);
    assert_eq!((found.server_id, &found.gone), (11, &None));
}

#[test]
fn files_are_searched_back_to_where_the_primary_has_everything() {
    let directory = Directory::new(&[
        ("binlog.000009", log("", "0-11-1 0-11-2")),
        ("binlog.000010", log("0-11-2", "0-11-3 0-11-4")),
        ("binlog.000011", log("0-11-4", "")),
        ("binlog.000012", log("0-11-4", "0-11-5 5-11-1")),
    ]);
    let found = directory.search("0-11-3");
    assert_eq!(gtids(&found), "0-11-4 0-11-5 5-11-1");
    let names: Vec<_> = parts(&found)
        .iter()
        .map(|part| (part.0.to_owned(), part.1 > 0))
        .collect();
    let wanted = [
        ("binlog.000010", true),
        ("binlog.000011", false),
        ("binlog.000012", false),
    ];
    assert_eq!(names, wanted.map(|(name, cut)| (name.to_owned(), cut)));
    assert_eq!(found.gone, None);
    // The first transaction of a file needs no cut.
    assert_eq!(parts(&directory.search("0-11-2"))[0].2, 0);
    assert!(directory.search("0-11-5,5-11-1").pieces.is_empty());
}

#[test]
fn what_the_server_has_removed_is_named() {
    let directory = Directory::new(&[
        ("binlog.000007", log("0-11-6", "0-11-7")),
        ("binlog.000008", log("0-11-7", "0-11-8")),
    ]);
    let found = directory.search("0-11-4");
    assert_eq!(gtids(&found), "0-11-7 0-11-8");
    assert!(found.gone.unwrap().ends_with("binlog.000007"));
    let nothing = binary_logs(&directory.base("other"), Ok(&at("")), later()).unwrap_err();
    assert!(nothing.to_string().contains("no binary logs"), "{nothing}");
}

#[test]
fn where_transactions_cannot_be_told_the_last_file_is_taken_whole() {
    let directory = Directory::new(&[
        ("binlog.000001", log("", "0-11-1")),
        ("binlog.000002", b"\xfdbin: encrypted".to_vec()),
    ]);
    let found = directory.search("");
    assert_eq!(parts(&found), [("binlog.000002", 0, 0, 15)]);
    let why = found.transactions.unwrap_err();
    assert!(why.contains("binlog.000002") && why.contains("encrypted"), "{why}");
    let unknown = binary_logs(&directory.base("binlog"), Err("nobody said".to_owned()), later()).unwrap();
    assert_eq!(unknown.transactions.unwrap_err(), "nobody said");
    assert_eq!(unknown.pieces.len(), 1);
}

/// A server that was killed while it began a file, or in the middle of an event.
#[test]
fn files_that_are_not_complete_are_read_as_far_as_they_go() {
    let mut torn = log("0-11-2", "0-11-3 0-11-4");
    torn.truncate(torn.len() - 10);
    let directory = Directory::new(&[
        ("binlog.000001", log("", "0-11-1 0-11-2")),
        ("binlog.000002", torn),
        ("binlog.000003", Vec::new()),
    ]);
    let found = directory.search("0-11-2");
    assert_eq!(gtids(&found), "0-11-3 0-11-4");
    assert_eq!(parts(&found)[0].3, EMPTY_HEAD + 16 + LENGTH + 31, "whole events");
}

#[test]
fn a_link_in_place_of_a_file_is_not_followed() {
    let directory = Directory::new(&[("other", log("", "0-11-1"))]);
    std::os::unix::fs::symlink(directory.base("other"), directory.base("binlog.000001")).unwrap();
    assert!(binary_logs(&directory.base("binlog"), Ok(&at("")), later()).is_err());
}

#[test]
fn relay_logs_count_for_what_is_nowhere_else_and_was_received_whole() {
    let directory = Directory::new(&[
        ("binlog.000001", log("", "0-11-1 0-11-2 0-13-3")),
        ("relay.000004", log("", "0-11-2")),
        ("relay.000005", log("", "0-13-3 0-11-4 0-11-5")),
        ("relay.000006", log("", "")),
    ]);
    let add = |has: &str, received: &str| {
        let mut found = directory.search(has);
        let received = Position::parse(received).unwrap();
        add_relay_logs(&mut found, &directory.base("relay"), &at(has), &received, later()).unwrap();
        found
    };
    let found = add("0-11-2", "0-11-4");
    assert_eq!(gtids(&found), "0-13-3 0-11-4", "0-11-5 is not complete");
    let names: Vec<&str> = parts(&found).iter().map(|part| part.0).collect();
    assert_eq!(names, ["binlog.000001", "relay.000005", "relay.000006"]);
    assert!(parts(&found)[1..].iter().all(|part| part.2 == 0));
    let executed = add("0-11-2", "0-13-3");
    assert_eq!(
        executed.pieces.len(),
        1,
        "what is in the binary log is not copied again"
    );
}

/// A held node has old transactions, perhaps, and may have to read all that came since: that must not take its monitor.
#[test]
fn a_search_ends_in_time() {
    let directory = Directory::new(&[("binlog.000001", log("", "0-11-1"))]);
    let over = Deadline::after(std::time::Duration::ZERO);
    let error = binary_logs(&directory.base("binlog"), Ok(&at("")), over).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

/// It would be read from its beginning else, reign after reign.
#[test]
fn the_search_for_what_a_former_primary_wrote_ends_where_it_was_promoted() {
    let directory = Directory::new(&[
        ("binlog.000001", log("", "0-12-1 0-12-2")),
        ("binlog.000002", log("0-12-2", "0-12-3 0-11-4 0-11-5")),
    ]);
    let has = at("0-11-4").and(&Position::parse("0-12-3").unwrap());
    let found = binary_logs(&directory.base("binlog"), Ok(&has), later()).unwrap();
    assert_eq!(gtids(&found), "0-11-5");
    assert_eq!(found.gone, None);
    std::fs::remove_file(directory.base("binlog.000001")).unwrap();
    let found = binary_logs(&directory.base("binlog"), Ok(&has), later()).unwrap();
    assert_eq!(found.gone, None, "the older file is not missed");
}
