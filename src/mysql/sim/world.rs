//! The whole cluster as plain data: nodes with their servers, what the cluster knows of them, what clients were told.
//!
//! A world is cloned, compared and hashed all the time: machines are shared until they change.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::action::Action;
use super::pacemaker::{Instance, Plan};
use super::server::{Fake, Process, Transaction};
use crate::mysql::state::{Epoch, Record, Standing, Vote};

pub(super) const NAMES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

/// What does not change while a world lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    /// The parameter `loss`.
    pub(super) loss: &'static str,
    /// A failed instance stays away until its failure is forgotten, as with `migration-threshold=1`.
    pub(super) stays_away: bool,
    /// For how many acknowledgements a server can be made to wait.
    pub(super) most: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            loss: "never",
            stays_away: true,
            most: 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) machines: Vec<Rc<Machine>>,
    /// Pairs of nodes whose servers cannot reach each other, although the cluster is whole.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// What Pacemaker is carrying out.
    pub(super) plan: Option<Plan>,
    /// The node to which the operator wants the primary to move.
    pub(super) wanted: Option<usize>,
    /// Transactions whose clients were told OK, with the epoch of the server that said so.
    pub(super) acknowledged: Vec<(char, u64)>,
    /// How many transactions were ever written.
    pub(super) written: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    pub(super) powered: bool,
    pub(super) isolation: Isolation,
    pub(super) server: Fake,
    /// The file that survives everything.
    pub(super) record: Rc<Record>,
    /// This node's copy of the cluster's configuration.
    pub(super) configuration: Rc<Configuration>,
    /// In the attribute daemon: lost with the node.
    pub(super) attributes: Attributes,
    /// What Pacemaker knows of this node and its instance.
    pub(super) instance: Instance,
    pub(super) action: Option<Rc<Action>>,
    /// Acknowledgements on their way to a source: the last transaction that was received.
    pub(super) acks: BTreeMap<usize, Transaction>,
    /// All that this node ever received or wrote, although it may have lost it since.
    pub(super) received: BTreeSet<char>,
    /// What its source had when it connected again after its server ended; nobody knows what it had received before, so
    /// it is certain to have all of that again only once it has received this. None: it never lost anything.
    pub(super) owes: Option<BTreeSet<char>>,
}

/// From what a node is cut off, with its power on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Isolation {
    None,
    /// From the other nodes of the cluster; servers and clients still reach it.
    Cluster,
    /// From the servers of the other nodes as well; clients still reach it.
    Everything,
}

/// The options of the cluster that baton keeps. The copy with the highest number wins where two meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Configuration {
    pub(super) changes: u32,
    pub(super) epoch: Option<Rc<Epoch>>,
    pub(super) accepted_loss: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Attributes {
    pub(super) score: Option<u32>,
    pub(super) readable: bool,
    pub(super) vote: Option<Rc<Vote>>,
    /// Whether it was certain then what this node had.
    pub(super) voted_whole: bool,
    pub(super) standing: Option<Rc<Standing>>,
    /// What the other nodes have heard of `standing`: it is published without waiting for them.
    pub(super) heard: Option<Rc<Standing>>,
}

impl World {
    /// Nodes that are off, without any data.
    pub(super) fn new(nodes: usize, settings: Settings) -> World {
        let machine = |node| {
            Rc::new(Machine {
                powered: false,
                isolation: Isolation::None,
                server: Fake::new(node),
                record: Rc::default(),
                configuration: Rc::default(),
                attributes: Attributes::default(),
                instance: Instance::default(),
                action: None,
                acks: BTreeMap::new(),
                received: BTreeSet::new(),
                owes: None,
            })
        };
        World {
            settings,
            machines: (0..nodes).map(machine).collect(),
            cut: BTreeSet::new(),
            plan: None,
            wanted: None,
            acknowledged: Vec::new(),
            written: 0,
        }
    }

    pub(super) fn nodes(&self) -> std::ops::Range<usize> {
        0..self.machines.len()
    }

    pub(super) fn machine(&mut self, node: usize) -> &mut Machine {
        Rc::make_mut(&mut self.machines[node])
    }

    pub(super) fn server(&mut self, node: usize) -> &mut Fake {
        &mut self.machine(node).server
    }

    /// Somebody puts the data of a backup in place of a stopped server's own: one that had so many transactions.
    pub(super) fn restore(&mut self, node: usize, transactions: usize) {
        let server = self.server(node);
        server.binlog.truncate(transactions);
        let mut replicated = server
            .binlog
            .iter()
            .rev()
            .filter(|transaction| transaction.gtid.server != server.id);
        server.applied = replicated.next().map(|transaction| transaction.gtid);
        server.doubtful = 0;
        server.link = None;
        server.data += 1;
    }

    /// Whether the two are in one membership: nodes that are cut off from the cluster are alone.
    pub(super) fn are_members(&self, one: usize, other: usize) -> bool {
        let member = |node: usize| self.machines[node].powered && self.machines[node].isolation == Isolation::None;
        one == other && self.machines[one].powered || member(one) && member(other)
    }

    /// The nodes of the membership that this one is in.
    pub(super) fn members_with(&self, node: usize) -> Vec<usize> {
        self.nodes().filter(|other| self.are_members(node, *other)).collect()
    }

    pub(super) fn has_quorum(&self, node: usize) -> bool {
        self.members_with(node).len() * 2 > self.machines.len()
    }

    /// The members of the partition that has quorum; none when there is no such partition.
    pub(super) fn quorate(&self) -> Vec<usize> {
        let node = self.nodes().find(|node| self.has_quorum(*node));
        node.map(|node| self.members_with(node)).unwrap_or_default()
    }

    /// Whether one server can reach another.
    pub(super) fn reaches(&self, one: usize, other: usize) -> bool {
        let open = |node: usize| {
            let machine = &self.machines[node];
            machine.powered && machine.isolation != Isolation::Everything
        };
        let pair = (one.min(other), one.max(other));
        one == other || open(one) && open(other) && !self.cut.contains(&pair)
    }

    /// Changes the configuration in all copies that this node's partition has.
    pub(super) fn configure(&mut self, node: usize, change: impl FnOnce(&mut Configuration)) {
        let mut configuration = (*self.machines[node].configuration).clone();
        change(&mut configuration);
        configuration.changes += 1;
        let configuration = Rc::new(configuration);
        for member in self.members_with(node) {
            self.machine(member).configuration = Rc::clone(&configuration);
        }
    }

    /// The copies of all members become one.
    pub(super) fn join(&mut self, node: usize) {
        let members = self.members_with(node);
        let newest = members.iter().map(|member| &self.machines[*member].configuration);
        let Some(newest) = newest.max_by_key(|copy| copy.changes).cloned() else {
            return;
        };
        for member in members {
            self.machine(member).configuration = Rc::clone(&newest);
        }
    }

    /// The newest configuration of the partition that has quorum, else of any node.
    pub(super) fn configuration(&self) -> &Configuration {
        let node = self.quorate().first().copied().unwrap_or_default();
        &self.machines[node].configuration
    }

    /// Nodes whose server accepts writes.
    pub(super) fn writable(&self) -> Vec<usize> {
        let open = |node: &usize| {
            let server = &self.machines[*node].server;
            server.process == Process::Running && !server.read_only
        };
        self.nodes().filter(open).collect()
    }
}

/// `n1, n2`.
pub(super) fn names(nodes: impl IntoIterator<Item = usize>) -> String {
    let names: Vec<&str> = nodes.into_iter().map(|node| NAMES[node]).collect();
    names.join(", ")
}

pub(super) fn node_named(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}
