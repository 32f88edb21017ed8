//! The words that acts are written in: who, what is done to them, and what must come of it. Data only.

use crate::family::{Family, Words};
use crate::lab::{Fault, Node};

/// A role in an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Who is primary when the act begins.
    Primary,
    /// One of its replicas.
    Replica,
    /// The other one.
    Sibling,
    /// Who is primary by now.
    Successor,
}

/// One thing after the other. In statements and commands `{primary}`, `{replica}`, `{sibling}` and `{successor}` are
/// names of nodes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Clients go on for so many seconds.
    Write(u64),
    /// Clients pause, with nothing on its way, and go on.
    Pause,
    Resume,
    Hit(Who, Fault),
    /// The role of the primary is moved, planned.
    Move(Who),
    /// An administrator's statements.
    Sql(Who, Words),
    /// The same, in a session that stays open.
    Session(Who, Words),
    /// A session that stays busy with one statement for long.
    Busy(Who, Words),
    /// Idle clients, until the server takes no more, not even the one administrator for whom it keeps a connection.
    Crowd(Who),
    /// All sessions end.
    Leave,
    /// A shell's command on a node.
    Shell(Who, Words),
    /// The server of a node is stopped, and nobody else's.
    KeepAway(Who),
    /// A command to the cluster, on the node of the primary, or on any other that takes it.
    Cluster(&'static str),
    /// A client and a witness who reach this node without the network.
    Inside(Who),
    /// The cluster has an IPv6 address too, and a client who knows no other; its gaps count by themselves.
    OverIpv6,
    /// The node gets the primary's data, as an administrator would do it.
    Reseed(Who),
    /// What happens with this family of servers alone.
    In(Family, &'static [Step]),
    /// The clients' gap, and the timeline, count from here.
    Measure,
    /// What follows puts things back: clients may have to wait for that.
    CleanUp,
    Expect(Expect),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// Another node than before is primary, and clients write.
    NewPrimary,
    /// This one is.
    PrimaryOn(Who),
    /// Whoever is primary, clients write.
    APrimary,
    /// For so many seconds nobody else becomes writable, and at their end the primary is.
    NoFailover(u64),
    /// For so many seconds no server is writable.
    Nobody(u64),
    /// The primary takes no writes any more, this many milliseconds after the step before began.
    ClosedWithin(u64),
    /// The cluster shows this reason for a failed or degraded action on a node.
    Says(Who, Words),
    /// The last acknowledgement that a client got is this many milliseconds ago, or more.
    Silence(u64),
    /// A node has executed all that the primary has by now.
    CaughtUp(Who),
    /// A question to a node's server is answered by this, at last.
    Answers(Who, Words, &'static str),
    /// One primary, everybody follows it, and the cluster remembers no failure.
    Whole,
}

/// Who plays what.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) primary: Node,
    /// Everybody who was primary, in order; the last one is.
    pub(crate) reign: Vec<Node>,
}

impl Cast {
    pub(crate) fn with(primary: Node) -> Cast {
        Cast {
            primary,
            reign: vec![primary],
        }
    }

    pub(crate) fn now(&self) -> Node {
        self.reign.last().copied().unwrap_or(self.primary)
    }

    pub(crate) fn node(&self, who: Who) -> Node {
        match who {
            Who::Primary => self.primary,
            Who::Replica => self.primary.next(),
            Who::Sibling => self.primary.next().next(),
            Who::Successor => self.now(),
        }
    }

    /// Puts names in the place of roles.
    pub(crate) fn fill(&self, text: &str) -> String {
        let roles = [
            ("{primary}", Who::Primary),
            ("{replica}", Who::Replica),
            ("{sibling}", Who::Sibling),
            ("{successor}", Who::Successor),
        ];
        roles.into_iter().fold(text.to_owned(), |text, (role, who)| {
            text.replace(role, &self.node(who).to_string())
        })
    }
}

impl Step {
    /// What somebody who watches is told.
    pub(crate) fn describe(self, cast: &Cast) -> String {
        let at = |who| cast.node(who);
        match self {
            Step::Write(seconds) => format!("clients are writing for {seconds} s"),
            Step::Pause => "clients pause".to_owned(),
            Step::Resume => "clients go on".to_owned(),
            Step::Hit(who, fault) => fault.describe(at(who)),
            Step::Move(who) => format!("switchover to {}", at(who)),
            Step::Sql(who, _) => format!("an administrator's statements on {}", at(who)),
            Step::Session(who, _) => format!("a session that stays open on {}", at(who)),
            Step::Busy(who, _) => format!("a statement that takes long on {}", at(who)),
            Step::Crowd(who) => format!("more clients than {} takes", at(who)),
            Step::Leave => "all sessions end".to_owned(),
            Step::Shell(who, _) => format!("a command on {}", at(who)),
            Step::KeepAway(who) => format!("the server of {} is stopped", at(who)),
            Step::Cluster(command) => cast.fill(command),
            Step::Inside(who) => format!("a client and a witness inside {}", at(who)),
            Step::OverIpv6 => "a client at a floating IPv6 address".to_owned(),
            Step::Reseed(who) => format!("{} gets the data of {}", at(who), cast.now()),
            Step::In(family, _) => format!("with {family:?}"),
            Step::Measure => "measuring from here".to_owned(),
            Step::CleanUp => "putting things back".to_owned(),
            Step::Expect(expect) => expect.describe(cast),
        }
    }
}

impl Expect {
    pub(crate) fn describe(self, cast: &Cast) -> String {
        match self {
            Expect::NewPrimary => "waiting for a new primary".to_owned(),
            Expect::PrimaryOn(who) => format!("waiting for {} to be primary", cast.node(who)),
            Expect::APrimary => "waiting for a primary".to_owned(),
            Expect::NoFailover(seconds) => format!("{} stays primary for {seconds} s", cast.now()),
            Expect::Nobody(seconds) => format!("no server is writable for {seconds} s"),
            Expect::ClosedWithin(millis) => format!("{} takes no writes within {millis} ms", cast.now()),
            Expect::Says(who, _) => format!("waiting for the cluster to say why {} is not well", cast.node(who)),
            Expect::Silence(_) => "no client is told that it has written".to_owned(),
            Expect::CaughtUp(who) => format!("waiting until {} has caught up", cast.node(who)),
            Expect::Answers(who, _, answer) => format!("waiting for {} to answer {answer}", cast.node(who)),
            Expect::Whole => "waiting for a healthy cluster".to_owned(),
        }
    }
}
