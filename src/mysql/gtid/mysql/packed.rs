//! A short form of long sets, for what nodes tell each other: an attribute or option of the cluster has room for some
//! 60,000 characters, and a set of ten thousand intervals is printed with twice as many.
//!
//! Each number is written as its distance from the one before; the text is deflated and encoded. Short sets stay as the
//! server prints them, so that a person can read them.
//!
//! Invariant: no I/O here.

use std::fmt::Write as _;
use std::io::{Read, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::{GtidSet, Source, Uuid, tag};
use crate::mysql::gtid::intervals::{Interval, Intervals};

const MARK: &str = "packed=";
/// Longer texts are packed.
const READABLE: usize = 4096;
/// No set that makes sense is longer than this when it is unpacked.
const LIMIT: u64 = 64 << 20;

pub(in crate::mysql::gtid) fn pack(set: &GtidSet) -> String {
    let text = set.to_string();
    if text.len() <= READABLE {
        return text;
    }
    deflate(&distances(set)).map_or(text, |bytes| format!("{MARK}{}", STANDARD.encode(bytes)))
}

/// None when the text is not packed.
pub(in crate::mysql::gtid) fn unpack(text: &str) -> Option<Result<GtidSet, String>> {
    let encoded = text.strip_prefix(MARK)?;
    let bytes = STANDARD.decode(encoded).map_err(|error| error.to_string());
    Some(
        bytes
            .and_then(|bytes| inflate(&bytes))
            .and_then(|text| read(&text).ok_or(text))
            .map_err(|problem| format!("not a packed set of GTIDs: {}", super::beginning(&problem))),
    )
}

fn deflate(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn inflate(bytes: &[u8]) -> Result<String, String> {
    let mut text = String::new();
    let read = DeflateDecoder::new(bytes).take(LIMIT).read_to_string(&mut text);
    read.map_err(|error| error.to_string()).map(|_| text)
}

/// One line for each source: its uuid, its tag if it has one, then `gap` or `gap+more` for each interval.
fn distances(set: &GtidSet) -> String {
    let mut text = String::new();
    for (Source { uuid, tag }, intervals) in &set.0 {
        let _ = write!(text, "{uuid}");
        if let Some(tag) = tag {
            let _ = write!(text, " {tag}");
        }
        let mut before = 0;
        for Interval { first, last } in intervals.iter() {
            let _ = write!(text, " {}", first - before);
            if first < last {
                let _ = write!(text, "+{}", last - first);
            }
            before = last;
        }
        text.push('\n');
    }
    text
}

fn read(text: &str) -> Option<GtidSet> {
    let sources = text.lines().map(|line| {
        let mut words = line.split(' ').peekable();
        let uuid = Uuid::parse(words.next()?)?;
        let tag = words.next_if(|word| tag(word).is_some()).map(str::to_owned);
        let mut before = 0_u64;
        let intervals = words.map(|word| {
            let (gap, more) = word.split_once('+').unwrap_or((word, "0"));
            let first = before.checked_add(gap.parse().ok()?)?;
            let last = first.checked_add(more.parse().ok()?)?;
            before = last;
            Some(Interval { first, last })
        });
        let intervals = intervals.collect::<Option<Intervals>>()?;
        Some((Source { uuid, tag }, intervals))
    });
    sources.collect::<Option<_>>().map(GtidSet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::gtid::Holdings;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    /// Ten thousand intervals with gaps of up to 100, under a tag and without.
    fn long() -> GtidSet {
        let mut text = String::from(UUID);
        let (mut number, mut seed) = (1_u64, 7_u64);
        for index in 0..10_000 {
            if index == 5_000 {
                text.push_str(":night");
                number = 1;
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (gap, more) = (2 + seed % 97, (seed >> 32) % 100);
            let _ = write!(text, ":{}-{}", number + gap, number + gap + more);
            number += gap + more;
        }
        GtidSet::parse(&text).unwrap()
    }

    #[test]
    fn short_sets_stay_readable_and_long_ones_fit() {
        let short = GtidSet::parse(&format!("{UUID}:1-5:tag:7")).unwrap();
        assert_eq!(pack(&short), short.to_string());
        assert!(unpack(&pack(&short)).is_none());
        let packed = pack(&long());
        assert!(
            packed.len() < 60_000,
            "{} of {}",
            packed.len(),
            long().to_string().len()
        );
        assert_eq!(unpack(&packed).unwrap().unwrap(), long());
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let packed = pack(&long());
        for damaged in [
            "packed=",
            "packed=!",
            &packed[..packed.len() / 2],
            &format!("{MARK}{}", STANDARD.encode("x")),
        ] {
            assert!(unpack(damaged).unwrap().is_err() || damaged == "packed=", "{damaged}");
        }
    }

    #[test]
    fn votes_carry_the_packed_form() {
        let json = serde_json::to_string(&long()).unwrap();
        assert!(json.starts_with("\"packed="));
        assert_eq!(serde_json::from_str::<GtidSet>(&json).unwrap(), long());
        let holdings = Holdings::MySql(super::super::Holdings {
            executed: GtidSet::default(),
            received: long(),
        });
        let json = serde_json::to_string(&holdings).unwrap();
        assert_eq!(serde_json::from_str::<Holdings>(&json).unwrap(), holdings);
    }
}
