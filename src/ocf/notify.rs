//! What Pacemaker tells about the transition around an action: `OCF_RESKEY_CRM_meta_notify_*`.
//!
//! The lists describe the state *before* the transition, so a node that is about to be stopped still counts as active.
//! Start, stop, promote and demote get the same lists as notify; monitor gets none. Empty lists arrive as one blank.

use super::env::Env;

/// The point of a transition at which a notification is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    PreStart,
    PostStart,
    PreStop,
    PostStop,
    PrePromote,
    PostPromote,
    PreDemote,
    PostDemote,
}

impl Moment {
    fn parse(kind: &str, operation: &str) -> Option<Moment> {
        match (kind, operation) {
            ("pre", "start") => Some(Moment::PreStart),
            ("post", "start") => Some(Moment::PostStart),
            ("pre", "stop") => Some(Moment::PreStop),
            ("post", "stop") => Some(Moment::PostStop),
            ("pre", "promote") => Some(Moment::PrePromote),
            ("post", "promote") => Some(Moment::PostPromote),
            ("pre", "demote") => Some(Moment::PreDemote),
            ("post", "demote") => Some(Moment::PostDemote),
            _ => None,
        }
    }
}

/// Node names by what the transition finds or does there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) moment: Option<Moment>,
    active: Vec<String>,
    promoted: Vec<String>,
    unpromoted: Vec<String>,
    start: Vec<String>,
    stop: Vec<String>,
    promote: Vec<String>,
    demote: Vec<String>,
}

impl Notify {
    pub(crate) fn from(env: &Env) -> Notify {
        let word = |name: &str| env.meta(&format!("notify_{name}")).unwrap_or("").trim().to_owned();
        let nodes = |name: &str| -> Vec<String> {
            let mut names: Vec<String> = word(&format!("{name}_uname"))
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            names.sort();
            names.dedup();
            names
        };
        // The old words are still sent beside the new ones; Pacemaker before 2.1.0 sends only them.
        let either = |new: &str, old: &str| {
            let names = nodes(new);
            if names.is_empty() { nodes(old) } else { names }
        };
        Notify {
            moment: Moment::parse(&word("type"), &word("operation")),
            active: nodes("active"),
            promoted: either("promoted", "master"),
            unpromoted: either("unpromoted", "slave"),
            start: nodes("start"),
            stop: nodes("stop"),
            promote: nodes("promote"),
            demote: nodes("demote"),
        }
    }

    /// Nodes whose server is there once the stops of this transition are done: those that can vote in an election.
    /// `active` alone would name the dead primary as well, and an election would wait for it for ever.
    pub(crate) fn survivors(&self) -> Vec<String> {
        let mut nodes: Vec<String> = [&self.active, &self.promoted, &self.unpromoted, &self.start]
            .into_iter()
            .flatten()
            .filter(|node| !self.stop.contains(node) || self.start.contains(node))
            .cloned()
            .collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// Nodes whose server this transition ends: stopped in order, or fenced with their node.
    pub(crate) fn stopped(&self) -> Vec<String> {
        self.stop
            .iter()
            .filter(|node| !self.start.contains(node))
            .cloned()
            .collect()
    }

    /// Whether this transition promotes `node`.
    pub(crate) fn promotes(&self, node: &str) -> bool {
        self.promote.iter().any(|promoted| promoted == node)
    }

    /// The node that serves as primary once this transition is done.
    pub(crate) fn primary_after(&self) -> Option<&str> {
        let staying = self
            .promoted
            .iter()
            .find(|node| !self.demote.contains(node) && !self.stop.contains(node));
        self.promote.first().or(staying).map(String::as_str)
    }

    /// The node that serves as primary right now, as far as a starting node may rely on it: not one that this
    /// transition demotes, stops or has yet to promote.
    pub(crate) fn primary_now(&self) -> Option<&str> {
        self.promoted
            .iter()
            .find(|node| !self.demote.contains(node) && !self.stop.contains(node))
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(pairs: &[(&str, &str)]) -> Notify {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| (format!("OCF_RESKEY_CRM_meta_notify_{name}"), (*value).to_owned()))
            .collect();
        let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Notify::from(&Env::of(&borrowed))
    }

    #[test]
    fn a_dead_primary_does_not_vote() {
        let n = notify(&[
            ("type", "pre"),
            ("operation", "promote"),
            ("active_uname", "n1 n2 n3"),
            ("promoted_uname", "n1"),
            ("unpromoted_uname", "n2 n3"),
            ("stop_uname", "n1"),
            ("demote_uname", "n1"),
            ("promote_uname", "n2"),
        ]);
        assert_eq!(n.moment, Some(Moment::PrePromote));
        assert_eq!(n.survivors(), ["n2", "n3"]);
        assert_eq!(n.stopped(), ["n1"]);
        assert_eq!(n.primary_after(), Some("n2"));
        assert_eq!(n.primary_now(), None);
    }

    #[test]
    fn a_node_that_is_stopped_and_started_again_votes() {
        let n = notify(&[
            ("active_uname", "n1 n2"),
            ("promoted_uname", "n1"),
            ("stop_uname", "n1"),
            ("start_uname", "n1"),
            ("demote_uname", "n1"),
            ("promote_uname", "n2"),
        ]);
        assert_eq!(n.survivors(), ["n1", "n2"]);
        assert_eq!(n.stopped(), [""; 0]);
        assert!(n.promotes("n2") && !n.promotes("n1"));
    }

    #[test]
    fn a_demoted_primary_that_keeps_running_votes() {
        let n = notify(&[
            ("active_uname", "n1 n2"),
            ("promoted_uname", "n1"),
            ("demote_uname", "n1"),
            ("promote_uname", "n2"),
        ]);
        assert_eq!(n.survivors(), ["n1", "n2"]);
        assert_eq!(n.primary_after(), Some("n2"));
    }

    #[test]
    fn old_words_and_blank_lists_are_understood() {
        let n = notify(&[
            ("master_uname", "n3"),
            ("slave_uname", "n1"),
            ("active_uname", " n1 n3 "),
            ("stop_uname", " "),
            ("promote_uname", ""),
        ]);
        assert_eq!(n.primary_now(), Some("n3"));
        assert_eq!(n.primary_after(), Some("n3"));
        assert_eq!(n.survivors(), ["n1", "n3"]);
    }

    #[test]
    fn without_variables_nothing_is_claimed() {
        let n = notify(&[]);
        assert_eq!(n, Notify::default());
        assert_eq!(n.primary_after(), None);
    }
}
