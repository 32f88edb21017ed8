//! The files of binary logs and relay logs: where each transaction begins, and what the server had before the file.
//! Everything else in them is skipped. Only complete events count: a server may be writing the next one.
//!
//! Facts: <https://mariadb.com/kb/en/replication-protocol/>,
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/namespacemysql_1_1serialization.html>.

use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek};

use super::gtid::mysql::GtidSet;
use super::gtid::{Gtid, Position, mariadb, mysql};

const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
/// MySQL encrypts whole files.
const MAGIC_ENCRYPTED: [u8; 4] = [0xfd, b'b', b'i', b'n'];
const HEADER: u32 = 19;
/// The longest event that is read: a list of what a server had. Others are skipped, whatever their length.
const LONGEST: u32 = 1 << 26;

/// Kinds of events, by the numbers in their headers.
mod kind {
    pub(super) const FORMAT_DESCRIPTION: u8 = 15;
    // MySQL's.
    pub(super) const GTID: u8 = 33;
    pub(super) const PREVIOUS_GTIDS: u8 = 35;
    pub(super) const GTID_TAGGED: u8 = 42;
    // MariaDB's.
    pub(super) const BINLOG_CHECKPOINT: u8 = 161;
    pub(super) const GTID_OF_MARIADB: u8 = 162;
    pub(super) const GTID_LIST: u8 = 163;
    pub(super) const START_ENCRYPTION: u8 = 164;

    /// Those that are read.
    pub(super) const TELLING: [u8; 5] = [GTID, PREVIOUS_GTIDS, GTID_TAGGED, GTID_OF_MARIADB, GTID_LIST];
}

/// What an event says of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// What the server had when it began this file.
    Before(Position),
    /// A transaction begins.
    Transaction(Gtid),
    /// Nothing, and it stands at the beginning of every file.
    Head,
    Other,
}

/// One event: its place in the file, its author, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    pub(crate) server_id: u32,
    pub(crate) entry: Entry,
}

/// The events of one file, in order.
pub(crate) struct Log<R> {
    source: BufReader<R>,
    at: u64,
    size: u64,
}

impl<R: Read + Seek> Log<R> {
    /// A file of which `size` bytes are looked at. One that was just made may still be empty.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when this is no binary log, or an encrypted one.
    pub(crate) fn open(source: R, size: u64) -> Result<Log<R>> {
        let mut source = BufReader::with_capacity(1 << 17, source);
        let mut magic = [0; MAGIC.len()];
        let at = magic.len() as u64;
        if size < at {
            return Ok(Log { source, at, size });
        }
        source.read_exact(&mut magic)?;
        match magic {
            MAGIC => {}
            MAGIC_ENCRYPTED => return Err(invalid("the file is encrypted")),
            _ => return Err(invalid("this is no binary log")),
        }
        Ok(Log { source, at, size })
    }

    fn read(&mut self) -> Result<Option<Event>> {
        let offset = self.at;
        if offset + u64::from(HEADER) > self.size {
            return Ok(None);
        }
        let mut header = [0; HEADER as usize];
        self.source.read_exact(&mut header)?;
        let unreadable = || invalid(&format!("the event at byte {offset} cannot be read"));
        let (kind, server_id, length) = fields_of_header(&header).ok_or_else(unreadable)?;
        let length_of_body = length.checked_sub(HEADER).ok_or_else(unreadable)?;
        let end = offset + u64::from(length);
        if end > self.size {
            return Ok(None);
        }
        let mut body = Vec::new();
        if kind::TELLING.contains(&kind) && length_of_body <= LONGEST {
            body.resize(length_of_body as usize, 0);
            self.source.read_exact(&mut body)?;
        } else {
            self.source.seek_relative(length_of_body.into())?;
        }
        self.at = end;
        let entry = match kind {
            kind::START_ENCRYPTION => return Err(invalid("the file is encrypted")),
            kind::FORMAT_DESCRIPTION | kind::BINLOG_CHECKPOINT => Some(Entry::Head),
            kind::GTID => gtid(&body).map(Entry::Transaction),
            kind::GTID_TAGGED => tagged_gtid(&body).map(Entry::Transaction),
            kind::GTID_OF_MARIADB => gtid_of_mariadb(server_id, &body).map(Entry::Transaction),
            kind::PREVIOUS_GTIDS => previous_gtids(&body).map(Entry::Before),
            kind::GTID_LIST => gtid_list(&body).map(Entry::Before),
            _ => Some(Entry::Other),
        };
        Ok(Some(Event {
            offset,
            end,
            server_id,
            entry: entry.ok_or_else(unreadable)?,
        }))
    }
}

impl<R: Read + Seek> Iterator for Log<R> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        self.read().transpose()
    }
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The server whose file it is.
    pub(crate) server_id: u32,
    /// What the server had when it began the file; none when it had not yet written that.
    pub(crate) before: Option<Position>,
    /// Without these bytes nothing behind them can be read.
    pub(crate) length: u64,
}

/// Reads how a file begins.
pub(crate) fn head<R: Read + Seek>(log: Log<R>) -> Result<Head> {
    let mut head = Head {
        server_id: 0,
        before: None,
        length: log.at,
    };
    for event in log {
        let event = event?;
        match event.entry {
            Entry::Head if head.server_id == 0 => head.server_id = event.server_id,
            Entry::Head => {}
            Entry::Before(position) => head.before = Some(position),
            Entry::Transaction(_) | Entry::Other => break,
        }
        head.length = event.end;
    }
    Ok(head)
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// Kind, server id and length.
fn fields_of_header(header: &[u8]) -> Option<(u8, u32, u32)> {
    let mut fields = Fields(header.get(4..)?);
    Some((fields.byte()?, fields.u32()?, fields.u32()?))
}

fn gtid_of_mariadb(server: u32, body: &[u8]) -> Option<Gtid> {
    let mut fields = Fields(body);
    let sequence = fields.u64()?;
    let domain = fields.u32()?;
    Some(Gtid::MariaDb(mariadb::Gtid {
        domain,
        server,
        sequence,
    }))
}

fn gtid_list(body: &[u8]) -> Option<Position> {
    let mut fields = Fields(body);
    // The highest bits are flags.
    let count = fields.u32()? & 0x0fff_ffff;
    let gtids = (0..count).map(|_| {
        Some(mariadb::Gtid {
            domain: fields.u32()?,
            server: fields.u32()?,
            sequence: fields.u64()?,
        })
    });
    gtids.collect::<Option<_>>().map(Position::MariaDb)
}

fn gtid(body: &[u8]) -> Option<Gtid> {
    let mut fields = Fields(body);
    fields.byte()?;
    let uuid = fields.uuid()?;
    Some(Gtid::MySql(mysql::Gtid::new(uuid, "", fields.u64()?)))
}

/// The fields that begin a tagged GTID, each behind its number: flags, uuid, number, tag. The uuid is sixteen numbers.
fn tagged_gtid(body: &[u8]) -> Option<Gtid> {
    let mut fields = Fields(body);
    let [_version, _size, _last_needed] = [fields.varlen()?, fields.varlen()?, fields.varlen()?];
    fields.demand(0)?;
    fields.varlen()?;
    fields.demand(1)?;
    let mut uuid = 0;
    for _ in 0..16 {
        uuid = uuid << 8 | u128::from(u8::try_from(fields.varlen()?).ok()?);
    }
    fields.demand(2)?;
    let number = fields.signed()?;
    fields.demand(3)?;
    Some(Gtid::MySql(mysql::Gtid::new(uuid, fields.text()?, number)))
}

fn previous_gtids(body: &[u8]) -> Option<Position> {
    let mut fields = Fields(body);
    let counted = fields.u64()?;
    // Where any has a tag, the first and the last byte say so.
    let is_tagged = counted >> 56 == 1;
    let sources = if is_tagged {
        counted >> 8 & 0xffff_ffff_ffff
    } else {
        counted
    };
    let mut ranges = Vec::new();
    for _ in 0..sources {
        let uuid = fields.uuid()?;
        let tag = if is_tagged { fields.text()? } else { "" };
        for _ in 0..fields.u64()? {
            let (first, behind) = (fields.u64()?, fields.u64()?);
            ranges.push((mysql::Gtid::new(uuid, tag, first), behind.checked_sub(1)?));
        }
    }
    Some(Position::MySql(ranges.into_iter().collect::<GtidSet>()))
}

/// What is left of an event, read field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    fn uuid(&mut self) -> Option<u128> {
        let bytes = self.take(16)?.try_into().ok()?;
        Some(u128::from_be_bytes(bytes))
    }

    /// A number of variable length: as many bytes follow the first one as that has ones at its end.
    fn varlen(&mut self) -> Option<u64> {
        let more = self.0.first()?.trailing_ones() as usize;
        let mut bytes = [0; 16];
        bytes[..=more].copy_from_slice(self.take(more + 1)?);
        // The ones, and the zero that ends them where there is one, are no part of the number.
        let bits = (more + 1).min(8);
        u64::try_from(u128::from_le_bytes(bytes) >> bits).ok()
    }

    /// A number that may be negative.
    fn signed(&mut self) -> Option<u64> {
        let number = self.varlen()?;
        (number & 1 == 0).then_some(number >> 1)
    }

    fn demand(&mut self, number: u64) -> Option<()> {
        (self.varlen()? == number).then_some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varlen()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

#[cfg(test)]
mod tests;
