//! What monitor found out and a fencing will need: small, durable, of no use to anybody else.
//!
//! Everything in it is checked when it is used: a number by the name that the machine has, an address by the API's
//! certificate. Losing it costs one more question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::files::{self, Lock};

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Whose this is: another API's numbers mean other machines.
    url: String,
    ids: BTreeMap<String, u64>,
    addresses: Vec<SocketAddr>,
    /// The machine that this node is.
    pub(super) me: Option<u64>,
    #[serde(skip)]
    path: PathBuf,
    /// What is in the file.
    #[serde(skip)]
    stored: Option<Box<Memory>>,
}

impl Memory {
    /// An empty one when there is none, or none that can be read.
    pub(super) fn load(directory: &Path, cloud: &str, url: &str) -> Memory {
        let path = directory.join(format!("{cloud}.json"));
        let bytes = files::read(&path).ok().flatten().unwrap_or_default();
        let read: Option<Memory> = serde_json::from_slice(&bytes).ok();
        let memory = read.filter(|memory| memory.url == url);
        let stored = memory.clone().map(Box::new);
        Memory {
            url: url.to_owned(),
            path,
            stored,
            ..memory.unwrap_or_default()
        }
    }

    pub(super) fn id(&self, name: &str) -> Option<u64> {
        self.ids.get(name).copied()
    }

    /// Takes over a whole list of names and numbers. What does not stand for one machine is not kept.
    pub(super) fn learn(&mut self, names: &[(&str, u64)]) {
        let clear = names
            .iter()
            .filter(|(name, _)| !is_number(name) && count(names, name) == 1);
        self.ids = clear.map(|(name, id)| ((*name).to_owned(), *id)).collect();
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    pub(super) fn keep(&mut self, mut addresses: Vec<SocketAddr>) {
        // Name servers take turns with the order.
        addresses.sort_unstable();
        self.addresses = addresses;
    }

    /// Writes the file, if it does not say the same already.
    pub(super) fn store(&mut self) -> Result<()> {
        let now = Memory {
            path: PathBuf::new(),
            stored: None,
            ..self.clone()
        };
        if self.stored.as_deref() == Some(&now) {
            return Ok(());
        }
        let json = serde_json::to_vec(&now)
            .map_err(|error| Error::State(format!("cannot write {}: {error}", self.path.display())))?;
        files::private_directory(self.path.parent().unwrap_or(Path::new("/")))?;
        // Somebody else who is writing it found out the same.
        let Some(_lock) = Lock::try_take(&self.path.with_extension("lock"))? else {
            return Ok(());
        };
        files::replace(&self.path, &json)?;
        self.stored = Some(Box::new(now));
        Ok(())
    }
}

fn count(names: &[(&str, u64)], name: &str) -> usize {
    names.iter().filter(|(other, _)| *other == name).count()
}

fn is_number(name: &str) -> bool {
    name.parse::<u64>().is_ok()
}

/// Names in a list that cannot be plugs, in sentences for the administrator.
pub(super) fn confusions(names: &[(&str, u64)]) -> Vec<String> {
    let several: BTreeSet<&str> = names
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| count(names, name) > 1)
        .collect();
    let numbers = names.iter().filter(|(name, _)| is_number(name));
    let several = several.into_iter().map(|name| {
        format!("several machines have the name {name}: fencing by that name fails, use the number as plug")
    });
    let numbers = numbers
        .map(|(name, id)| format!("machine {id} has the name {name}, which as a plug means another one: rename it"));
    several.chain(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_there_for_the_same_api_only() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("fence");
        let mut memory = Memory::load(&place, "hetzner", "https://a.example");
        memory.learn(&[("db1", 101)]);
        memory.me = Some(102);
        memory.keep(vec!["192.0.2.7:443".parse().unwrap()]);
        memory.store().unwrap();
        let again = Memory::load(&place, "hetzner", "https://a.example");
        assert_eq!(
            (again.id("db1"), again.me, again.addresses().len()),
            (Some(101), Some(102), 1)
        );
        assert_eq!(Memory::load(&place, "hetzner", "https://b.example").id("db1"), None);
        assert_eq!(
            Memory::load(&place, "digitalocean", "https://a.example").id("db1"),
            None
        );
    }

    #[test]
    fn a_name_that_several_have_is_forgotten_and_told() {
        let mut memory = Memory::default();
        memory.learn(&[("db1", 1), ("db2", 2)]);
        let now = [("db1", 1), ("db1", 3), ("7", 4), ("db3", 5)];
        memory.learn(&now);
        let known = |name| memory.id(name);
        assert_eq!(
            (known("db1"), known("db2"), known("7"), known("db3")),
            (None, None, None, Some(5))
        );
        let told = confusions(&now);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("db1") && told[1].contains("machine 4"), "{told:?}");
    }

    #[test]
    fn what_is_the_same_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = Memory::load(directory.path(), "hetzner", "https://a.example");
        memory.store().unwrap();
        let file = directory.path().join("hetzner.json");
        std::fs::remove_file(&file).unwrap();
        memory.store().unwrap();
        assert!(!file.exists());
        memory.learn(&[("db1", 1)]);
        memory.store().unwrap();
        assert!(file.exists());
    }
}
