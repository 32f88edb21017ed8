//! One transition as Pacemaker carries it out: every action and notification is told the state before it and the plan.

use crate::lab::{Lab, N1, N2, N3, NAMES};
use crate::support::{Call, Ended};

pub(crate) struct Transition<'a> {
    lab: &'a Lab,
    active: Vec<usize>,
    promoted: Vec<usize>,
    start: Vec<usize>,
    stop: Vec<usize>,
    promote: Vec<usize>,
    demote: Vec<usize>,
}

impl<'a> Transition<'a> {
    pub(crate) fn new(lab: &'a Lab) -> Transition<'a> {
        let active = lab.active.get();
        Transition {
            lab,
            active: [N1, N2, N3].into_iter().filter(|node| active[*node]).collect(),
            promoted: lab.primary.get().into_iter().collect(),
            start: Vec::new(),
            stop: Vec::new(),
            promote: Vec::new(),
            demote: Vec::new(),
        }
    }

    pub(crate) fn start(mut self, nodes: &[usize]) -> Self {
        self.start = nodes.to_vec();
        self
    }

    pub(crate) fn stop(mut self, nodes: &[usize]) -> Self {
        self.stop = nodes.to_vec();
        self
    }

    pub(crate) fn promote(mut self, node: usize) -> Self {
        self.promote = vec![node];
        self
    }

    pub(crate) fn demote(mut self, node: usize) -> Self {
        self.demote = vec![node];
        self
    }

    /// Everything, in Pacemaker's order; every action must succeed.
    pub(crate) fn carry_out(self) {
        self.close().carry_out_promotion();
    }

    /// Votes, promotion, and the news of it.
    pub(crate) fn carry_out_promotion(self) {
        if !self.promote.is_empty() {
            self.elect().try_promote().expect(0);
            self.notify_all("post", "promote");
        }
    }

    /// What comes before a promotion: demote, stop, start.
    pub(crate) fn close(self) -> Self {
        for (operation, nodes) in [("demote", &self.demote), ("stop", &self.stop), ("start", &self.start)] {
            if nodes.is_empty() {
                continue;
            }
            self.notify_all("pre", operation);
            std::thread::scope(|scope| {
                for node in nodes {
                    let call = self.call(*node);
                    scope.spawn(move || call.run(operation).expect(0));
                }
            });
            self.remember(operation, nodes);
            self.notify_all("post", operation);
        }
        self
    }

    /// The votes of all that are there.
    pub(crate) fn elect(&self) -> &Self {
        self.notify_all("pre", "promote");
        self
    }

    /// The promotion itself, which may be refused.
    pub(crate) fn try_promote(&self) -> Ended {
        let ended = self.call(self.promote[0]).run("promote");
        if ended.code == 0 {
            self.remember("promote", &self.promote);
        }
        ended
    }

    pub(crate) fn notify(&self, node: usize, kind: &str, operation: &str) {
        self.notification(node, kind, operation).run("notify").expect(0);
    }

    fn notification(&self, node: usize, kind: &str, operation: &str) -> Call {
        let call = self.call(node).meta("notify_type", kind);
        call.meta("notify_operation", operation)
    }

    /// Tells every node that is active now. Pacemaker ignores the result.
    fn notify_all(&self, kind: &str, operation: &str) {
        let active = self.lab.active.get();
        std::thread::scope(|scope| {
            for node in [N1, N2, N3].into_iter().filter(|node| active[*node]) {
                let call = self.notification(node, kind, operation);
                scope.spawn(move || call.run("notify").expect(0));
            }
        });
    }

    fn remember(&self, operation: &str, nodes: &[usize]) {
        let mut active = self.lab.active.get();
        for node in nodes {
            match operation {
                "start" => active[*node] = true,
                "stop" => active[*node] = false,
                "promote" => self.lab.primary.set(Some(*node)),
                _ => self.lab.primary.set(None),
            }
        }
        self.lab.set_active(active);
    }

    /// An action in this transition. Empty lists are one blank; the old words come beside the new ones.
    pub(crate) fn call(&self, node: usize) -> Call {
        let is_replica = |node: &&usize| !self.promoted.contains(*node);
        let unpromoted: Vec<usize> = self.active.iter().filter(is_replica).copied().collect();
        let lists = [
            ("active", &self.active),
            ("promoted", &self.promoted),
            ("master", &self.promoted),
            ("unpromoted", &unpromoted),
            ("slave", &unpromoted),
            ("start", &self.start),
            ("stop", &self.stop),
            ("promote", &self.promote),
            ("demote", &self.demote),
        ];
        lists.iter().fold(self.lab.call(node), |call, (list, nodes)| {
            let names: Vec<&str> = nodes.iter().map(|node| NAMES[*node]).collect();
            let names = if names.is_empty() {
                " ".to_owned()
            } else {
                names.join(" ")
            };
            call.meta(&format!("notify_{list}_uname"), &names)
        })
    }
}
