//! The network is gone, the nodes are not.

use super::Act;
use crate::lab::Fault::Cut;
use crate::script::Expect::NewPrimary;
use crate::script::Step::{CleanUp, Cluster, Expect, Hit, Inside, Write};
use crate::script::Who::Primary;

pub(super) const ACTS: &[Act] = &[Act {
    // Whoever is inside the isolated node can still reach the floating address there. Fencing waits 4 s more than it
    // takes to notice: the isolated primary must have closed by itself, or have confirmed nothing. What waited to be
    // confirmed then may have been executed there: the node is held for it.
    name: "primary-isolated",
    story: "the primary's network is cut while clients are connected from inside, and fencing is slow",
    bound: 20,
    script: &[
        Cluster("crm_resource --resource fence --set-parameter pcmk_delay_base --parameter-value 4s"),
        Inside(Primary),
        Write(1),
        Hit(Primary, Cut),
        Expect(NewPrimary),
        CleanUp,
        Cluster("crm_resource --resource fence --delete-parameter pcmk_delay_base"),
    ],
}];
