//! What happens between servers and clients by itself: commits, transactions and acknowledgements on their way,
//! connections that are made and lost.

use std::collections::BTreeSet;

use super::server::{Applier, Process, Receiver, Relayed, Transaction};
use super::world::World;

impl World {
    /// A client commits. Armed, it is told OK once enough replicas have acknowledged: replication/facts.rs.
    pub(super) fn commit(&mut self, node: usize, key: char) {
        let transaction = Transaction {
            gtid: self.machines[node].server.next_gtid(),
            key,
        };
        self.written += 1;
        self.append(node, transaction);
        if self.machines[node].server.armed.is_some() {
            self.server(node).waiting += 1;
        } else {
            self.tell(node, key);
        }
    }

    pub(super) fn can_commit(&self, node: usize) -> bool {
        self.writable().contains(&node)
    }

    /// Writes to the binary log, from where it is sent to all that are connected.
    fn append(&mut self, node: usize, transaction: Transaction) {
        let machine = self.machine(node);
        machine.server.binlog.push(transaction);
        machine.received.insert(transaction.key);
        for replica in self.replicas(node) {
            if let Some(link) = &mut self.server(replica).link {
                link.sent.push(transaction);
            }
        }
    }

    fn tell(&mut self, node: usize, key: char) {
        let epoch = self.machines[node].record.epoch;
        self.acknowledged.push((key, epoch));
    }

    /// Servers that are connected to this one as replicas.
    pub(super) fn replicas(&self, node: usize) -> Vec<usize> {
        let connected = |replica: &usize| {
            let link = self.machines[*replica].server.link.as_ref();
            link.is_some_and(|link| link.source == node && link.receiver == Receiver::Connected)
        };
        self.nodes().filter(connected).collect()
    }

    /// Of every replica that is connected, whether it acknowledges.
    pub(super) fn acknowledging(&self, node: usize) -> Vec<bool> {
        let replicas = self.replicas(node).into_iter();
        replicas
            .map(|replica| {
                let link = self.machines[replica].server.link.as_ref();
                link.is_some_and(|link| link.acknowledges)
            })
            .collect()
    }

    pub(super) fn can_receive(&self, node: usize) -> bool {
        let server = &self.machines[node].server;
        let link = server.link.as_ref().filter(|_| server.process == Process::Running);
        link.is_some_and(|link| {
            let on = matches!(link.receiver, Receiver::Connected | Receiver::Ending);
            on && !link.sent.is_empty() && self.is_whole(node, link.source)
        })
    }

    /// Whether packets between two servers arrive; the far end may be gone, but not cut off.
    fn is_whole(&self, node: usize, source: usize) -> bool {
        let gone = !self.machines[source].powered;
        gone || self.reaches(node, source)
    }

    /// The next transaction is in the relay log, and acknowledged if this connection does so. One of its own a server
    /// skips: replication/facts.rs; unless this connection acknowledges: on_mariadb/facts.rs.
    pub(super) fn receive(&mut self, node: usize) {
        let server = self.server(node);
        let own = server.id;
        let Some(link) = &mut server.link else { return };
        let transaction = link.sent.remove(0);
        let skipped = transaction.gtid.server == own && !link.acknowledges;
        link.received = Some(transaction.gtid);
        link.relay.push(Relayed { transaction, skipped });
        // The way back is gone with the other end.
        let acknowledges = link.acknowledges && link.receiver == Receiver::Connected;
        let source = link.source;
        if skipped {
            return;
        }
        let machine = self.machine(node);
        machine.received.insert(transaction.key);
        if acknowledges {
            machine.acks.insert(source, transaction);
        }
        self.pay(node);
    }

    pub(super) fn can_acknowledge(&self, node: usize, source: usize) -> bool {
        self.machines[node].acks.contains_key(&source) && self.is_whole(source, node)
    }

    /// An acknowledgement arrives: everything up to there is on one replica more: replication/facts.rs.
    pub(super) fn acknowledge(&mut self, node: usize, source: usize) {
        let Some(transaction) = self.machine(node).acks.remove(&source) else {
            return;
        };
        let server = &self.machines[source].server;
        if server.process == Process::Absent || server.armed.is_none() {
            return;
        }
        let Some(place) = server.binlog.iter().position(|logged| *logged == transaction) else {
            return;
        };
        let freed = self.server(source).count(node, place);
        for key in freed {
            self.tell(source, key);
        }
    }

    /// Semi-synchronous replication is switched off: whoever waits is told OK: replication/facts.rs.
    pub(super) fn disarm(&mut self, node: usize) {
        let waiting: Vec<char> = self.machines[node].server.waiting().iter().map(|t| t.key).collect();
        let server = self.server(node);
        server.armed = None;
        server.end_waiting();
        for key in waiting {
            self.tell(node, key);
        }
    }

    pub(super) fn can_apply(&self, node: usize) -> bool {
        let server = &self.machines[node].server;
        let link = server.link.as_ref().filter(|_| server.process == Process::Running);
        // A replica that waits for acknowledgements itself applies nothing: replication/facts.rs.
        link.is_some_and(|link| link.applier == Applier::Running && !link.relay.is_empty()) && server.armed.is_none()
    }

    /// The applier executes the next transaction. It stops at one that is out of order: on_mariadb/facts.rs.
    pub(super) fn apply(&mut self, node: usize) {
        let server = self.server(node);
        let last = server.binlog.last().map_or(0, |last| last.gtid.sequence);
        let Some(link) = &mut server.link else { return };
        let next = link.relay[0];
        if !next.skipped && next.transaction.gtid.sequence <= last {
            link.applier = Applier::Failed;
            return;
        }
        link.relay.remove(0);
        server.applied = Some(next.transaction.gtid);
        if !next.skipped {
            self.append(node, next.transaction);
        }
    }

    pub(super) fn can_connect(&self, node: usize) -> bool {
        let server = &self.machines[node].server;
        let link = server.link.as_ref().filter(|_| server.process == Process::Running);
        link.is_some_and(|link| {
            let up = self.machines[link.source].server.process == Process::Running;
            link.receiver == Receiver::Connecting && up && self.reaches(node, link.source)
        })
    }

    /// The receiver asks for all after the last that it received. A source that does not have that refuses; one that has
    /// nothing at all, or another transaction of the same GTID, does not notice: on_mariadb/facts.rs.
    pub(super) fn connect(&mut self, node: usize) {
        let Some(link) = self.machines[node].server.link.clone() else {
            return;
        };
        let theirs = &self.machines[link.source].server.binlog;
        let from = match link.received {
            None => Some(0),
            Some(_) if theirs.is_empty() => Some(0),
            Some(gtid) => theirs.iter().position(|logged| logged.gtid == gtid).map(|at| at + 1),
        };
        let sent = from.map(|from| theirs[from..].to_vec());
        let source = link.source;
        let server = self.server(node);
        let switch = server.replica_enabled;
        let Some(link) = &mut server.link else { return };
        match sent {
            None => link.receiver = Receiver::Refused,
            Some(sent) => {
                link.receiver = Receiver::Connected;
                link.sent = sent;
                link.acknowledges = switch;
                let all = self.machines[source].server.binlog.iter().map(|t| t.key).collect();
                let machine = self.machine(node);
                machine.owes = machine.owes.take().map(|_| all);
                self.pay(node);
            }
        }
    }

    /// A connection ends by itself: the source is gone or cannot be reached.
    pub(super) fn can_lose(&self, node: usize) -> bool {
        let server = &self.machines[node].server;
        let link = server.link.as_ref().filter(|_| server.process == Process::Running);
        link.is_some_and(|link| match link.receiver {
            Receiver::Ending => true,
            Receiver::Connected => !self.reaches(node, link.source),
            Receiver::Stopped | Receiver::Refused | Receiver::Connecting => false,
        })
    }

    pub(super) fn lose(&mut self, node: usize) {
        if let Some(link) = &mut self.server(node).link {
            link.receiver = Receiver::Connecting;
            link.sent.clear();
        }
    }

    /// Everything between this server and others ends with its process.
    pub(super) fn hang_up(&mut self, node: usize) {
        // Until it is connected again: more than it can ever have.
        self.machine(node).owes = Some(BTreeSet::from(['?']));
        for replica in self.replicas(node) {
            if let Some(link) = &mut self.server(replica).link {
                link.receiver = Receiver::Ending;
            }
        }
        for other in self.nodes() {
            if self.machines[other].acks.contains_key(&node) {
                self.machine(other).acks.remove(&node);
            }
        }
    }

    pub(super) fn crash(&mut self, node: usize, loses_last: bool) {
        if self.machines[node].server.process != Process::Absent {
            self.server(node).crash(loses_last);
            self.hang_up(node);
        }
    }

    /// Whether it has received again what it may have lost.
    fn pay(&mut self, node: usize) {
        let machine = &self.machines[node];
        let paid = machine
            .owes
            .as_ref()
            .is_some_and(|owed| owed.iter().all(|key| machine.server.holds(*key)));
        if paid {
            self.machine(node).owes = None;
        }
    }

    /// What has to happen by itself, one step: appliers first, so that a wait for them ends.
    pub(super) fn flow(&mut self) -> bool {
        for node in self.nodes() {
            if self.can_apply(node) {
                self.apply(node);
            } else if self.can_receive(node) {
                self.receive(node);
            } else if self.can_connect(node) {
                self.connect(node);
            } else if self.can_lose(node) {
                self.lose(node);
            } else if let Some(source) = self.nodes().find(|source| self.can_acknowledge(node, *source)) {
                self.acknowledge(node, source);
            } else {
                continue;
            }
            return true;
        }
        let unheard = |node: &usize| {
            let attributes = &self.machines[*node].attributes;
            attributes.heard != attributes.standing
        };
        let Some(node) = self.nodes().find(unheard) else {
            return false;
        };
        self.hear(node);
        true
    }

    /// The other nodes have heard what this one published.
    pub(super) fn hear(&mut self, node: usize) {
        let attributes = &mut self.machine(node).attributes;
        attributes.heard.clone_from(&attributes.standing);
    }

    /// What takes no time compared with everything else is done: connections are made and lost, what was received is
    /// executed unless the applier lags, what was published is heard.
    pub(super) fn settle(&mut self, eager: bool) {
        for node in self.nodes().filter(|_| eager) {
            while self.can_apply(node) && !self.machines[node].server.lags {
                self.apply(node);
            }
            if self.can_connect(node) {
                self.connect(node);
            }
            let sent = self.machines[node]
                .server
                .link
                .as_ref()
                .is_some_and(|link| !link.sent.is_empty());
            if self.can_lose(node) && !sent {
                self.lose(node);
            }
            self.hear(node);
        }
    }
}
