//! Answers of the seam that can be kept, and given again when an action is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::world::NAMES;
use crate::error::Error;
use crate::mysql::state::{Epoch, Record, Server, Standing, Vote};

/// Why a call did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// Nobody listens.
    Down,
    /// No answer.
    Silent,
    /// It was waited for in vain.
    Timeout,
    /// A tool or a statement failed.
    Failed,
    /// The action is not run any further.
    Suspended,
}

pub(super) type Outcome<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn error(self, node: usize) -> Error {
        match self {
            Fault::Down => Error::Connection {
                address: NAMES[node].to_owned(),
                message: "nobody listens".to_owned(),
            },
            Fault::Silent => Error::Connection {
                address: NAMES[node].to_owned(),
                message: "no answer".to_owned(),
            },
            Fault::Timeout => Error::Timeout {
                waiting_for: "anything".to_owned(),
                after: std::time::Duration::ZERO,
            },
            Fault::Failed => Error::Command {
                command: "tool".to_owned(),
                outcome: "failed".to_owned(),
            },
            Fault::Suspended => Error::State("suspended".to_owned()),
        }
    }
}

/// What a look at the own server finds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Looked {
    Absent,
    Silent,
    Facts(Box<Server>),
}

/// A kind of answer that can be kept and given again.
pub(super) trait Told: Clone {
    fn keep(outcome: Outcome<Self>) -> Reply;
    fn again(reply: &Reply) -> Option<Outcome<Self>>;
}

macro_rules! told {
    ($($variant:ident($kind:ty)),* $(,)?) => {
        /// An answer of the seam.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub(super) enum Reply {
            $($variant(Outcome<$kind>)),*
        }
        $(impl Told for $kind {
            fn keep(outcome: Outcome<Self>) -> Reply {
                Reply::$variant(outcome)
            }
            fn again(reply: &Reply) -> Option<Outcome<Self>> {
                match reply {
                    Reply::$variant(outcome) => Some(outcome.clone()),
                    _ => None,
                }
            }
        })*
    };
}

told! {
    Done(()),
    Alive(bool),
    Looked(Looked),
    Server(Box<Server>),
    Record(Rc<Record>),
    Epoch(Option<Epoch>),
    Votes(Vec<(String, Vote)>),
    Standings(BTreeMap<String, Standing>),
    Running(Option<BTreeSet<String>>),
    Number(Option<u64>),
}
