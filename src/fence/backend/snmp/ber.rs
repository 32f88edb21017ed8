//! The basic encoding rules of ASN.1, as far as SNMP needs them: lengths of up to four bytes, tags of one.
//!
//! Invariant: no I/O here. Whatever bytes arrive, reading them ends with a value or with none, never beyond their end.

use std::fmt;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The name of a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Oid(Vec<u32>);

impl Oid {
    pub(crate) fn new(numbers: &[u32]) -> Oid {
        Oid(numbers.to_vec())
    }

    pub(crate) fn child(&self, number: u32) -> Oid {
        Oid([&self.0[..], &[number]].concat())
    }

    pub(crate) fn is_within(&self, above: &[u32]) -> bool {
        self.0.starts_with(above)
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.0.last().copied()
    }

    pub(super) fn encoded(&self) -> Vec<u8> {
        let (first, second) = (self.0.first().unwrap_or(&0), self.0.get(1).unwrap_or(&0));
        let mut contents = base_128(first * 40 + second);
        for number in self.0.iter().skip(2) {
            contents.extend(base_128(*number));
        }
        element(OBJECT, &contents)
    }

    pub(super) fn read(contents: &[u8]) -> Option<Oid> {
        let mut numbers = Vec::new();
        let mut number: u32 = 0;
        let mut open = false;
        for byte in contents {
            number = number.checked_mul(128)?.checked_add(u32::from(byte & 0x7f))?;
            open = byte & 0x80 != 0;
            if open {
                continue;
            }
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
        (!open && !numbers.is_empty()).then_some(Oid(numbers))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, ".{number}"))
    }
}

fn base_128(mut number: u32) -> Vec<u8> {
    let mut bytes = vec![low_seven(number)];
    while number >= 128 {
        number >>= 7;
        bytes.push(low_seven(number) | 0x80);
    }
    bytes.reverse();
    bytes
}

fn low_seven(number: u32) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

/// A tag, a length, and the contents.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short) if short < 128 => bytes.push(short),
        _ => {
            let length = contents.len().to_be_bytes();
            let needed: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | needed.len().to_le_bytes()[0]);
            bytes.extend(needed);
        }
    }
    bytes.extend(contents);
    bytes
}

pub(crate) fn sequence(elements: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

pub(crate) fn integer(number: i32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    // Leading bytes that say no more than the sign.
    let spare = bytes
        .windows(2)
        .take_while(|pair| {
            matches!(pair, [0, low] if low & 0x80 == 0) || matches!(pair, [0xff, low] if low & 0x80 != 0)
        })
        .count();
    element(INTEGER, bytes.get(spare..).unwrap_or_default())
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(OCTETS, bytes)
}

/// Reads elements one after the other, and knows where in the whole message it is.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    whole: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(whole: &'a [u8]) -> Reader<'a> {
        Reader {
            whole,
            at: 0,
            end: whole.len(),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// Where the next element begins, from the start of the whole message.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What is left, as it is.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.whole.get(self.at..self.end).unwrap_or_default()
    }

    /// The next element, whatever it is: its tag, and a reader for its contents.
    pub(crate) fn any(&mut self) -> Option<(u8, Reader<'a>)> {
        let bytes = self.rest();
        let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
        let (start, length) = match first {
            short if short < 128 => (2, usize::from(short)),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = bytes.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
                let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
                (2 + count, length)
            }
        };
        let inner = Reader {
            whole: self.whole,
            at: self.at + start,
            end: self.at + start + length,
        };
        if inner.end > self.end {
            return None;
        }
        self.at = inner.end;
        Some((tag, inner))
    }

    pub(crate) fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.any().and_then(|(found, inner)| (found == tag).then_some(inner))
    }

    pub(crate) fn octets(&mut self) -> Option<&'a [u8]> {
        self.inside(OCTETS).map(|inner| inner.rest())
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        number(self.inside(INTEGER)?.rest())
    }
}

/// A signed number; none when it is empty or longer than eight bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<i64> {
    let first = bytes.first().filter(|_| bytes.len() <= 8)?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Some(bytes.iter().fold(sign, |sum, byte| sum << 8 | i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for n in [0, 1, -1, 127, 128, -128, -129, 255, 256, 65_535, i32::MAX, i32::MIN] {
            assert_eq!(Reader::new(&integer(n)).integer(), Some(n.into()), "{n}");
        }
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(number(&[]), None);
        assert_eq!(number(&[0; 9]), None);
    }

    #[test]
    fn names_survive() {
        let oid = Oid::new(&[1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 4_294_967_295]);
        let bytes = oid.encoded();
        assert_eq!(&bytes[..6], [6, 15, 0x2b, 6, 1, 4]);
        let read = Oid::read(Reader::new(&bytes).inside(OBJECT).unwrap().rest());
        assert_eq!(read, Some(oid.clone()));
        assert_eq!(oid.to_string(), ".1.3.6.1.4.1.318.1.1.12.4294967295");
        assert_eq!(Oid::read(&[0x2b, 0x86]), None, "a number without an end");
        assert_eq!(
            Oid::read(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            None,
            "a number too large"
        );
    }

    #[test]
    fn lengths_of_every_form_survive() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let bytes = octets(&vec![7; length]);
            assert_eq!(Reader::new(&bytes).octets().map(<[u8]>::len), Some(length));
            for cut in [0, 1, 2, bytes.len() - 1] {
                if cut < bytes.len() {
                    assert_eq!(Reader::new(&bytes[..cut]).octets(), None, "{length} cut to {cut}");
                }
            }
        }
        assert!(
            Reader::new(&[4, 0x80, 0, 0]).any().is_none(),
            "a length to be found out"
        );
        assert!(Reader::new(&[4, 0x85, 0, 0, 0, 0, 0]).any().is_none());
    }
}
