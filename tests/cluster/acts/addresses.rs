//! The addresses that clients use, of both families.

use super::Act;
use crate::ipv6::REMOVE;
use crate::lab::Fault::{Kill, PowerOff};
use crate::script::Expect::NewPrimary;
use crate::script::Step::{CleanUp, Cluster, Expect, Hit, Measure, OverIpv6, Write};
use crate::script::Who::Primary;

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "addresses-server-killed",
        story: "SIGKILL to the primary's server; clients at an IPv4 and at an IPv6 address",
        bound: 6,
        script: &[
            OverIpv6,
            Write(2),
            Measure,
            Hit(Primary, Kill),
            Expect(NewPrimary),
            Write(1),
            CleanUp,
            Cluster(REMOVE),
        ],
    },
    Act {
        name: "addresses-power-off",
        story: "the primary's node loses power; clients at an IPv4 and at an IPv6 address",
        bound: 12,
        script: &[
            OverIpv6,
            Write(2),
            Measure,
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
            Write(1),
            CleanUp,
            Cluster(REMOVE),
        ],
    },
];
