//! MySQL's sets of global transaction ids, `uuid:1-5:7:tag:2`, and what two servers' sets say of each other.
//!
//! Invariant: no I/O here. <https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html>
//!
//! A set names every transaction: unlike a position of MariaDB it implies nothing, so all questions are set algebra.

pub(super) mod packed;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::intervals::{Interval, Intervals};

/// The number after the last one that the server gives away.
const END_OF_NUMBERS: u64 = i64::MAX.cast_unsigned();
/// Characters of the text of a uuid.
const UUID_LENGTH: usize = 36;
/// Characters of the longest tag.
const TAG_LENGTH: usize = 32;
/// How many characters of a text that is no set are shown.
const SHOWN: usize = 200;

/// `server_uuid` of the server that wrote a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Uuid(u128);

impl Uuid {
    fn parse(text: &str) -> Option<Uuid> {
        let mut uuid = 0;
        for (place, character) in text.chars().enumerate() {
            match place {
                8 | 13 | 18 | 23 if character == '-' => {}
                8 | 13 | 18 | 23 | UUID_LENGTH.. => return None,
                _ => uuid = uuid << 4 | u128::from(character.to_digit(16)?),
            }
        }
        (text.len() == UUID_LENGTH).then_some(Uuid(uuid))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        f.write_str(&parts.join("-"))
    }
}

/// Who counts transactions: a server, and since 8.3 each of its tags apart. Sorted as the server prints them: what has no
/// tag comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Source {
    uuid: Uuid,
    /// In lower case, as the server keeps it.
    tag: Option<String>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gtid {
    source: Source,
    number: u64,
}

impl Gtid {
    /// A transaction as a binary log names it; the tag is empty where there is none.
    pub(crate) fn new(uuid: u128, tag: &str, number: u64) -> Gtid {
        let tag = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
        Gtid {
            source: Source { uuid: Uuid(uuid), tag },
            number,
        }
    }

    pub(super) fn is_by(&self, uuid: &str) -> bool {
        Uuid::parse(uuid) == Some(self.source.uuid)
    }

    pub(super) fn uuid(&self) -> impl fmt::Display {
        self.source.uuid
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [self].into_iter().collect::<GtidSet>().fmt(f)
    }
}

/// A set of transactions, such as `gtid_executed`. Printed in the server's order and form, but on one line: the server
/// breaks it behind each comma, and accepts it either way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct GtidSet(BTreeMap<Source, Intervals>);

impl GtidSet {
    /// Reads a server's set, in any order, case and spacing.
    ///
    /// # Errors
    /// The part that has no place in a set, and the text around it.
    pub(crate) fn parse(text: &str) -> Result<GtidSet, String> {
        let read = |text| {
            let mut found = Found::default();
            for member in members(text) {
                let (uuid, items) = member.split_once(':').ok_or(member)?;
                found.add(uuid, items, numbers)?;
            }
            Ok(found.set())
        };
        read(text).map_err(|part| not_a_set(part, text))
    }

    /// Reads `@@global.gtid_owned`, the transactions that are being executed or committed right now, each with the thread
    /// that owns it: `uuid:23#5:24#6`. The server puts nothing between the last thread and the next uuid.
    ///
    /// # Errors
    /// The part that has no place there, and the text around it.
    pub(crate) fn parse_owned(text: &str) -> Result<GtidSet, String> {
        let read = |text| {
            let mut found = Found::default();
            for mut rest in members(text) {
                while !rest.is_empty() {
                    let (uuid, behind) = rest.split_at_checked(UUID_LENGTH).ok_or(rest)?;
                    let items = behind.strip_prefix(':').ok_or(rest)?;
                    // No dash belongs to these items: the first one is behind eight digits of the next uuid.
                    let end = items.find('-').map_or(Some(items.len()), |dash| dash.checked_sub(8));
                    let (items, next) = end.and_then(|end| items.split_at_checked(end)).ok_or(items)?;
                    found.add(uuid, items, owned_number)?;
                    rest = next;
                }
            }
            Ok(found.set())
        };
        read(text).map_err(|part| not_a_set(part, text))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many transactions there are.
    pub(crate) fn count(&self) -> u128 {
        self.0.values().map(Intervals::count).sum()
    }

    pub(crate) fn union(&self, other: &GtidSet) -> GtidSet {
        let mut all = self.0.clone();
        for (source, theirs) in &other.0 {
            let ours = all.entry(source.clone()).or_default();
            *ours = ours.union(theirs);
        }
        GtidSet(all)
    }

    /// What is here and not in `other`.
    pub(crate) fn subtract(&self, other: &GtidSet) -> GtidSet {
        let left = self.0.iter().map(|(source, ours)| match other.0.get(source) {
            Some(theirs) => (source.clone(), ours.subtract(theirs)),
            None => (source.clone(), ours.clone()),
        });
        GtidSet(left.filter(|(_, left)| !left.is_empty()).collect())
    }

    /// Whether the transaction is here.
    pub(super) fn has(&self, gtid: &Gtid) -> bool {
        self.0.get(&gtid.source).is_some_and(|numbers| numbers.has(gtid.number))
    }

    /// Whether everything in `other` is here.
    pub(crate) fn contains(&self, other: &GtidSet) -> bool {
        let has = |(source, theirs)| self.0.get(source).is_some_and(|ours| ours.contains(theirs));
        other.0.iter().all(has)
    }

    /// The transactions of one server, whatever their tags.
    pub(crate) fn written_by(&self, uuid: &str) -> GtidSet {
        let uuid = Uuid::parse(uuid);
        let own = self.0.iter().filter(|(source, _)| Some(source.uuid) == uuid);
        GtidSet(
            own.map(|(source, intervals)| (source.clone(), intervals.clone()))
                .collect(),
        )
    }
}

impl<'a> FromIterator<&'a Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = &'a Gtid>>(gtids: I) -> GtidSet {
        gtids.into_iter().map(|gtid| (gtid.clone(), gtid.number)).collect()
    }
}

/// Ranges, each of a first transaction and the number of the last one.
impl FromIterator<(Gtid, u64)> for GtidSet {
    fn from_iter<I: IntoIterator<Item = (Gtid, u64)>>(ranges: I) -> GtidSet {
        let mut found = Found::default();
        for (Gtid { source, number: first }, last) in ranges {
            found.0.entry(source).or_default().push(Interval { first, last });
        }
        found.set()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (Source { uuid, tag }, intervals) in &self.0 {
            if last != Some(uuid) {
                let comma = if last.is_none() { "" } else { "," };
                write!(f, "{comma}{uuid}")?;
            }
            last = Some(uuid);
            if let Some(tag) = tag {
                write!(f, ":{tag}")?;
            }
            for Interval { first, last } in intervals.iter() {
                write!(f, ":{first}")?;
                if first < last {
                    write!(f, "-{last}")?;
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for GtidSet {
    type Error = String;

    fn try_from(text: String) -> Result<GtidSet, String> {
        packed::unpack(&text).unwrap_or_else(|| GtidSet::parse(&text))
    }
}

impl From<GtidSet> for String {
    fn from(set: GtidSet) -> String {
        packed::pack(&set)
    }
}

/// What stands between commas, without the empty rest behind a last one.
fn members(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|member| !member.is_empty())
}

fn not_a_set(part: &str, text: &str) -> String {
    // Quoted so that a line break is shown, not made: a reason is one line.
    format!("not a set of GTIDs: {:?} in {:?}", beginning(part), beginning(text))
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// What was read so far, in the order of the text.
#[derive(Default)]
struct Found(BTreeMap<Source, Vec<Interval>>);

impl Found {
    /// Adds what is behind a uuid: numbers as `read` understands them, and tags that hold for the numbers behind them.
    ///
    /// # Errors
    /// The part that is neither.
    fn add<'a>(&mut self, uuid: &'a str, items: &'a str, read: fn(&str) -> Option<Interval>) -> Result<(), &'a str> {
        let uuid = Uuid::parse(uuid.trim()).ok_or(uuid)?;
        let mut source = Source { uuid, tag: None };
        let mut items = items.split(':').map(str::trim).peekable();
        while let Some(item) = items.peek().copied() {
            if let Some(tag) = tag(item) {
                source.tag = Some(tag);
                items.next();
            }
            let intervals = self.0.entry(source.clone()).or_default();
            // A tag alone is no transaction.
            let mut next = Some(items.next().unwrap_or(item));
            while let Some(item) = next {
                intervals.push(read(item).ok_or(item)?);
                next = items.next_if(|item| tag(item).is_none());
            }
        }
        Ok(())
    }

    fn set(self) -> GtidSet {
        let sets = self
            .0
            .into_iter()
            .map(|(source, found)| (source, found.into_iter().collect()));
        GtidSet(sets.collect())
    }
}

/// Letters, digits and underscores; no digit in front.
fn tag(item: &str) -> Option<String> {
    let starts = item.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_tag = starts && item.len() <= TAG_LENGTH && item.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    is_tag.then(|| item.to_ascii_lowercase())
}

/// `7` or `1-5`.
fn numbers(item: &str) -> Option<Interval> {
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(Interval { first, last })
}

/// `23#5`: a number and the thread that owns it.
fn owned_number(item: &str) -> Option<Interval> {
    let (first, thread) = item.split_once('#')?;
    let is_thread = !thread.is_empty() && thread.bytes().all(|digit| digit.is_ascii_digit());
    let first = number(first).filter(|_| is_thread)?;
    Some(Interval { first, last: first })
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let number: u64 = text.parse().ok().filter(|_| !text.starts_with('+'))?;
    (1..END_OF_NUMBERS).contains(&number).then_some(number)
}

/// What one server has, as far as it can say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Holdings {
    /// `gtid_executed`: everything in the data, whoever wrote it.
    pub(crate) executed: GtidSet,
    /// `RECEIVED_TRANSACTION_SET`: everything that the relay logs have held since they were last emptied.
    pub(crate) received: GtidSet,
}

impl Holdings {
    /// Transactions that this server has received and not executed yet.
    pub(super) fn pending(&self) -> GtidSet {
        self.received.subtract(&self.executed)
    }

    /// What `other` has and this server has not executed.
    pub(super) fn lacks(&self, other: &Holdings) -> GtidSet {
        other.all().subtract(&self.executed)
    }

    /// The same server without what it received and has not executed.
    pub(super) fn executed(&self) -> Holdings {
        Holdings {
            received: GtidSet::default(),
            ..self.clone()
        }
    }

    /// Whether all of a set was executed here.
    pub(super) fn covers(&self, position: &GtidSet) -> bool {
        self.executed.contains(position)
    }

    /// Each side has something of which the other has nothing at all, not even in its relay log. Any two sets can be
    /// united, and the server would do so without an error; but under one primary at a time one side's history is always
    /// a part of the other's, so these two were written apart, and their data need not agree.
    ///
    /// What is only received counts like what is executed, on both sides: whether an applier was done with it when its
    /// node voted must not decide.
    pub(super) fn conflicts(&self, other: &Holdings) -> bool {
        let (mine, theirs) = (self.all(), other.all());
        !mine.contains(&theirs) && !theirs.contains(&mine)
    }

    fn all(&self) -> GtidSet {
        self.executed.union(&self.received)
    }
}

#[cfg(test)]
mod tests;
