//! Replicas that received what they have not executed, or cannot execute.

use super::{Act, FENCED_NODES_REBOOT, FENCED_NODES_STAY_OFF};
use crate::family::{Family, NO_ROW_OF_ITS_OWN, ROW_OF_ITS_OWN, Words, both};
use crate::lab::Fault::{Kill, PowerOff, PowerOn};
use crate::script::Expect::{APrimary, NewPrimary, NoFailover, Nobody, Says};
use crate::script::Step::{self, Expect, Hit, In, Measure, Sql, Write};
use crate::script::Who::{self, Primary, Replica, Sibling, Successor};

const fn stop_applier(who: Who) -> Step {
    Sql(who, both("STOP REPLICA SQL_THREAD"))
}

const fn start_applier(who: Who) -> Step {
    Sql(who, both("START REPLICA SQL_THREAD"))
}

const fn stop_receiver(who: Who) -> Step {
    Sql(who, both("STOP REPLICA IO_THREAD"))
}

const fn start_receiver(who: Who) -> Step {
    Sql(who, both("START REPLICA IO_THREAD"))
}

/// A row that a replica has already cannot be executed there once more.
const CLASH: [Step; 2] = [
    Sql(Replica, ROW_OF_ITS_OWN),
    Sql(Primary, both("INSERT INTO app.writes VALUES (4000000000, 1)")),
];
const NO_CLASH: Step = Sql(Replica, NO_ROW_OF_ITS_OWN);
const FORGET_CLASH: Step = Sql(Successor, both("DELETE FROM app.writes WHERE writer = 4000000000"));
const CANNOT_APPLY: Words = both("the replica cannot apply: error 1062");

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "appliers-stopped",
        story: "both replicas stop executing; the primary is fine",
        bound: 5,
        script: &[
            stop_applier(Replica),
            stop_applier(Sibling),
            Expect(NoFailover(5)),
            start_applier(Replica),
            start_applier(Sibling),
        ],
    },
    Act {
        name: "applier-stopped-backlog",
        story: "the primary loses power while a replica has not executed what it received",
        bound: 16,
        script: &[
            stop_applier(Replica),
            Write(2),
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
        ],
    },
    Act {
        // Whoever is promoted is degraded: where the primary's node coordinated, Pacemaker waits 15 s for nothing
        // (docs/operations.md). Once both replicas have resigned the primary runs alone: its node is waited for, which boots.
        name: "only-backlog-is-complete",
        story: "the only replica with everything has not executed it when the primary loses power",
        bound: 50,
        script: &[
            stop_receiver(Sibling),
            stop_applier(Replica),
            Write(2),
            Hit(Primary, PowerOff),
            Expect(APrimary),
        ],
    },
    Act {
        // The new primary's commits wait for the broken replica until it is known not to acknowledge.
        name: "applier-broken",
        story: "the primary loses power while a replica cannot execute what it received",
        bound: 16,
        script: &[
            CLASH[0],
            CLASH[1],
            Write(1),
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
            Expect(Says(Replica, CANNOT_APPLY)),
            NO_CLASH,
            start_applier(Replica),
            FORGET_CLASH,
        ],
    },
    Act {
        // Whoever had promoted the sibling would have lost what only the broken one received. Where that resigned before
        // the primary was gone, it is the primary that must come back.
        name: "only-broken-applier-is-complete",
        story: "the only replica with everything cannot execute it, and the primary is gone",
        bound: 30,
        script: &[
            FENCED_NODES_STAY_OFF,
            stop_receiver(Sibling),
            CLASH[0],
            CLASH[1],
            Hit(Primary, PowerOff),
            start_receiver(Sibling),
            Expect(Nobody(6)),
            Expect(Says(Replica, CANNOT_APPLY)),
            NO_CLASH,
            Measure,
            start_applier(Replica),
            FENCED_NODES_REBOOT,
            Hit(Primary, PowerOn),
            Expect(APrimary),
            FORGET_CLASH,
        ],
    },
    Act {
        // What the replica had received is unknown once it has restarted. Refusing until the primary is back is as
        // good as promoting the other one, as long as nothing is lost.
        name: "replica-crashed-with-primary",
        story: "a replica's server is killed when the primary loses power",
        bound: 35,
        script: &[Hit(Primary, PowerOff), Hit(Replica, Kill), Expect(APrimary)],
    },
    Act {
        name: "only-complete-replica-crashed",
        story: "the only replica that acknowledged is killed when the primary loses power",
        bound: 20,
        script: &[
            FENCED_NODES_STAY_OFF,
            stop_receiver(Sibling),
            Write(1),
            Hit(Primary, PowerOff),
            Hit(Replica, Kill),
            start_receiver(Sibling),
            // MySQL keeps its relay log: as soon as the killed one is back, it is a proof.
            In(Family::MariaDb, &[Expect(Nobody(8))]),
            FENCED_NODES_REBOOT,
            Measure,
            Hit(Primary, PowerOn),
            Expect(APrimary),
        ],
    },
];
