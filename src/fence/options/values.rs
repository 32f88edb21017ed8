//! Options as they were given, by their name on stdin, and the types their texts stand for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Action, Kind, LONGEST, OPTIONS};
use crate::error::{Error, Result};
use crate::ocf::params::parse_time;

/// What Pacemaker always adds: the target's node name. Understood, but not advertised: it would be set by hand.
pub(crate) const NODE_NAME: &str = "nodename";

#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<String, String>);

/// Only the names: a value may be a password.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// Takes a value, the last one counts. False when there is no option of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        // Pacemaker passes the number beside the name where somebody asked by number.
        let known = [NODE_NAME, "nodeid"].contains(&name)
            || OPTIONS
                .iter()
                .any(|option| option.name == name || option.replaces == Some(name));
        if known {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        known
    }

    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The text of an option or of its older name, else its default; none when all are empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let option = OPTIONS.iter().find(|option| option.name == name)?;
        self.given(name)
            .or_else(|| option.replaces.and_then(|older| self.given(older)))
            .or(Some(option.default))
            .filter(|text| !text.is_empty())
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// None without a value and a default.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        let wrong = |text| {
            Error::parameter(
                name,
                text,
                "must be a number of seconds up to 3600, or a time like 500ms",
            )
        };
        let sane = |time: &Duration| *time <= LONGEST;
        self.text(name)
            .map(|text| parse_time(text).filter(sane).ok_or_else(|| wrong(text)))
            .transpose()
    }

    pub(crate) fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        least: T,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => {
                let allowed = format!("must be a whole number, {least} or greater");
                Err(Error::parameter(name, text, allowed))
            }
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false" | "no" | "off") => Ok(false),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            // verbose has levels in fence-agents.
            Some(text) if text.parse::<u32>().is_ok() => Ok(true),
            Some(text) => Err(Error::parameter(name, text, "must be 1 or 0")),
        }
    }

    /// The chosen word of an option that has a list of them.
    pub(crate) fn choice(&self, name: &str) -> Result<&'static str> {
        let text = self.text(name).unwrap_or_default();
        let option = OPTIONS.iter().find(|option| option.name == name);
        let words = match option.map(|option| option.kind) {
            Some(Kind::Select(words)) => words,
            _ => &[],
        };
        let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        let allowed = || Error::parameter(name, text, format!("must be one of: {}", words.join(", ")));
        found.copied().ok_or_else(allowed)
    }

    /// What is asked for. Separate from the rest: metadata must work whatever else is wrong.
    pub(crate) fn action(&self) -> Result<Action> {
        Action::parse(self.text("action").unwrap_or_default())
    }

    /// Whether the plug is only the node's name that Pacemaker passes. When it validates a configuration it makes one up
    /// ("node1"), which no device has to know.
    pub(super) fn names_a_stand_in(&self) -> bool {
        let node = self.given(NODE_NAME);
        node.is_some() && self.text("plug").is_none_or(|plug| node == Some(plug))
    }

    pub(super) fn plugs(&self) -> Vec<String> {
        let separator = self.text("plug_separator").unwrap_or(",");
        let mut plugs: Vec<String> = Vec::new();
        let named = self.text("plug").or_else(|| self.given(NODE_NAME)).unwrap_or_default();
        for plug in named.split(separator).map(str::trim).filter(|plug| !plug.is_empty()) {
            if !plugs.iter().any(|known| known == plug) {
                plugs.push(plug.to_owned());
            }
        }
        plugs
    }
}
