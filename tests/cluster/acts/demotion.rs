//! The primary is asked to give up its role, by itself or with something in its way.

use super::Act;
use crate::family::both;
use crate::script::Expect::{APrimary, ClosedWithin, PrimaryOn, Silence, Whole};
use crate::script::Step::{self, Busy, Cluster, Expect, Move, Session, Sql, Write};
use crate::script::Who::{Primary, Replica, Sibling};

/// A move leaves a rule behind.
const FORGET_MOVE: Step = Cluster("crm_resource --clear --resource db-clone");

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "switchover",
        story: "a planned switchover, there and back",
        bound: 5,
        script: &[
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
            Expect(Whole),
            Move(Primary),
            Expect(PrimaryOn(Primary)),
            FORGET_MOVE,
        ],
    },
    Act {
        name: "switchover-to-lagging-replica",
        story: "a switchover to a replica that has not executed all that it received",
        bound: 8,
        script: &[
            Sql(Replica, both("STOP REPLICA SQL_THREAD")),
            Write(3),
            Sql(Replica, both("START REPLICA SQL_THREAD")),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
        ],
    },
    Act {
        // It has received nothing for a while, and is closest to nobody.
        name: "switchover-to-replica-that-just-came",
        story: "a switchover to a replica that still receives what it missed",
        bound: 8,
        script: &[
            Sql(Replica, both("STOP REPLICA")),
            Write(3),
            Sql(Replica, both("START REPLICA")),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
        ],
    },
    Act {
        // Nobody confirms what waits, so nobody may be told that it is confirmed.
        // A commit whose acknowledgement is lost with a connection is released when two monitors have seen it stand still; the
        // first of them may wait for its own.
        name: "demoted-while-commits-wait",
        story: "the primary is demoted while commits wait for a replica that does not answer",
        bound: 12,
        script: &[
            Sql(Replica, both("STOP REPLICA IO_THREAD")),
            Sql(Sibling, both("STOP REPLICA IO_THREAD")),
            Write(1),
            Cluster("crm_resource --resource db-clone --meta --set-parameter target-role --parameter-value Unpromoted"),
            Expect(ClosedWithin(2000)),
            Expect(Silence(1000)),
            Sql(Replica, both("START REPLICA IO_THREAD")),
            Sql(Sibling, both("START REPLICA IO_THREAD")),
            Cluster("crm_resource --resource db-clone --meta --delete-parameter target-role"),
            Expect(APrimary),
        ],
    },
    Act {
        name: "switchover-past-privileged-transaction",
        story: "a switchover while an administrator has a transaction open",
        bound: 5,
        script: &[
            Session(
                Primary,
                both("START TRANSACTION; INSERT INTO app.writes VALUES (4000000000, 3)"),
            ),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
        ],
    },
    Act {
        name: "switchover-past-locked-table",
        story: "a switchover while a session has locked a table",
        bound: 5,
        script: &[
            Session(
                Primary,
                both("CREATE TABLE app.locked (id INT); LOCK TABLES app.locked WRITE"),
            ),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
            Sql(Replica, both("DROP TABLE app.locked")),
        ],
    },
    Act {
        name: "switchover-past-global-lock",
        story: "a switchover while a session has locked all tables",
        bound: 5,
        script: &[
            Session(Primary, both("FLUSH TABLES WITH READ LOCK")),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
        ],
    },
    Act {
        name: "switchover-past-long-update",
        story: "a switchover while a statement changes many rows for long",
        bound: 5,
        script: &[
            Sql(
                Primary,
                both("CREATE TABLE app.long_update (PRIMARY KEY (writer, number)) SELECT * FROM app.writes LIMIT 5000"),
            ),
            Busy(
                Primary,
                both("UPDATE app.long_update SET number = number + 1000000000 + SLEEP(0.01)"),
            ),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
            Sql(Replica, both("DROP TABLE app.long_update")),
        ],
    },
    Act {
        // It outlives its session, and is prepared on every replica.
        name: "switchover-past-prepared-transaction",
        story: "a switchover while a distributed transaction is prepared",
        bound: 5,
        script: &[
            Session(
                Primary,
                both("XA START 'act'; INSERT INTO app.writes VALUES (4000000000, 4); XA END 'act'; XA PREPARE 'act'"),
            ),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            FORGET_MOVE,
            Expect(Whole),
            Sql(Replica, both("XA ROLLBACK 'act'")),
        ],
    },
    Act {
        // The role comes back, or goes to the third node, within the time that the drain is given. The failure must not
        // expire meanwhile: the order to move stands, and would be tried again.
        name: "switchover-to-stuck-applier",
        story: "a switchover to a replica that cannot go on executing",
        bound: 15,
        script: &[
            Cluster("crm_resource --resource db --meta --set-parameter failure-timeout --parameter-value 60s"),
            Cluster("crm_resource --resource db --set-parameter apply_stall_timeout --parameter-value 3s"),
            Session(Replica, both("FLUSH TABLES WITH READ LOCK")),
            Write(1),
            Move(Replica),
            Expect(ClosedWithin(3000)),
            Expect(APrimary),
            FORGET_MOVE,
            Cluster("crm_resource --resource db --delete-parameter apply_stall_timeout"),
            Cluster("crm_resource --resource db --meta --set-parameter failure-timeout --parameter-value 3s"),
        ],
    },
];
