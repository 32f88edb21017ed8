//! The primary's node loses power.

use super::Act;
use crate::lab::Fault::PowerOff;
use crate::script::Expect::NewPrimary;
use crate::script::Step::{self, CleanUp, Cluster, Expect, Hit};
use crate::script::Who::Primary;

/// Fencing begins only after so many seconds, as a management board's may take.
const SLOW_FENCING: Step = Cluster("crm_resource --resource fence --set-parameter delay --parameter-value 6");
const QUICK_FENCING: Step = Cluster("crm_resource --resource fence --delete-parameter delay");

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "power-off",
        story: "the primary's node loses power",
        bound: 12,
        script: &[Hit(Primary, PowerOff), Expect(NewPrimary)],
    },
    Act {
        // Both replicas have lost their source by then, and wait for its host in vain.
        name: "power-off-slowly-fenced",
        story: "the primary's node loses power, and it takes 6 s until it is fenced",
        bound: 14,
        script: &[
            SLOW_FENCING,
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
            CleanUp,
            QUICK_FENCING,
        ],
    },
];
