//! A crashed server is back before the cluster has decided, with less than it had or with more than it should do.

use super::Act;
use crate::family::{RESTART_CLOSED, RESTART_OPEN, both};
use crate::lab::Fault::Kill;
use crate::script::Expect::NewPrimary;
use crate::script::Step::{Expect, Hit, Shell, Sql, Write};
use crate::script::Who::Primary;

pub(super) const ACTS: &[Act] = &[
    Act {
        // Its binary log says that it has what its tables lack: attached as it is, it would look complete for ever.
        name: "crash-with-unsynced-logs",
        story: "the server of a primary that does not sync its logs is killed",
        bound: 8,
        script: &[
            Sql(
                Primary,
                both("SET GLOBAL innodb_flush_log_at_trx_commit = 0; SET GLOBAL sync_binlog = 0"),
            ),
            Write(1),
            Hit(Primary, Kill),
            Expect(NewPrimary),
        ],
    },
    Act {
        name: "restarted-without-its-tail",
        story: "the primary's server is killed and started again by somebody else, as a replica",
        bound: 8,
        script: &[Shell(Primary, RESTART_CLOSED), Expect(NewPrimary)],
    },
    Act {
        // It serves as if nothing had happened, and waits for no replica: it must be told to, or be replaced.
        name: "restarted-by-somebody-else",
        story: "the primary's server is killed and started again by somebody else",
        bound: 8,
        script: &[Shell(Primary, RESTART_OPEN), Write(3)],
    },
];
