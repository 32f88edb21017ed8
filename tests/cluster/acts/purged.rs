//! What a replica needs is gone everywhere else.

use super::{Act, KEEP_REPLICA_AWAY, LET_REPLICA_COME};
use crate::family::both;
use crate::script::Expect::Says;
use crate::script::Step::{self, CleanUp, Expect, Reseed, Sql, Write};
use crate::script::Who::{self, Primary, Replica, Sibling};

/// A log that is being sent to somebody cannot be purged: with a new one, and something in it, nobody needs the old.
const fn new_log(who: Who) -> Step {
    Sql(who, both("FLUSH NO_WRITE_TO_BINLOG BINARY LOGS"))
}

const fn purge(who: Who) -> Step {
    Sql(who, both("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY"))
}

pub(super) const ACTS: &[Act] = &[Act {
    name: "binary-logs-purged",
    story: "a replica comes back after the others have purged what it needs",
    bound: 3,
    script: &[
        KEEP_REPLICA_AWAY,
        Write(1),
        new_log(Primary),
        new_log(Sibling),
        Write(1),
        purge(Primary),
        purge(Sibling),
        LET_REPLICA_COME,
        Expect(Says(Replica, both("1236"))),
        CleanUp,
        Reseed(Replica),
    ],
}];
