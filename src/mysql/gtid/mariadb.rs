//! Global transaction ids of MariaDB, `domain-server-sequence`, and what two servers' histories say of each other.
//!
//! Invariant: no I/O here. <https://mariadb.com/kb/en/gtid/>
//!
//! With `gtid_strict_mode` the history of a domain is a line: sequence numbers only grow, and who has a GTID has
//! everything before it. Comparing sequence numbers alone would miss two servers that wrote different transactions
//! under the same number, so the server id is always part of the comparison.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gtid {
    pub(crate) domain: u32,
    pub(crate) server: u32,
    pub(crate) sequence: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

/// A list of GTIDs as the server prints it: `0-1-5,1-2-7`. Used for positions (one per domain: `gtid_slave_pos`,
/// `Gtid_IO_Pos`) and for histories (one per domain and server: `gtid_binlog_state`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct GtidList(BTreeMap<(u32, u32), u64>);

impl GtidList {
    /// Reads a server's list.
    ///
    /// # Errors
    /// The whole text, when any part of it is not a GTID.
    pub(crate) fn parse(text: &str) -> Result<GtidList, String> {
        let gtids = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parsed: Option<Vec<Gtid>> = gtids.map(parse_gtid).collect();
        let parsed = parsed.ok_or_else(|| format!("not a list of GTIDs: \"{text}\""))?;
        Ok(parsed.into_iter().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Gtid> {
        self.0.iter().map(|(&(domain, server), &sequence)| Gtid {
            domain,
            server,
            sequence,
        })
    }

    /// Whether a log of which these are the last transactions had this one: in strict mode numbers only grow.
    pub(super) fn reaches(&self, gtid: Gtid) -> bool {
        self.iter()
            .any(|last| last.domain == gtid.domain && last.sequence >= gtid.sequence)
    }

    /// The last sequence number that `server` wrote in `domain`.
    fn sequence(&self, domain: u32, server: u32) -> Option<u64> {
        self.0.get(&(domain, server)).copied()
    }
}

impl FromIterator<Gtid> for GtidList {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> GtidList {
        let mut list = BTreeMap::new();
        for gtid in gtids {
            let last: &mut u64 = list.entry((gtid.domain, gtid.server)).or_default();
            *last = gtid.sequence.max(*last);
        }
        GtidList(list)
    }
}

impl fmt::Display for GtidList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{gtid}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for GtidList {
    type Error = String;

    fn try_from(text: String) -> Result<GtidList, String> {
        GtidList::parse(&text)
    }
}

impl From<GtidList> for String {
    fn from(list: GtidList) -> String {
        list.to_string()
    }
}

fn parse_gtid(text: &str) -> Option<Gtid> {
    let mut parts = text.split('-');
    let gtid = Gtid {
        domain: parts.next()?.parse().ok()?,
        server: parts.next()?.parse().ok()?,
        sequence: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(gtid)
}

/// What one server has, as far as it can say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Holdings {
    /// `gtid_binlog_state`: last sequence per domain and server in the binary log.
    pub(crate) history: GtidList,
    /// `gtid_slave_pos`: last transaction applied from a source, per domain.
    pub(crate) applied: GtidList,
    /// `Gtid_IO_Pos`: last transaction received from a source, complete, possibly not applied yet.
    pub(crate) received: GtidList,
}

impl Holdings {
    /// What is known of this server once `primary` wrote on top of `position`: whoever executed a later transaction
    /// of that primary has everything up to there, although a backup or a purged log no longer shows it.
    pub(super) fn knowing(&self, primary: u32, position: &GtidList) -> Holdings {
        let implied = position.iter().filter(|gtid| {
            let later = |list: &GtidList| list.sequence(gtid.domain, primary) > Some(gtid.sequence);
            later(&self.history) || later(&self.applied)
        });
        Holdings {
            history: self.history.iter().chain(implied).collect(),
            ..self.clone()
        }
    }

    /// Whether what this server shows of its binary log goes back to what that transaction's server wrote.
    pub(super) fn shows(&self, gtid: Gtid) -> bool {
        self.history.sequence(gtid.domain, gtid.server).is_some()
    }

    /// Whether this server has executed the transaction.
    pub(super) fn has_executed(&self, gtid: Gtid) -> bool {
        [&self.history, &self.applied]
            .iter()
            .any(|list| list.sequence(gtid.domain, gtid.server) >= Some(gtid.sequence))
    }

    /// Transactions that this server has received and not executed yet.
    pub(super) fn pending(&self) -> GtidList {
        self.received.iter().filter(|gtid| !self.has_executed(*gtid)).collect()
    }

    /// What `other` has and this server has not executed: the last GTID per domain and server.
    pub(super) fn lacks(&self, other: &Holdings) -> GtidList {
        // What was executed and what was received are looked at apart: a foreign transaction at the end of the one
        // must not hide the end of the other.
        let executed_tips = tips(other.history.iter().chain(other.applied.iter()));
        let ends = executed_tips.into_iter().chain(other.received.iter());
        // Where both know a server id, its last sequence must agree as well: this finds a foreign transaction that
        // lies before the tip. A server id that this side never saw is covered by the tip (the history is a line).
        let known = other.history.iter().filter(|gtid| self.shows(*gtid));
        ends.chain(known).filter(|gtid| !self.has_executed(*gtid)).collect()
    }

    /// The same server without what it received and has not executed.
    pub(super) fn executed(&self) -> Holdings {
        Holdings {
            received: GtidList::default(),
            ..self.clone()
        }
    }

    /// Whether everything in a list of positions was executed here.
    pub(super) fn covers(&self, position: &GtidList) -> bool {
        position.iter().all(|gtid| self.has_executed(gtid))
    }

    /// The last transaction of each domain that this server wrote itself.
    pub(super) fn written_by(&self, server: u32) -> GtidList {
        self.history.iter().filter(|gtid| gtid.server == server).collect()
    }

    /// Whether this server has executed all of its own transactions that another has received. A copy of another server
    /// shows none of its own: there they are covered by the tip.
    pub(super) fn has_own(&self, other: &Holdings, server: u32) -> bool {
        let tip = |gtid: Gtid| {
            let mut mine = self.history.iter().chain(self.applied.iter());
            mine.any(|mine| mine.domain == gtid.domain && mine.sequence >= gtid.sequence)
        };
        let theirs = other.history.iter().chain(other.received.iter());
        let mut own = theirs.filter(|gtid| gtid.server == server);
        own.all(|gtid| self.has_executed(gtid) || !self.shows(gtid) && tip(gtid))
    }

    /// The same server without what it wrote itself beyond a position.
    pub(super) fn without_own(&self, server: u32, known: &GtidList) -> Holdings {
        let others = self.history.iter().filter(|gtid| gtid.server != server);
        let own = known.iter().filter(|gtid| gtid.server == server);
        Holdings {
            history: others.chain(own).collect(),
            ..self.clone()
        }
    }

    /// Whether everything in a list of positions was received: the history is a line, so a later transaction of the same
    /// domain has it before it.
    pub(super) fn has_received(&self, position: &GtidList) -> bool {
        let later = |gtid: Gtid| {
            let mut received = self.received.iter();
            received.any(|last| last.domain == gtid.domain && last.sequence >= gtid.sequence)
        };
        position.iter().all(|gtid| self.has_executed(gtid) || later(gtid))
    }

    /// Domains in which each side has something that never reached the other: no order of transactions can unite them.
    /// What waits in a relay log has reached it: whether an applier was done when its node voted must not decide.
    pub(super) fn conflicts(&self, other: &Holdings) -> bool {
        let mine = other.never_received(self);
        let theirs = self.never_received(other);
        mine.iter().any(|a| theirs.iter().any(|b| a.domain == b.domain))
    }

    /// What this server lacks of `other`, and does not have in its relay log either.
    fn never_received(&self, other: &Holdings) -> GtidList {
        let arrived = |gtid: &Gtid| self.received.sequence(gtid.domain, gtid.server) >= Some(gtid.sequence);
        self.lacks(other).iter().filter(|gtid| !arrived(gtid)).collect()
    }

    /// The position from which to go on replicating: what was applied or written here, last per domain.
    pub(super) fn resume_position(&self) -> GtidList {
        tips(self.history.iter().chain(self.applied.iter()))
            .into_iter()
            .collect()
    }
}

/// The transaction with the highest sequence of every domain.
fn tips(gtids: impl Iterator<Item = Gtid>) -> Vec<Gtid> {
    let mut tips: BTreeMap<u32, Gtid> = BTreeMap::new();
    for gtid in gtids {
        let tip = tips.entry(gtid.domain).or_insert(gtid);
        if gtid.sequence > tip.sequence {
            *tip = gtid;
        }
    }
    tips.into_values().collect()
}

#[cfg(test)]
mod tests;
