mod model;
mod speed;

use super::*;

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "4350f323-7565-4e59-8763-4b1b83a0ce0e";

/// Sets are written with `a` and `b` for the uuids of two servers.
fn set(text: &str) -> GtidSet {
    GtidSet::parse(&full(text)).unwrap()
}

fn full(text: &str) -> String {
    text.replace("a:", &format!("{A}:")).replace("b:", &format!("{B}:"))
}

fn holds(executed: &str, received: &str) -> Holdings {
    Holdings {
        executed: set(executed),
        received: set(received),
    }
}

#[test]
fn a_set_is_printed_in_the_servers_order_and_form() {
    for (read, printed) in [
        ("", ""),
        (" ,\n, ", ""),
        ("a:1", "a:1"),
        ("a:1-1", "a:1"),
        ("a:1-5:7", "a:1-5:7"),
        ("b:1,a:2", "a:2,b:1"),
        ("a:1-3,\nb:4-6:8", "a:1-3,b:4-6:8"),
        (" a: 1 - 3 : 5 ,\n b:1 ", "a:1-3:5,b:1"),
        ("a:7:1-3:5:4", "a:1-5:7"),
        ("a:1-10:3-5:10-12", "a:1-12"),
        ("a:1-3,b:1,a:4", "a:1-4,b:1"),
        ("a:1-3:tag:4-6", "a:1-3:tag:4-6"),
        ("a:tag:1:other:2:tag:2", "a:other:2:tag:1-2"),
        ("a:tag:1,a:5", "a:5:tag:1"),
        (
            "a:Domain_1:1-3:15-21,\na:Domain_2:8-52",
            "a:domain_1:1-3:15-21:domain_2:8-52",
        ),
        ("a:_:1:_1:2", "a:_:1:_1:2"),
        ("a:9223372036854775806", "a:9223372036854775806"),
    ] {
        assert_eq!(set(read).to_string(), full(printed), "{read}");
    }
    let upper = "3E11FA47-71CA-11E1-9E33-C80AA9429562:1:TAG:2";
    assert_eq!(GtidSet::parse(upper).unwrap().to_string(), upper.to_lowercase());
    let zeros = "00000000-0000-0000-0000-00000000000f:1";
    assert_eq!(GtidSet::parse(zeros).unwrap().to_string(), zeros);
}

#[test]
fn what_is_no_set_is_named() {
    let long = "x".repeat(33);
    for (bad, named) in [
        (A, A),
        ("0-1-5", "0-1-5"),
        ("3e11fa47:1", "3e11fa47"),
        ("3e11fa4771ca11e19e33c80aa9429562:1", "3e11fa4771ca11e19e33c80aa9429562"),
        (
            "3e11fa47-71ca-11e1-9e33-c80aa942956x:1",
            "3e11fa47-71ca-11e1-9e33-c80aa942956x",
        ),
        (
            "+e11fa47-71ca-11e1-9e33-c80aa9429562:1",
            "+e11fa47-71ca-11e1-9e33-c80aa9429562",
        ),
        ("a:", ""),
        ("a:1:", ""),
        ("a:0", "0"),
        ("a:5-3", "5-3"),
        ("a:1-", "1-"),
        ("a:-1", "-1"),
        ("a:+1", "+1"),
        ("a:1-2-3", "1-2-3"),
        ("a:0x10", "0x10"),
        ("a:9223372036854775807", "9223372036854775807"),
        ("a:99999999999999999999", "99999999999999999999"),
        ("a:1:tag", "tag"),
        ("a:one:two:1", "two"),
        ("a:1tag:1", "1tag"),
        ("a:t-g:1", "t-g"),
        ("a:täg:1", "täg"),
        (&format!("a:{long}:1"), &long),
        ("a:1;b:2", "1;4350f323-7565-4e59-8763-4b1b83a0ce0e"),
        ("a:1#5", "1#5"),
    ] {
        let error = GtidSet::parse(&full(bad)).unwrap_err();
        let shown = format!("not a set of GTIDs: \"{named}\" in \"{}\"", full(bad));
        assert_eq!(error, shown);
    }
}

#[test]
fn what_is_being_executed_is_read_with_or_without_commas() {
    let owned = |text: &str| GtidSet::parse_owned(&full(text)).map(|set| set.to_string());
    for (read, printed) in [
        ("", ""),
        ("a:1#123", "a:1"),
        ("a:1#123,b:2#124", "a:1,b:2"),
        ("a:23#5:24#6", "a:23-24"),
        ("a:24#6:23#5:30#7b:1#88", "a:23-24:30,b:1"),
        ("a:1#123b:2#124", "a:1,b:2"),
        ("a:tag:1#5b:2#6,\nb:tag:9#7", "a:tag:1,b:2:tag:9"),
    ] {
        assert_eq!(owned(read), Ok(full(printed)), "{read}");
    }
    for (bad, named) in [
        (A, A),
        ("a:", ""),
        ("a:1", "1"),
        ("a:1#", "1#"),
        ("a:1#x", "1#x"),
        ("a:#5", "#5"),
        ("a:0#5", "0#5"),
        ("a:1-3#5", "1-3#5"),
        ("a:1#5:", ""),
        ("a:1#5,b", "b"),
        ("a:1#5-", "1#5-"),
        ("a:1#5é1234567-", "1#5é1234567-"),
        ("a:1#5b:tag", "tag"),
    ] {
        let shown = format!("not a set of GTIDs: \"{named}\" in \"{}\"", full(bad));
        assert_eq!(owned(bad).unwrap_err(), shown);
    }
}

#[test]
fn what_mysql_9_7_prints_as_owned_is_read() {
    let printed = "00000000-0000-0000-0000-00000000000a:9#113e11fa47-71ca-11e1-9e33-c80aa9429562:23#12:24#10\
        3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:1#153e11fa47-71ca-11e1-9e33-c80aa9429562:tag:6#14:5#13\
        f350f323-7565-4e59-8763-4b1b83a0ce0e:2#9";
    let owned = "00000000-0000-0000-0000-00000000000a:9,3e11fa47-71ca-11e1-9e33-c80aa9429562:23-24:blue:1:tag:5-6,\
        f350f323-7565-4e59-8763-4b1b83a0ce0e:2";
    assert_eq!(GtidSet::parse_owned(printed).unwrap().to_string(), owned);
}

#[test]
fn a_text_that_is_no_set_is_shown_on_one_line_and_if_long_by_its_beginning() {
    let error = GtidSet::parse(&full("a:1,\nb:x")).unwrap_err();
    assert_eq!(error, format!("not a set of GTIDs: \"x\" in \"{A}:1,\\n{B}:x\""));
    let error = GtidSet::parse(&full(&format!("a:{}", "é".repeat(500)))).unwrap_err();
    let (part, around) = ("é".repeat(200), "é".repeat(200 - 37));
    assert_eq!(
        error,
        format!("not a set of GTIDs: \"{part}...\" in \"{A}:{around}...\"")
    );
}

#[test]
fn sets_are_united_subtracted_and_compared() {
    for (left, right, union, rest, contains) in [
        ("", "", "", "", true),
        ("a:1-5", "", "a:1-5", "a:1-5", true),
        ("", "a:1-5", "a:1-5", "", false),
        ("a:1-5", "b:1-5", "a:1-5,b:1-5", "a:1-5", false),
        ("a:1-5", "a:6", "a:1-6", "a:1-5", false),
        ("a:1-9", "a:4-6", "a:1-9", "a:1-3:7-9", true),
        ("a:1-3:7-9", "a:2-8", "a:1-9", "a:1:9", false),
        ("a:1-3:7-9:20", "a:1-9", "a:1-9:20", "a:20", false),
        ("a:1-20", "a:1:3:20", "a:1-20", "a:2:4-19", true),
        ("a:1-5", "a:tag:1-5", "a:1-5:tag:1-5", "a:1-5", false),
        ("a:1-5:tag:1,b:1", "a:2:tag:1", "a:1-5:tag:1,b:1", "a:1:3-5,b:1", true),
    ] {
        let what = format!("{left} and {right}");
        let (left, right) = (set(left), set(right));
        assert_eq!(left.union(&right), set(union), "{what}");
        assert_eq!(left.subtract(&right), set(rest), "{what}");
        assert_eq!(left.contains(&right), contains, "{what}");
    }
}

#[test]
fn transactions_are_counted() {
    assert_eq!(set("").count(), 0);
    assert_eq!(set("a:1-5:7:tag:1-2,b:9").count(), 9);
    let most = "a:1-9223372036854775806:tag:1-9223372036854775806:other:1-9223372036854775806";
    assert_eq!(set(most).count(), 3 * 9_223_372_036_854_775_806);
}

#[test]
fn a_replica_that_received_more_is_ahead_before_it_applies() {
    let behind = holds("a:1-5", "a:1-5");
    let ahead = holds("a:1-5", "a:3-9");
    assert_eq!(behind.lacks(&ahead), set("a:6-9"));
    assert!(ahead.lacks(&behind).is_empty());
    assert_eq!(ahead.pending(), set("a:6-9"));
    assert!(ahead.executed().pending().is_empty() && behind.lacks(&ahead.executed()).is_empty());
    assert!(ahead.covers(&set("a:2")) && !ahead.covers(&set("a:6")));
    assert!(!behind.conflicts(&ahead) && !ahead.conflicts(&behind));
}

#[test]
fn a_conflict_needs_something_on_each_side_that_never_reached_the_other() {
    let conflict = |left: Holdings, right: Holdings| {
        assert_eq!(left.conflicts(&right), right.conflicts(&left), "{left:?} {right:?}");
        left.conflicts(&right)
    };
    assert!(conflict(holds("a:1-5,b:1", ""), holds("a:1-6", "")));
    assert!(conflict(holds("a:1-6", ""), holds("a:1-5:tag:1", "")));
    assert!(
        !conflict(holds("a:1-5,b:1", ""), holds("a:1-5", "")),
        "b:1 can be fetched"
    );
    // One applied more, the other received more: the same history, seen at different moments.
    assert!(!conflict(holds("a:1-7", "a:1-7"), holds("a:1-5", "a:1-9")));
    // Appliers that do not keep the order.
    assert!(!conflict(holds("a:1-5:7", "a:1-7"), holds("a:1-6", "a:1-7")));
    // The tail that waits in a relay log will be executed, whatever this server wrote meanwhile.
    assert!(conflict(holds("a:1-5,b:1", "a:1-5"), holds("a:1-5", "a:1-7")));
}
