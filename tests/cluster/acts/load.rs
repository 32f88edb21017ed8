//! A primary with too much to do is still the primary.

use super::Act;
use crate::family::both;
use crate::script::Expect::NoFailover;
use crate::script::Step::{Crowd, Expect, Leave, Shell, Sql};
use crate::script::Who::Primary;

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "connections-full",
        story: "the primary takes no more connections",
        bound: 3,
        script: &[
            Sql(Primary, both("SET GLOBAL max_connections = 40")),
            Crowd(Primary),
            Expect(NoFailover(6)),
            Leave,
            Sql(Primary, both("SET GLOBAL max_connections = 151")),
        ],
    },
    Act {
        name: "processors-busy",
        story: "twice as many processes as processors keep the primary's node busy",
        bound: 5,
        script: &[
            Shell(
                Primary,
                both("for _ in $(seq $((2 * $(nproc)))); do (timeout 7 sh -c 'while :; do :; done' &); done"),
            ),
            Expect(NoFailover(7)),
        ],
    },
];
