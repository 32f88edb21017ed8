//! Where servers are in the history of transactions, and what two of them say of each other: one file per family, and
//! here what the rest of the agent knows of both.
//!
//! Invariant: no I/O here. Servers of different families never agree on anything.

mod extra;
mod intervals;
pub(crate) mod mariadb;
pub(crate) mod mysql;

pub(crate) use extra::{Extras, Gtid, Transactions};

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use mariadb::GtidList;
use mysql::GtidSet;

/// A place in the history of transactions: MariaDB's list or MySQL's set, written as that server prints it. An empty one
/// is the same place in every family.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Position {
    MariaDb(GtidList),
    MySql(GtidSet),
}

impl Position {
    /// Reads either form: every GTID of MySQL has a colon, none of MariaDB has.
    ///
    /// # Errors
    /// The text, or the part of it that is at fault.
    pub(crate) fn parse(text: &str) -> Result<Position, String> {
        if text.contains(':') {
            GtidSet::parse(text).map(Position::MySql)
        } else {
            GtidList::parse(text).map(Position::MariaDb)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Position::MariaDb(list) => list.is_empty(),
            Position::MySql(set) => set.is_empty(),
        }
    }
}

impl Default for Position {
    fn default() -> Position {
        Position::MariaDb(GtidList::default())
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Position) -> bool {
        match (self, other) {
            (Position::MariaDb(mine), Position::MariaDb(theirs)) => mine == theirs,
            (Position::MySql(mine), Position::MySql(theirs)) => mine == theirs,
            (Position::MariaDb(_), Position::MySql(_)) | (Position::MySql(_), Position::MariaDb(_)) => {
                self.is_empty() && other.is_empty()
            }
        }
    }
}

impl Eq for Position {}

impl Hash for Position {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            _ if self.is_empty() => 0_u8.hash(state),
            Position::MariaDb(list) => list.hash(state),
            Position::MySql(set) => set.hash(state),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::MariaDb(list) => list.fmt(f),
            Position::MySql(set) => set.fmt(f),
        }
    }
}

impl TryFrom<String> for Position {
    type Error = String;

    fn try_from(text: String) -> Result<Position, String> {
        match mysql::packed::unpack(&text) {
            Some(set) => set.map(Position::MySql),
            None => Position::parse(&text),
        }
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        match position {
            Position::MariaDb(list) => list.into(),
            Position::MySql(set) => set.into(),
        }
    }
}

/// What one server has, as far as it can say. Votes carry it from node to node, also between versions of this program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged, try_from = "Fields")]
pub(crate) enum Holdings {
    MariaDb(mariadb::Holdings),
    MySql(mysql::Holdings),
}

impl Holdings {
    /// What is known of this server once `primary` wrote on top of `position`. A set of MySQL shows all of it already.
    pub(crate) fn knowing(&self, primary: u32, position: &Position) -> Holdings {
        match (self, position) {
            (Holdings::MariaDb(mine), Position::MariaDb(list)) => Holdings::MariaDb(mine.knowing(primary, list)),
            (Holdings::MariaDb(_), Position::MySql(_)) | (Holdings::MySql(_), _) => self.clone(),
        }
    }

    /// Counts what is in the binary log as executed. MariaDB's history is that of the binary log.
    pub(crate) fn add(&mut self, logged: &Position) {
        if let (Holdings::MySql(mine), Position::MySql(logged)) = (self, logged) {
            mine.executed = mine.executed.union(logged);
        }
    }

    /// Transactions that this server has received and not executed yet.
    pub(crate) fn pending(&self) -> Position {
        match self {
            Holdings::MariaDb(mine) => Position::MariaDb(mine.pending()),
            Holdings::MySql(mine) => Position::MySql(mine.pending()),
        }
    }

    /// What `other` has and this server has not executed: everything, if it is of another family.
    pub(crate) fn lacks(&self, other: &Holdings) -> Position {
        match (self, other) {
            (Holdings::MariaDb(mine), Holdings::MariaDb(theirs)) => Position::MariaDb(mine.lacks(theirs)),
            (Holdings::MySql(mine), Holdings::MySql(theirs)) => Position::MySql(mine.lacks(theirs)),
            (Holdings::MySql(_), Holdings::MariaDb(theirs)) => {
                Position::MariaDb(mariadb::Holdings::default().lacks(theirs))
            }
            (Holdings::MariaDb(_), Holdings::MySql(theirs)) => {
                Position::MySql(mysql::Holdings::default().lacks(theirs))
            }
        }
    }

    /// The same server without what it received and has not executed.
    pub(crate) fn executed(&self) -> Holdings {
        match self {
            Holdings::MariaDb(mine) => Holdings::MariaDb(mine.executed()),
            Holdings::MySql(mine) => Holdings::MySql(mine.executed()),
        }
    }

    /// Whether everything up to a position was executed here.
    pub(crate) fn covers(&self, position: &Position) -> bool {
        match (self, position) {
            (Holdings::MariaDb(mine), Position::MariaDb(list)) => mine.covers(list),
            (Holdings::MySql(mine), Position::MySql(set)) => mine.covers(set),
            (Holdings::MariaDb(_), Position::MySql(_)) | (Holdings::MySql(_), Position::MariaDb(_)) => {
                position.is_empty()
            }
        }
    }

    /// What this server has of the transactions that the server with this id (MariaDB) or uuid (MySQL) wrote.
    pub(crate) fn written_by(&self, id: u32, uuid: &str) -> Position {
        match self {
            Holdings::MariaDb(mine) => Position::MariaDb(mine.written_by(id)),
            Holdings::MySql(mine) => Position::MySql(mine.executed.written_by(uuid)),
        }
    }

    /// Whether this server, which has this id and uuid, has executed all of its own transactions that `other` has received.
    pub(crate) fn has_own(&self, other: &Holdings, id: u32, uuid: &str) -> bool {
        match (self, other) {
            (Holdings::MariaDb(mine), Holdings::MariaDb(theirs)) => mine.has_own(theirs, id),
            (Holdings::MySql(mine), Holdings::MySql(theirs)) => {
                let own = theirs.executed.union(&theirs.received).written_by(uuid);
                mine.executed.contains(&own)
            }
            // It wrote nothing in the other family's way.
            (Holdings::MariaDb(_), Holdings::MySql(_)) | (Holdings::MySql(_), Holdings::MariaDb(_)) => true,
        }
    }

    /// The same server without what it wrote itself beyond a position: what somebody wrote on a replica is not for others.
    pub(crate) fn without_own(&self, id: u32, uuid: &str, known: &Position) -> Holdings {
        match (self, known) {
            (Holdings::MariaDb(mine), Position::MariaDb(known)) => Holdings::MariaDb(mine.without_own(id, known)),
            (Holdings::MySql(mine), Position::MySql(known)) => {
                let foreign = mine.executed.written_by(uuid).subtract(known);
                Holdings::MySql(mysql::Holdings {
                    executed: mine.executed.subtract(&foreign),
                    received: mine.received.clone(),
                })
            }
            // Nothing was known of it: an empty position is of every family.
            (Holdings::MySql(_), Position::MariaDb(_)) if known.is_empty() => {
                self.without_own(id, uuid, &Position::MySql(GtidSet::default()))
            }
            (Holdings::MySql(_), Position::MariaDb(_)) | (Holdings::MariaDb(_), Position::MySql(_)) => self.clone(),
        }
    }

    /// What the others must know of this server: that what was received is executed as well need not be said twice.
    pub(crate) fn in_short(&self) -> Holdings {
        match self {
            Holdings::MariaDb(_) => self.clone(),
            Holdings::MySql(mine) => Holdings::MySql(mysql::Holdings {
                executed: mine.executed.clone(),
                received: mine.pending(),
            }),
        }
    }

    /// Whether everything up to a position was received here, executed or not.
    pub(crate) fn has_received(&self, position: &Position) -> bool {
        match (self, position) {
            (Holdings::MariaDb(mine), Position::MariaDb(list)) => mine.has_received(list),
            (Holdings::MySql(mine), Position::MySql(set)) => mine.executed.union(&mine.received).contains(set),
            (Holdings::MariaDb(_), Position::MySql(_)) | (Holdings::MySql(_), Position::MariaDb(_)) => {
                position.is_empty()
            }
        }
    }

    /// Whether each side has something that it can never pass on to the other.
    pub(crate) fn conflicts(&self, other: &Holdings) -> bool {
        match (self, other) {
            (Holdings::MariaDb(mine), Holdings::MariaDb(theirs)) => mine.conflicts(theirs),
            (Holdings::MySql(mine), Holdings::MySql(theirs)) => mine.conflicts(theirs),
            (Holdings::MariaDb(_), Holdings::MySql(_)) | (Holdings::MySql(_), Holdings::MariaDb(_)) => true,
        }
    }

    /// The position from which to go on replicating: what was applied or written here.
    pub(crate) fn resume_position(&self) -> Position {
        match self {
            Holdings::MariaDb(mine) => Position::MariaDb(mine.resume_position()),
            Holdings::MySql(mine) => Position::MySql(mine.executed.clone()),
        }
    }

    /// What the server itself would go on from. MySQL does not tell its own transactions from applied ones.
    pub(crate) fn applied(&self) -> Position {
        match self {
            Holdings::MariaDb(mine) => Position::MariaDb(mine.applied.clone()),
            Holdings::MySql(mine) => Position::MySql(mine.executed.clone()),
        }
    }

    /// What came from a source, executed or not, as far as the server still knows.
    pub(crate) fn received(&self) -> Position {
        match self {
            Holdings::MariaDb(mine) => Position::MariaDb(mine.received.clone()),
            Holdings::MySql(mine) => Position::MySql(mine.received.clone()),
        }
    }

    pub(crate) fn is_received_empty(&self) -> bool {
        match self {
            Holdings::MariaDb(mine) => mine.received.is_empty(),
            Holdings::MySql(mine) => mine.received.is_empty(),
        }
    }
}

impl Default for Holdings {
    fn default() -> Holdings {
        Holdings::MariaDb(mariadb::Holdings::default())
    }
}

/// The fields of both families: which of them are there says which family it is.
#[derive(Deserialize)]
struct Fields {
    history: Option<GtidList>,
    applied: Option<GtidList>,
    executed: Option<GtidSet>,
    received: String,
}

impl TryFrom<Fields> for Holdings {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Holdings, String> {
        match (fields.history, fields.applied, fields.executed) {
            (Some(history), Some(applied), None) => Ok(Holdings::MariaDb(mariadb::Holdings {
                history,
                applied,
                received: GtidList::parse(&fields.received)?,
            })),
            (None, None, Some(executed)) => Ok(Holdings::MySql(mysql::Holdings {
                executed,
                received: GtidSet::try_from(fields.received)?,
            })),
            _ => Err("neither history, applied and received (MariaDB) nor executed and received (MySQL)".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
