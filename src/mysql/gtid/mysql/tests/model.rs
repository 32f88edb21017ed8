//! Sets of intervals against sets of single transactions, which are too simple to be wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::mysql::gtid::mysql::*;

type Transaction = (usize, Option<&'static str>, u64);
type Model = BTreeSet<Transaction>;

/// Sorted as text and as number.
const UUIDS: [&str; 3] = [
    "00000000-0000-0000-0000-00000000000a",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562",
    "f350f323-7565-4e59-8763-4b1b83a0ce0e",
];
const TAGS: [Option<&str>; 4] = [None, Some("_"), Some("blue"), Some("blue_2")];

/// Intervals as somebody might write them: in any order, overlapping, with empty members.
#[derive(Debug, Clone)]
struct Written {
    intervals: Vec<(usize, Option<&'static str>, u64, u64)>,
    separator: &'static str,
    upper: bool,
}

impl Written {
    fn text(&self) -> String {
        let members = self.intervals.iter().map(|(uuid, tag, first, last)| {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let numbers = if first == last {
                format!("{first}")
            } else {
                format!("{first}-{last}")
            };
            format!("{}{tag}:{numbers}", UUIDS[*uuid])
        });
        let text = members.collect::<Vec<_>>().join(self.separator);
        if self.upper { text.to_uppercase() } else { text }
    }

    fn set(&self) -> GtidSet {
        GtidSet::parse(&self.text()).unwrap()
    }

    fn model(&self) -> Model {
        let each = |&(uuid, tag, first, last)| (first..=last).map(move |number| (uuid, tag, number));
        self.intervals.iter().flat_map(each).collect()
    }
}

fn written() -> impl Strategy<Value = Written> {
    up_to(40)
}

/// Four sets that have parts in common, so that one is often a part of another.
fn related() -> impl Strategy<Value = [Written; 4]> {
    let pick = |(parts, chosen): ([Written; 3], [[bool; 3]; 4])| {
        chosen.map(|chosen| {
            let parts = parts.iter().zip(chosen).filter(|(_, chosen)| *chosen);
            Written {
                intervals: parts.flat_map(|(part, _)| part.intervals.clone()).collect(),
                separator: ",",
                upper: false,
            }
        })
    };
    (prop::array::uniform3(up_to(4)), any::<[[bool; 3]; 4]>()).prop_map(pick)
}

fn up_to(intervals: usize) -> impl Strategy<Value = Written> {
    let interval = (0..UUIDS.len(), prop::sample::select(TAGS.to_vec()), 1..40_u64, 0..6_u64)
        .prop_map(|(uuid, tag, first, more)| (uuid, tag, first, first + more));
    let separator = prop::sample::select(vec![",", ",\n", " , ", ",,\n"]);
    (prop::collection::vec(interval, 0..=intervals), separator, any::<bool>()).prop_map(
        |(intervals, separator, upper)| Written {
            intervals,
            separator,
            upper,
        },
    )
}

/// The form of the server, made from single transactions.
fn printed(model: &Model) -> String {
    let mut text = String::new();
    let mut last: Option<Transaction> = None;
    for &(uuid, tag, number) in model {
        let begins = !model.contains(&(uuid, tag, number - 1));
        let ends = !model.contains(&(uuid, tag, number + 1));
        if last.is_none_or(|last| last.0 != uuid) {
            text.push_str(if last.is_none() { "" } else { "," });
            text.push_str(UUIDS[uuid]);
        }
        if let Some(tag) = tag.filter(|_| last.is_none_or(|last| (last.0, last.1) != (uuid, tag))) {
            text.push_str(&format!(":{tag}"));
        }
        match (begins, ends) {
            (true, _) => text.push_str(&format!(":{number}")),
            (false, true) => text.push_str(&format!("-{number}")),
            (false, false) => {}
        }
        last = Some((uuid, tag, number));
    }
    text
}

/// The same transactions as `gtid_owned` shows them: grouped by source, every number apart and with a thread.
fn owned(model: &Model) -> String {
    let mut text = String::new();
    let mut last = None;
    for &(uuid, tag, number) in model {
        if last != Some((uuid, tag)) {
            text.push_str(UUIDS[uuid]);
            text.push_str(&tag.map(|tag| format!(":{tag}")).unwrap_or_default());
        }
        last = Some((uuid, tag));
        text.push_str(&format!(":{number}#{}", number * 7));
    }
    text
}

fn config() -> ProptestConfig {
    // What fails is printed, and becomes a test with a name: no file is left behind.
    ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_read_is_printed_as_the_server_would(written in written()) {
        let (set, model) = (written.set(), written.model());
        prop_assert_eq!(set.to_string(), printed(&model));
        prop_assert_eq!(GtidSet::parse(&set.to_string()), Ok(set.clone()));
        prop_assert_eq!(GtidSet::parse_owned(&owned(&model)), Ok(set.clone()));
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(set.count(), model.len() as u128);
    }

    #[test]
    fn the_algebra_is_that_of_sets(left in written(), right in written()) {
        let (a, b) = (left.set(), right.set());
        let (x, y) = (left.model(), right.model());
        let model = |transactions: &mut dyn Iterator<Item = &Transaction>| printed(&transactions.copied().collect());
        prop_assert_eq!(a.union(&b).to_string(), model(&mut x.union(&y)));
        prop_assert_eq!(a.subtract(&b).to_string(), model(&mut x.difference(&y)));
        prop_assert_eq!(a.contains(&b), x.is_superset(&y));
        // Values are equal exactly when the sets are, however they were made.
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a == b, x == y);
        prop_assert!(a.union(&b).contains(&a) && a.contains(&a.subtract(&b)));
        prop_assert_eq!(a.subtract(&b).is_empty(), b.contains(&a));
    }

    #[test]
    fn holdings_say_what_sets_of_transactions_say(sets in related()) {
        let [executed_a, received_a, executed_b, received_b] = sets.clone().map(|written| written.model());
        let [a, received, b, other] = sets.map(|written| written.set());
        let (a, b) = (Holdings { executed: a, received }, Holdings { executed: b, received: other });
        let (all_a, all_b) = (&executed_a | &received_a, &executed_b | &received_b);
        prop_assert_eq!(a.pending().to_string(), printed(&(&received_a - &executed_a)));
        prop_assert_eq!(a.lacks(&b).to_string(), printed(&(&all_b - &executed_a)));
        prop_assert_eq!(a.lacks(&b.executed()).to_string(), printed(&(&executed_b - &executed_a)));
        prop_assert_eq!(a.covers(&b.executed), executed_a.is_superset(&executed_b));
        prop_assert_eq!(a.conflicts(&b), !all_a.is_subset(&all_b) && !all_b.is_subset(&all_a));
        prop_assert_eq!(a.conflicts(&b), b.conflicts(&a));
        // Executing what one received, and fetching what one lacks, ends with everything.
        let united = Holdings { executed: a.executed.union(&a.pending()).union(&a.lacks(&b)), ..a.clone() };
        prop_assert!(united.lacks(&a).is_empty() && united.lacks(&b).is_empty() && !united.conflicts(&b));
    }

    #[test]
    fn no_text_breaks_the_readers(
        text in "\\PC{0,60}",
        near in "[0-9a-f]{0,2}(3e11fa47-71ca-11e1-9e33-c80aa9429562)?[0-9a-zé:#, \n-]{0,40}",
    ) {
        for text in [text, near] {
            for read in [GtidSet::parse, GtidSet::parse_owned] {
                if let Ok(set) = read(&text) {
                    prop_assert_eq!(GtidSet::parse(&set.to_string()), Ok(set));
                }
            }
        }
    }
}
