//! All nodes are off.

use super::{Act, FENCED_NODES_REBOOT, FENCED_NODES_STAY_OFF};
use crate::family::{Family, both};
use crate::lab::Fault::{PowerOff, PowerOn};
use crate::script::Expect::{APrimary, Nobody, Says};
use crate::script::Step::{Expect, Hit, In, Measure, Write};
use crate::script::Who::{Primary, Replica, Sibling};

pub(super) const ACTS: &[Act] = &[Act {
    name: "outage-primary-comes-last",
    story: "a replica is lost, then the others; the one that is behind is the first to come back",
    bound: 20,
    script: &[
        FENCED_NODES_STAY_OFF,
        Hit(Sibling, PowerOff),
        Write(4),
        Hit(Primary, PowerOff),
        Hit(Replica, PowerOff),
        Hit(Sibling, PowerOn),
        Hit(Replica, PowerOn),
        In(
            Family::MariaDb,
            &[
                Expect(Says(Sibling, both("this node restarted without reaching"))),
                Expect(Nobody(4)),
            ],
        ),
        // Its relay log survives: the replica that acknowledged is a proof.
        In(Family::MySql, &[Expect(APrimary)]),
        FENCED_NODES_REBOOT,
        Measure,
        Hit(Primary, PowerOn),
        Expect(APrimary),
    ],
}];
