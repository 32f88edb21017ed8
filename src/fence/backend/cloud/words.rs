//! What each cloud calls things, from its published description.
//!
//! Invariant: no I/O here.

use serde_json::{Value, json};

use crate::cloud::{self, Dialect};
use crate::fence::power::State;

pub(crate) struct Words {
    pub(super) name: &'static str,
    pub(super) dialect: &'static Dialect,
    /// What machines are called in paths.
    pub(super) machines: &'static str,
    pub(super) off: Order,
    pub(super) on: Order,
    off_words: &'static [&'static str],
    on_words: &'static [&'static str],
    /// Orders that end in a machine without power, or without the state it was in.
    pub(super) deadly: &'static [&'static str],
    /// Asks for orders under way only, where that can be asked.
    pub(super) running_query: &'static str,
    /// Where the metadata service has the machine's own number.
    pub(super) own_id: &'static str,
}

/// An order: what comes after `/actions` in its path, and its type in the body; each cloud has one of both.
pub(super) struct Order {
    pub(super) path: &'static str,
    kind: &'static str,
}

impl Order {
    pub(super) fn body(&self) -> Value {
        match self.kind {
            "" => json!({}),
            kind => json!({ "type": kind }),
        }
    }
}

impl Words {
    pub(super) fn meaning(&self, word: &str) -> Option<State> {
        if self.off_words.contains(&word) {
            Some(State::Off)
        } else {
            self.on_words.contains(&word).then_some(State::On)
        }
    }
}

/// `power_off` pulls the plug; `shutdown` asks politely, and completes without having been heard.
pub(crate) static DIGITALOCEAN: Words = Words {
    name: "digitalocean",
    dialect: &cloud::digitalocean::DIALECT,
    machines: "droplets",
    off: Order {
        path: "",
        kind: "power_off",
    },
    on: Order {
        path: "",
        kind: "power_on",
    },
    off_words: &["off", "archive"],
    on_words: &["new", "active"],
    deadly: &[
        "power_off",
        "power_cycle",
        "shutdown",
        "reboot",
        "destroy",
        "rebuild",
        "restore",
    ],
    running_query: "",
    own_id: "/metadata/v1/id",
};

pub(crate) static HETZNER: Words = Words {
    name: "hetzner",
    dialect: &cloud::hetzner::DIALECT,
    machines: "servers",
    off: Order {
        path: "/poweroff",
        kind: "",
    },
    on: Order {
        path: "/poweron",
        kind: "",
    },
    off_words: &["off"],
    on_words: &[
        "running",
        "initializing",
        "starting",
        "stopping",
        "migrating",
        "rebuilding",
        "deleting",
    ],
    deadly: &[
        "stop_server",
        "poweroff_server",
        "reset_server",
        "reboot_server",
        "shutdown_server",
        "delete_server",
        "rebuild_server",
    ],
    running_query: "?status=running",
    own_id: "/hetzner/v1/metadata/instance-id",
};

pub(super) fn has_more(links: &Value, meta: &Value) -> bool {
    let (next, page) = (&links["pages"]["next"], &meta["pagination"]["next_page"]);
    next.is_string() || page.is_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clouds_own_word_means_off() {
        for (cloud, off, on) in [
            (&DIGITALOCEAN, &["off", "archive"][..], &["new", "active"][..]),
            (&HETZNER, &["off"], &["running", "starting", "stopping", "migrating"]),
        ] {
            off.iter()
                .for_each(|word| assert_eq!(cloud.meaning(word), Some(State::Off), "{word}"));
            on.iter()
                .for_each(|word| assert_eq!(cloud.meaning(word), Some(State::On), "{word}"));
            for word in ["", "Off", "OFF", "unknown", "stopped"] {
                assert_eq!(cloud.meaning(word), None, "{word}");
            }
        }
    }

    #[test]
    fn each_cloud_says_in_its_own_way_that_there_is_more() {
        assert!(has_more(
            &json!({"pages": {"next": "https://api.example/v2/droplets?page=2"}}),
            &Value::Null
        ));
        assert!(has_more(&Value::Null, &json!({"pagination": {"next_page": 2}})));
        assert!(!has_more(&json!({}), &json!({"pagination": {"next_page": null}})));
        assert!(!has_more(&Value::Null, &Value::Null));
    }
}
