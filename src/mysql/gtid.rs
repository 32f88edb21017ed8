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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    fn iter(&self) -> impl Iterator<Item = Gtid> {
        self.0.iter().map(|(&(domain, server), &sequence)| Gtid {
            domain,
            server,
            sequence,
        })
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) fn knowing(&self, primary: u32, position: &GtidList) -> Holdings {
        let implied = position.iter().filter(|gtid| {
            let later = |list: &GtidList| list.sequence(gtid.domain, primary) > Some(gtid.sequence);
            later(&self.history) || later(&self.applied)
        });
        Holdings {
            history: self.history.iter().chain(implied).collect(),
            ..self.clone()
        }
    }

    /// Whether this server has executed the transaction.
    fn has_executed(&self, gtid: Gtid) -> bool {
        [&self.history, &self.applied]
            .iter()
            .any(|list| list.sequence(gtid.domain, gtid.server) >= Some(gtid.sequence))
    }

    /// Transactions that this server has received and not executed yet.
    pub(crate) fn pending(&self) -> GtidList {
        self.received.iter().filter(|gtid| !self.has_executed(*gtid)).collect()
    }

    /// What `other` has and this server has not executed: the last GTID per domain and server.
    pub(crate) fn lacks(&self, other: &Holdings) -> GtidList {
        // What was executed and what was received are looked at apart: a foreign transaction at the end of the one
        // must not hide the end of the other.
        let executed_tips = tips(other.history.iter().chain(other.applied.iter()));
        let ends = executed_tips.into_iter().chain(other.received.iter());
        // Where both know a server id, its last sequence must agree as well: this finds a foreign transaction that
        // lies before the tip. A server id that this side never saw is covered by the tip (the history is a line).
        let known = other
            .history
            .iter()
            .filter(|gtid| self.history.sequence(gtid.domain, gtid.server).is_some());
        ends.chain(known).filter(|gtid| !self.has_executed(*gtid)).collect()
    }

    /// The same server without what it received and has not executed.
    pub(crate) fn executed(&self) -> Holdings {
        Holdings {
            received: GtidList::default(),
            ..self.clone()
        }
    }

    /// Whether everything in a list of positions was executed here.
    pub(crate) fn covers(&self, position: &GtidList) -> bool {
        position.iter().all(|gtid| self.has_executed(gtid))
    }

    /// Domains in which each side has something the other lacks: no order of transactions can unite them.
    pub(crate) fn conflicts(&self, other: &Holdings) -> bool {
        let mine = other.lacks(self);
        let theirs = self.lacks(other);
        mine.iter().any(|a| theirs.iter().any(|b| a.domain == b.domain))
    }

    /// The position from which to go on replicating: what was applied or written here, last per domain.
    pub(crate) fn resume_position(&self) -> GtidList {
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
mod tests {
    use super::*;

    fn list(text: &str) -> GtidList {
        GtidList::parse(text).unwrap()
    }

    fn holds(history: &str, applied: &str, received: &str) -> Holdings {
        Holdings {
            history: list(history),
            applied: list(applied),
            received: list(received),
        }
    }

    #[test]
    fn lists_are_read_and_printed_as_the_server_does() {
        assert_eq!(list("0-1-5,1-2-7").to_string(), "0-1-5,1-2-7");
        assert_eq!(list("").to_string(), "");
        assert_eq!(list(" 0-1-5,\n0-2-6 ").to_string(), "0-1-5,0-2-6");
        for bad in [
            "0-1",
            "0-1-2-3",
            "a-b-c",
            "0-1-5;0-2-6",
            "-1-2",
            "0-1-99999999999999999999",
        ] {
            assert!(GtidList::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_replica_that_received_more_is_ahead_before_it_applies() {
        let behind = holds("0-1-5", "0-1-5", "0-1-5");
        let ahead = holds("0-1-5", "0-1-5", "0-1-9");
        assert_eq!(behind.lacks(&ahead), list("0-1-9"));
        assert!(ahead.lacks(&behind).is_empty());
        assert_eq!(ahead.pending(), list("0-1-9"));
        assert!(!behind.conflicts(&ahead));
    }

    #[test]
    fn equal_numbers_of_different_servers_are_a_conflict() {
        let a = holds("0-1-5,0-2-6", "0-1-5", "");
        let b = holds("0-1-6", "0-1-6", "");
        assert_eq!(a.lacks(&b), list("0-1-6"));
        assert_eq!(b.lacks(&a), list("0-2-6"));
        assert!(a.conflicts(&b));
    }

    #[test]
    fn an_own_transaction_below_the_tip_is_found() {
        // The old primary wrote 0-1-6 that nobody received; the new one went on from 0-1-5 as server 2.
        let old = holds("0-1-6", "", "");
        let new = holds("0-1-5,0-2-9", "0-1-5", "");
        assert_eq!(new.lacks(&old), list("0-1-6"));
    }

    #[test]
    fn a_server_seeded_from_a_backup_has_what_its_position_says() {
        let seeded = holds("", "0-1-100", "");
        let source = holds("0-1-100", "", "");
        assert!(seeded.lacks(&source).is_empty());
        assert_eq!(seeded.lacks(&holds("0-1-101", "", "")), list("0-1-101"));
        assert!(seeded.covers(&list("0-1-99")));
    }

    #[test]
    fn every_domain_counts() {
        let a = holds("0-1-5,1-1-7", "", "");
        let b = holds("0-1-5,1-1-9", "", "");
        assert_eq!(a.lacks(&b), list("1-1-9"));
        assert!(!a.conflicts(&b));
        let c = holds("0-1-6,1-1-7", "", "");
        assert!(!b.conflicts(&c), "each is ahead in another domain: the union exists");
    }

    #[test]
    fn replication_resumes_after_own_and_applied_transactions() {
        assert_eq!(holds("0-1-5,0-2-6", "0-1-5", "0-2-9").resume_position(), list("0-2-6"));
        assert_eq!(holds("", "0-1-5", "").resume_position(), list("0-1-5"));
    }

    #[test]
    fn a_foreign_transaction_does_not_hide_what_was_received() {
        // A local write took the number of a transaction that had been received and acknowledged.
        let survivor = holds("0-1-5,0-3-6", "0-1-5", "0-1-6");
        let candidate = holds("0-1-5", "0-1-5", "0-1-5");
        assert_eq!(candidate.lacks(&survivor), list("0-1-6,0-3-6"));
    }

    #[test]
    fn a_rebuilt_server_has_what_its_primary_had_when_it_was_promoted() {
        // Seeded by a backup of server 2, which was promoted at 0-1-5: the binary log starts empty.
        let seeded = holds("", "0-2-101", "");
        assert!(!seeded.covers(&list("0-1-5")));
        let seeded = seeded.knowing(2, &list("0-1-5"));
        assert!(seeded.covers(&list("0-1-5")));
        assert!(!seeded.conflicts(&holds("0-1-5", "0-1-5", "")));
        assert!(
            !holds("", "0-2-4", "").knowing(2, &list("0-1-5")).covers(&list("0-1-5")),
            "from before"
        );
    }

    #[test]
    fn nothing_lacks_nothing() {
        let nothing = Holdings::default();
        assert!(nothing.lacks(&nothing).is_empty());
        assert!(!nothing.conflicts(&nothing));
        assert!(nothing.covers(&GtidList::default()));
    }

    #[test]
    fn small_histories_agree_with_a_model_of_transaction_sets() {
        // Two servers share a line of n transactions of server 1, then each may go on alone (server 2 and 3).
        for shared in 0..4_u64 {
            for own_a in 0..3_u64 {
                for own_b in 0..3_u64 {
                    let side = |server: u32, own: u64| {
                        let common = (shared > 0).then_some(Gtid {
                            domain: 0,
                            server: 1,
                            sequence: shared,
                        });
                        let tail = (own > 0).then_some(Gtid {
                            domain: 0,
                            server,
                            sequence: shared + own,
                        });
                        Holdings {
                            history: common.into_iter().chain(tail).collect(),
                            ..Holdings::default()
                        }
                    };
                    let (a, b) = (side(2, own_a), side(3, own_b));
                    assert_eq!(a.lacks(&b).is_empty(), own_b == 0, "{a:?} {b:?}");
                    assert_eq!(a.conflicts(&b), own_a > 0 && own_b > 0, "{a:?} {b:?}");
                }
            }
        }
    }
}
