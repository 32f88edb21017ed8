//! Settings that would open a server at its start.

use super::Act;
use crate::family::{FORGET_OPEN_AT_BOOT, OPEN_AT_BOOT};
use crate::lab::Fault::Kill;
use crate::script::Expect::{CaughtUp, PrimaryOn, Whole};
use crate::script::Step::{Cluster, Expect, Hit, Move, Shell, Write};
use crate::script::Who::Replica;

pub(super) const ACTS: &[Act] = &[Act {
    name: "configured-to-boot-open",
    story: "a replica whose configuration opens it for writes is restarted, and promoted",
    bound: 16,
    script: &[
        Shell(Replica, OPEN_AT_BOOT),
        Hit(Replica, Kill),
        Write(3),
        Expect(Whole),
        Expect(CaughtUp(Replica)),
        Move(Replica),
        Expect(PrimaryOn(Replica)),
        Cluster("crm_resource --clear --resource db-clone"),
        Shell(Replica, FORGET_OPEN_AT_BOOT),
    ],
}];
