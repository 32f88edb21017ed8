//! Replicas whose acknowledgements the primary waits for go away.

use super::{Act, FENCED_NODES_REBOOT, FENCED_NODES_STAY_OFF, KEEP_REPLICA_AWAY, LET_REPLICA_COME};
use crate::lab::Fault::{Freeze, PowerOff, PowerOn};
use crate::script::Expect::{APrimary, NoFailover, Silence};
use crate::script::Step::{Expect, Hit, Write};
use crate::script::Who::{Replica, Sibling};

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "replica-powered-off",
        story: "one of two replicas loses power",
        bound: 4,
        script: &[Hit(Replica, PowerOff), Expect(NoFailover(5))],
    },
    Act {
        name: "replica-frozen",
        story: "SIGSTOP to the server of one of two replicas",
        bound: 4,
        script: &[Hit(Replica, Freeze), Expect(NoFailover(5))],
    },
    Act {
        // Until the node is proven to be off, it might be that others follow it: the primary must not go on alone.
        name: "last-replica-lost",
        story: "the last replica loses power: commits wait until it is fenced, then the primary goes on alone",
        bound: 10,
        script: &[
            FENCED_NODES_STAY_OFF,
            KEEP_REPLICA_AWAY,
            Write(1),
            Hit(Sibling, PowerOff),
            Write(1),
            Expect(Silence(700)),
            Expect(APrimary),
            FENCED_NODES_REBOOT,
            LET_REPLICA_COME,
            Hit(Sibling, PowerOn),
        ],
    },
];
