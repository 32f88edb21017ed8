//! What a node remembers of itself over restarts: plain data.
//!
//! Invariant: no I/O here; `record.rs` keeps it.

use serde::{Deserialize, Serialize};

use super::gtid::Position;
use super::state::{Claim, Epoch};

/// Which role this node last took, kept over restarts in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// This node's own memory: one small file, durable before any change of role takes effect. Files of other versions of
/// this program must stay readable: what they do not say has its default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// A primary that crashed was not demoted: it still is what it was.
    pub(crate) role: Role,
    /// Which data it is about; empty where nobody noted it.
    pub(crate) data: String,
    /// What this node knew of the data that were here before: they may come back, as when their disk was not mounted.
    pub(crate) before: Option<Box<Record>>,
    /// The epoch in which this node was last promoted; 0 when never.
    pub(crate) epoch: u64,
    /// The epoch that this node was about to open, noted before the cluster was told; without a meaning once it is open.
    pub(crate) opening: u64,
    /// What its binary log held when it was promoted then, and when it was primary no more: what it wrote in between, it
    /// wrote as primary.
    pub(crate) began_at: Position,
    pub(crate) ended_at: Option<Position>,
    /// Path of the binary logs, for the time when the server is down.
    pub(crate) binlog_base: String,
    /// The last epoch of this node that was entered in the servers' own table of reigns, or that it tried to enter.
    pub(crate) entered: u64,
    /// Whether this node was found to have what the primary does not have.
    pub(crate) held: bool,
    /// Set while the source is being changed: until that is done, what the server says it received may be gone.
    pub(crate) changing_source: bool,
    /// Set while the receiver is stopped for a moment, so that it acknowledges from then on, or does not: an action may end
    /// meanwhile, or the server be slow to stop it. If it stands then, nobody stopped it by hand.
    pub(crate) restarts_receiver: bool,
    /// What this node had received when it last voted: once it is executed, a restart has lost nothing. Kept until this
    /// node follows who was elected.
    pub(crate) voted: Option<Voted>,
    /// What the primary had when this node began to follow it once more. That deleted the relay log, and with it perhaps
    /// what this node had acknowledged: it knows what it received only once all of this is here again.
    pub(crate) refetches: Option<Voted>,
    /// The primary's own copy of what it claims, so that a monitor need not ask the cluster for it.
    pub(crate) claim: Claim,
    /// How many commits had ended without an acknowledgement when the floor of the claim was last moved.
    pub(crate) unacknowledged: u64,
    /// What this server had written itself when it last followed somebody: as a replica it writes nothing more.
    pub(crate) own: Option<Position>,
    /// The last epoch in which this replica may have acknowledged anything; the highest number where nobody noted it.
    pub(crate) acknowledged_in: u64,
    /// The duty to acknowledge that this replica gave up last.
    pub(crate) resigned: Option<Resigned>,
    /// The primary ran with settings by which a kill of the server loses what is in its history.
    pub(crate) unsynced: bool,
    /// The setting by which a crash of the machine may have lost what it confirmed, if it ran with one.
    pub(crate) not_durable: Option<String>,
    /// It ended so: its history proves nothing, until its data were replaced.
    pub(crate) distrusted: bool,
    /// The run of the machine in which this node was last promoted.
    pub(crate) boot: String,
    /// The machine ended under this server while it was primary. Kept until it follows somebody.
    pub(crate) machine_crashed: bool,
    /// Crash recovery dropped what this former primary had not confirmed. Until it has followed its successor, it must
    /// be told to acknowledge, or it skips its own transactions without an error (MariaDB).
    pub(crate) dropped_tail: bool,
}

impl Record {
    /// Whether this replica may acknowledge: it was admitted in this epoch, and has not resigned since.
    pub(crate) fn may_acknowledge(&self, epoch: &Epoch, own_name: &str) -> bool {
        let admitted = epoch.claim.ackers.get(own_name);
        let resigned = self.resigned.filter(|resigned| resigned.epoch == epoch.number);
        admitted.is_some_and(|admitted| resigned.is_none_or(|resigned| resigned.admission < *admitted))
    }

    /// What a node knows that found other data than it had, for example those of a backup: nothing, unless it knew them
    /// before. It may not resume a duty, and what such a server says it received, somebody else received.
    pub(crate) fn of_other_data(mut self, data: String) -> Record {
        let resigned = self.resigned;
        let Some(mut back) = self.before.take().filter(|before| before.data == data) else {
            return Record {
                data,
                resigned,
                changing_source: true,
                before: Some(Box::new(self)),
                ..Record::default()
            };
        };
        back.resigned = resigned.or(back.resigned);
        if self.took_part() {
            // What this node acknowledged with the other data, these do not have.
            back.voted = None;
            back.changing_source = true;
            back.acknowledged_in = u64::MAX;
        }
        back.before = Some(Box::new(self));
        *back
    }

    /// Whether a server with new data may have followed anybody, or was promoted.
    fn took_part(&self) -> bool {
        !self.changing_source || self.acknowledged_in != u64::MAX || self.epoch > 0
    }

    /// Epochs after this one are not heard of any more.
    pub(crate) fn forget_later(&mut self, epoch: u64) {
        self.epoch = self.epoch.min(epoch);
        if self.acknowledged_in != u64::MAX {
            self.acknowledged_in = self.acknowledged_in.min(epoch);
        }
    }

    /// Whether somebody was promoted since this node voted, and it has not followed since.
    pub(crate) fn missed(&self, epoch: Option<&Epoch>) -> bool {
        let voted = self.voted.as_ref().zip(epoch);
        voted.is_some_and(|(voted, epoch)| epoch.number > voted.epoch)
    }
}

/// What a node had received when it voted in the election that ends `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Voted {
    pub(crate) epoch: u64,
    pub(crate) received: Position,
}

/// A replica that gave up its duty: it does not acknowledge before it is admitted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Resigned {
    pub(crate) epoch: u64,
    /// Of which admission it was the end.
    pub(crate) admission: u64,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            role: Role::Replica,
            data: String::new(),
            before: None,
            epoch: 0,
            opening: 0,
            began_at: Position::default(),
            ended_at: None,
            binlog_base: String::new(),
            entered: 0,
            held: false,
            changing_source: false,
            restarts_receiver: false,
            voted: None,
            refetches: None,
            claim: Claim::default(),
            unacknowledged: 0,
            own: None,
            acknowledged_in: u64::MAX,
            resigned: None,
            unsynced: false,
            not_durable: None,
            distrusted: false,
            boot: String::new(),
            machine_crashed: false,
            dropped_tail: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_data_have_no_past_and_those_that_come_back_have_theirs() {
        let first = Record {
            data: "first".to_owned(),
            epoch: 4,
            held: true,
            ..Record::default()
        };
        let resigned = Some(Resigned { epoch: 4, admission: 2 });
        let mut other = first.clone().of_other_data("other".to_owned());
        assert_eq!((other.epoch, other.held, other.changing_source), (0, false, true));
        other.resigned = resigned;
        let back = other.of_other_data("first".to_owned());
        assert_eq!((back.epoch, back.held, back.changing_source), (4, true, false));
        assert_eq!(back.resigned, resigned);
        assert_eq!(back.before.map(|before| before.data.clone()).as_deref(), Some("other"));
    }

    /// They would be counted as having it, else.
    #[test]
    fn data_that_come_back_are_no_proof_of_what_was_acknowledged_with_others() {
        let first = Record {
            data: "first".to_owned(),
            acknowledged_in: 4,
            voted: Some(Voted {
                epoch: 5,
                received: Position::default(),
            }),
            ..Record::default()
        };
        let mut other = first.clone().of_other_data("other".to_owned());
        let untouched = other.clone().of_other_data("first".to_owned());
        assert_eq!((untouched.acknowledged_in, &untouched.voted), (4, &first.voted));
        other.acknowledged_in = 5;
        let back = other.of_other_data("first".to_owned());
        assert_eq!(
            (back.acknowledged_in, back.voted, back.changing_source),
            (u64::MAX, None, true)
        );
    }
}
