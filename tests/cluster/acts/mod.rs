//! The acts, as data: what goes wrong, and what must happen then. A new act is one entry in the file of its topic.
//!
//! Besides what its script expects, every act ends with the same demands: all nodes are back, replicate and are
//! remembered for no failure; every acknowledged write is on every node; two servers were never writable together; and
//! the longest time without an acknowledgement, from the script's beginning or its `Measure`, is within the bound: of
//! one play, or of two in three. A node that was hit may be held for what it committed and nobody confirmed; then it
//! gets new data.

mod acks;
mod addresses;
mod applier;
mod boot;
mod crash;
mod daemons;
mod demotion;
mod disk;
mod errant;
mod fencing;
mod load;
mod operated;
mod outage;
mod partition;
mod power;
mod purged;
mod restart;
mod tls;

use crate::script::Step::{self, Cluster};

/// What goes wrong, and what must happen.
pub(crate) struct Act {
    /// Plain words with hyphens; the name of the test has underscores.
    pub(crate) name: &'static str,
    /// One line for somebody who watches.
    pub(crate) story: &'static str,
    /// The longest gap that clients may see, in seconds; the median of it.
    pub(crate) bound: u64,
    pub(crate) script: &'static [Step],
}

const TOPICS: &[&[Act]] = &[
    crash::ACTS,
    daemons::ACTS,
    power::ACTS,
    demotion::ACTS,
    operated::ACTS,
    applier::ACTS,
    restart::ACTS,
    acks::ACTS,
    partition::ACTS,
    outage::ACTS,
    errant::ACTS,
    purged::ACTS,
    boot::ACTS,
    tls::ACTS,
    load::ACTS,
    disk::ACTS,
    fencing::ACTS,
    addresses::ACTS,
];

/// A node that was fenced boots again; while this is off, it does so only when the script says so.
const FENCED_NODES_STAY_OFF: Step = Cluster("crm_attribute --name stonith-action --update off");
const FENCED_NODES_REBOOT: Step = Cluster("crm_attribute --name stonith-action --delete");

/// The replica's server is stopped, and nobody else's.
const KEEP_REPLICA_AWAY: Step = Step::KeepAway(crate::script::Who::Replica);
const LET_REPLICA_COME: Step = Cluster("crm_resource --clear --resource db-clone --node {replica}");

/// The acts of the demonstration, in this order.
pub(crate) const DEMO: [&str; 4] = ["server-killed", "power-off", "switchover", "server-frozen"];

pub(crate) fn all() -> impl Iterator<Item = &'static Act> {
    TOPICS.iter().copied().flatten()
}

/// The act of this name, written as a test or as a word.
pub(crate) fn named(name: &str) -> Option<&'static Act> {
    all().find(|act| act.name == name.replace('_', "-"))
}
