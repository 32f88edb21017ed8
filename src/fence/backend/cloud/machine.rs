//! What the clouds say of their machines, as far as it is used here.
//!
//! Invariant: no I/O here.

use serde::Deserialize;

use crate::cloud::Action;

#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) status: String,
    /// An order for it is being carried out, or waits. No default: off is off only without one.
    pub(super) locked: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct One {
    #[serde(rename = "droplet", alias = "server")]
    pub(super) machine: Machine,
}

#[derive(Debug, Deserialize)]
pub(super) struct Many {
    #[serde(rename = "droplets", alias = "servers")]
    pub(super) machines: Vec<Machine>,
    /// Each cloud has its own way to say that there is another page.
    #[serde(default)]
    pub(super) links: serde_json::Value,
    #[serde(default)]
    pub(super) meta: serde_json::Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Actions {
    pub(super) actions: Vec<Action>,
}

impl Machine {
    /// Whether a plug means this machine: one of digits is always a number.
    pub(super) fn is_named(&self, plug: &str) -> bool {
        match plug.parse::<u64>() {
            Ok(id) => id == self.id,
            Err(_) => plug == self.name,
        }
    }
}
