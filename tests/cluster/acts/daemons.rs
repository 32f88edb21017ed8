//! A part of Pacemaker itself dies on the primary's node.

use super::Act;
use crate::family::both;
use crate::script::Expect::APrimary;
use crate::script::Step::{Expect, Shell, Write};
use crate::script::Who::Primary;

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "controller-killed",
        story: "SIGKILL to Pacemaker's controller on the primary's node",
        bound: 20,
        script: &[
            // The kernel knows fifteen letters of its name.
            Shell(Primary, both("pkill -KILL -x pacemaker-contr")),
            Write(3),
            Expect(APrimary),
        ],
    },
    Act {
        name: "executor-killed",
        story: "SIGKILL to Pacemaker's executor on the primary's node",
        bound: 20,
        script: &[
            Shell(Primary, both("pkill -KILL -x pacemaker-execd")),
            Write(3),
            Expect(APrimary),
        ],
    },
];
