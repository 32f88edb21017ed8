//! Requests and answers of SNMP: RFC 3416 for the part that all versions share, RFC 1157 and 1901 for its envelope in
//! versions 1 and 2c. That of version 3 is in [`super::usm`].
//!
//! Invariant: no I/O here.

use super::ber::{self, NULL, OBJECT, OCTETS, Oid, Reader, SEQUENCE};

/// What a PDU is there for; the numbers are the tags.
pub(crate) const GET: u8 = 0xa0;
pub(crate) const GET_NEXT: u8 = 0xa1;
pub(crate) const RESPONSE: u8 = 0xa2;
pub(crate) const SET: u8 = 0xa3;
pub(crate) const REPORT: u8 = 0xa8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(i64),
    Text(Vec<u8>),
    Name(Oid),
    /// The device has no such variable: three words of version 2 for it. Never to be taken for a state.
    Missing,
    /// A type without use here; its tag.
    Other(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pdu {
    pub(crate) kind: u8,
    pub(crate) id: i32,
    pub(crate) error: i64,
    pub(crate) variables: Vec<(Oid, Value)>,
}

impl Pdu {
    pub(crate) fn request(kind: u8, id: i32, oid: &Oid, value: Value) -> Pdu {
        Pdu {
            kind,
            id,
            error: 0,
            variables: vec![(oid.clone(), value)],
        }
    }

    pub(crate) fn encoded(&self) -> Vec<u8> {
        let variables: Vec<Vec<u8>> = self
            .variables
            .iter()
            .map(|(oid, value)| ber::sequence(&[oid.encoded(), value.encoded()]))
            .collect();
        let parts = [
            ber::integer(self.id),
            ber::integer(0),
            ber::integer(0),
            ber::sequence(&variables),
        ];
        ber::element(self.kind, &parts.concat())
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Pdu> {
        let (kind, mut inner) = reader.any()?;
        let id = i32::try_from(inner.integer()?).ok()?;
        let error = inner.integer()?;
        let _index = inner.integer()?;
        let mut list = inner.inside(SEQUENCE)?;
        let mut variables = Vec::new();
        while !list.is_done() {
            let mut pair = list.inside(SEQUENCE)?;
            let oid = Oid::read(pair.inside(OBJECT)?.rest())?;
            variables.push((oid, Value::read(&mut pair)?));
        }
        Some(Pdu {
            kind,
            id,
            error,
            variables,
        })
    }
}

impl Value {
    fn encoded(&self) -> Vec<u8> {
        match self {
            Value::Number(number) => ber::integer(i32::try_from(*number).unwrap_or(0)),
            Value::Text(text) => ber::octets(text),
            Value::Name(oid) => oid.encoded(),
            Value::Nothing | Value::Missing | Value::Other(_) => ber::element(NULL, &[]),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Value> {
        let (tag, inner) = reader.any()?;
        Some(match tag {
            ber::INTEGER => Value::Number(ber::number(inner.rest())?),
            OCTETS => Value::Text(inner.rest().to_vec()),
            OBJECT => Value::Name(Oid::read(inner.rest())?),
            NULL => Value::Nothing,
            // noSuchObject, noSuchInstance, endOfMibView
            0x80..=0x82 => Value::Missing,
            other => Value::Other(other),
        })
    }
}

/// A message of version 1 (0) or 2c (1).
pub(crate) fn with_community(version: i32, community: &str, pdu: &Pdu) -> Vec<u8> {
    ber::sequence(&[ber::integer(version), ber::octets(community.as_bytes()), pdu.encoded()])
}

pub(crate) fn read_with_community(version: i32, community: &str, bytes: &[u8]) -> Option<Pdu> {
    let mut message = Reader::new(bytes).inside(SEQUENCE)?;
    let same = message.integer()? == i64::from(version) && message.octets()? == community.as_bytes();
    same.then(|| Pdu::read(&mut message))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdu() -> Pdu {
        Pdu::request(SET, 77, &Oid::new(&[1, 3, 6, 1, 4, 1, 318]), Value::Number(2))
    }

    #[test]
    fn a_message_of_another_community_or_version_is_nobodys() {
        let bytes = with_community(1, "c", &pdu());
        assert_eq!(read_with_community(1, "c", &bytes), Some(pdu()));
        assert_eq!(read_with_community(1, "d", &bytes), None);
        assert_eq!(read_with_community(0, "c", &bytes), None);
    }

    #[test]
    fn every_beginning_of_a_message_and_every_changed_byte_is_read_without_harm() {
        let bytes = with_community(0, "public", &pdu());
        for end in 0..bytes.len() {
            assert_eq!(read_with_community(0, "public", &bytes[..end]), None);
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = read_with_community(0, "public", &changed);
            }
        }
    }

    #[test]
    fn what_is_missing_is_no_number() {
        for tag in 0x80..=0x82 {
            assert_eq!(Value::read(&mut Reader::new(&[tag, 0])), Some(Value::Missing));
        }
        assert_eq!(Value::read(&mut Reader::new(&[0x41, 1, 2])), Some(Value::Other(0x41)));
    }
}
