//! Single transactions, and which of those in a binary log another server does not have.
//!
//! Invariant: no I/O here.

use std::collections::BTreeMap;
use std::fmt;

use super::intervals::{Interval, Intervals};
use super::mysql::GtidSet;
use super::{Holdings, Position, mariadb, mysql};

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gtid {
    MariaDb(mariadb::Gtid),
    MySql(mysql::Gtid),
}

impl Gtid {
    /// Whether the server with this id or uuid wrote it.
    pub(crate) fn is_by(&self, server_id: u32, uuid: &str) -> bool {
        match self {
            Gtid::MariaDb(gtid) => gtid.server == server_id,
            Gtid::MySql(gtid) => gtid.is_by(uuid),
        }
    }

    /// The server that wrote it, in words.
    pub(crate) fn author(&self) -> String {
        match self {
            Gtid::MariaDb(gtid) => format!("the server with id {}", gtid.server),
            Gtid::MySql(gtid) => format!("the server with uuid {}", gtid.uuid()),
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gtid::MariaDb(gtid) => gtid.fmt(f),
            Gtid::MySql(gtid) => gtid.fmt(f),
        }
    }
}

impl Position {
    /// Whether a binary log that ended here had the transaction, if it has it at all.
    pub(crate) fn reaches(&self, gtid: &Gtid) -> bool {
        match (self, gtid) {
            (Position::MariaDb(list), Gtid::MariaDb(gtid)) => list.reaches(*gtid),
            (Position::MySql(set), Gtid::MySql(gtid)) => set.has(gtid),
            (Position::MariaDb(_), Gtid::MySql(_)) | (Position::MySql(_), Gtid::MariaDb(_)) => false,
        }
    }
}

/// The last transaction per domain and server, or all of them in a set.
impl<'a> FromIterator<&'a Gtid> for Position {
    fn from_iter<I: IntoIterator<Item = &'a Gtid>>(gtids: I) -> Position {
        let (mut lasts, mut members) = (Vec::new(), Vec::new());
        for gtid in gtids {
            match gtid {
                Gtid::MariaDb(gtid) => lasts.push(*gtid),
                Gtid::MySql(gtid) => members.push(gtid),
            }
        }
        if members.is_empty() {
            Position::MariaDb(lasts.into_iter().collect())
        } else {
            Position::MySql(members.into_iter().collect())
        }
    }
}

impl Holdings {
    /// What a server has of which only this position is known.
    pub(crate) fn at(position: &Position) -> Holdings {
        match position {
            Position::MariaDb(list) => Holdings::MariaDb(mariadb::Holdings {
                history: list.clone(),
                ..mariadb::Holdings::default()
            }),
            Position::MySql(set) => Holdings::MySql(mysql::Holdings {
                executed: set.clone(),
                ..mysql::Holdings::default()
            }),
        }
    }

    /// The same server, of which it is known as well that it executed what is at this position.
    pub(crate) fn and(self, position: &Position) -> Holdings {
        match (self, position) {
            (Holdings::MariaDb(mine), Position::MariaDb(list)) => Holdings::MariaDb(mariadb::Holdings {
                history: mine.history.iter().chain(list.iter()).collect(),
                ..mine
            }),
            (Holdings::MySql(mine), Position::MySql(set)) => Holdings::MySql(mysql::Holdings {
                executed: mine.executed.union(set),
                ..mine
            }),
            (other, _) => other,
        }
    }
}

/// Sorts out, as a binary log is read from its beginning, what another server does not have; each with its place.
pub(crate) struct Extras<'a, P> {
    /// What the other server has executed.
    has: &'a Holdings,
    found: Vec<(Gtid, P)>,
}

impl<'a, P> Extras<'a, P> {
    pub(crate) fn beyond(has: &'a Holdings) -> Extras<'a, P> {
        Extras { has, found: Vec::new() }
    }

    /// The next transaction of the log. On MariaDB a domain's history is a line: who has this transaction has all that is
    /// before it, although a server that was seeded from a backup does not show who wrote that. A server that it does show
    /// wrote nothing else.
    pub(crate) fn see(&mut self, gtid: Gtid, place: P) {
        match (self.has, &gtid) {
            (Holdings::MariaDb(has), Gtid::MariaDb(next)) if has.has_executed(*next) => {
                let stays = |earlier: &mariadb::Gtid| earlier.domain != next.domain || has.shows(*earlier);
                self.found
                    .retain(|(earlier, _)| !matches!(earlier, Gtid::MariaDb(earlier) if !stays(earlier)));
            }
            (Holdings::MySql(has), Gtid::MySql(next)) if has.executed.has(next) => {}
            (Holdings::MariaDb(_) | Holdings::MySql(_), _) => self.found.push((gtid, place)),
        }
    }

    pub(crate) fn found(self) -> Vec<(Gtid, P)> {
        self.found
    }
}

/// Transactions, by who wrote them: `0-1-7 to 0-1-9` (MariaDB, which has no words for that), or a set as MySQL prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    lines: BTreeMap<(u32, u32), Intervals>,
    set: GtidSet,
}

impl Transactions {
    pub(crate) fn count(&self) -> u128 {
        self.set.count() + self.lines.values().map(Intervals::count).sum::<u128>()
    }
}

impl<'a> FromIterator<&'a Gtid> for Transactions {
    fn from_iter<I: IntoIterator<Item = &'a Gtid>>(gtids: I) -> Transactions {
        let mut lines: BTreeMap<(u32, u32), Vec<Interval>> = BTreeMap::new();
        let mut members = Vec::new();
        for gtid in gtids {
            match gtid {
                Gtid::MariaDb(gtid) => {
                    let (first, last) = (gtid.sequence, gtid.sequence);
                    let line = lines.entry((gtid.domain, gtid.server)).or_default();
                    line.push(Interval { first, last });
                }
                Gtid::MySql(gtid) => members.push(gtid),
            }
        }
        Transactions {
            lines: lines
                .into_iter()
                .map(|(line, numbers)| (line, numbers.into_iter().collect()))
                .collect(),
            set: members.into_iter().collect(),
        }
    }
}

impl fmt::Display for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        for ((domain, server), numbers) in &self.lines {
            words.extend(numbers.iter().map(|Interval { first, last }| {
                let name = |sequence: u64| format!("{domain}-{server}-{sequence}");
                if first == last {
                    name(first)
                } else {
                    format!("{} to {}", name(first), name(last))
                }
            }));
        }
        write!(f, "{}{}", words.join(", "), self.set)
    }
}

#[cfg(test)]
mod tests;
