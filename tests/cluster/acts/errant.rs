//! Replicas with transactions that the primary does not have.

use super::Act;
use crate::family::{ERRANT_TRANSACTION, SAID_OF_FLUSHED, both};
use crate::lab::Fault::Kill;
use crate::script::Expect::{Answers, PrimaryOn, Says};
use crate::script::Step::{CleanUp, Expect, Hit, Reseed, Sql};
use crate::script::Who::{Primary, Replica, Sibling};

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "errant-transaction",
        story: "somebody writes on a replica; then the primary's server is killed",
        bound: 5,
        script: &[
            Sql(Replica, ERRANT_TRANSACTION),
            Expect(Says(Replica, both("does not have"))),
            Hit(Primary, Kill),
            Expect(PrimaryOn(Sibling)),
            Expect(Answers(
                Sibling,
                both("SELECT COUNT(*) FROM app.writes WHERE writer = 4000000000"),
                "0",
            )),
            CleanUp,
            Reseed(Replica),
        ],
    },
    Act {
        name: "errant-flush",
        story: "somebody flushes tables on a replica, which counts as a transaction",
        bound: 3,
        script: &[
            Sql(Replica, both("FLUSH TABLES")),
            Expect(Says(Replica, SAID_OF_FLUSHED)),
            CleanUp,
            Reseed(Replica),
        ],
    },
];
