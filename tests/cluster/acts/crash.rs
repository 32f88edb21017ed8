//! The primary's server dies or hangs; its node lives.

use super::Act;
use crate::lab::Fault::{Freeze, Kill};
use crate::script::Expect::{APrimary, NewPrimary};
use crate::script::Step::{Expect, Hit, Measure, Pause, Resume};
use crate::script::Who::{Primary, Successor};

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "server-killed",
        story: "SIGKILL to the primary's server",
        bound: 5,
        script: &[Hit(Primary, Kill), Expect(NewPrimary)],
    },
    Act {
        // `hang_timeout` of the example is 2 s.
        name: "server-frozen",
        story: "SIGSTOP to the primary's server",
        bound: 8,
        script: &[Hit(Primary, Freeze), Expect(NewPrimary)],
    },
    Act {
        // The third one serves when the first is back: commits wait for a replica.
        name: "two-servers-killed",
        story: "the new primary's server is killed as soon as it serves",
        bound: 8,
        script: &[
            Hit(Primary, Kill),
            Expect(NewPrimary),
            Hit(Successor, Kill),
            Expect(NewPrimary),
        ],
    },
    Act {
        // Nothing new in the history of a primary: positions must be right all the same.
        name: "two-servers-killed-without-writes",
        story: "two primaries are killed, nobody writes meanwhile",
        bound: 8,
        script: &[
            Pause,
            Hit(Primary, Kill),
            Expect(NewPrimary),
            Hit(Successor, Kill),
            Expect(NewPrimary),
            Measure,
            Resume,
            Expect(APrimary),
        ],
    },
];
