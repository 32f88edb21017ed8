//! What this node has told the attribute daemon, so that a monitor that finds nothing new starts no program.
//!
//! Valid only for the very process of the daemon that was told: a new one has forgotten everything. Losing this file
//! costs one more call, never a wrong value; a stale one cannot last, because every entry is told again after a while.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::files::{self, RUN_DIRECTORY};
use crate::sys::process::{self, Process};

/// Somebody else may have changed an attribute: after this time it is told again.
const VALID: Duration = Duration::from_secs(60);
const DAEMON: &str = "pacemaker-attrd";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    daemon: Option<Process>,
    values: BTreeMap<String, (Option<String>, SystemTime)>,
}

pub(super) struct Published {
    path: PathBuf,
    contents: Contents,
}

impl Published {
    pub(super) fn load(resource: &str) -> Published {
        let path = Path::new(RUN_DIRECTORY).join(format!("{resource}.published"));
        let bytes = files::read(&path).ok().flatten().unwrap_or_default();
        let mut contents: Contents = serde_json::from_slice(&bytes).unwrap_or_default();
        if !contents.daemon.as_ref().is_some_and(Process::is_alive) {
            contents = Contents {
                daemon: process::named(DAEMON),
                ..Contents::default()
            };
        }
        Published { path, contents }
    }

    pub(super) fn has(&self, name: &str, value: Option<&str>) -> bool {
        self.contents.values.get(name).is_some_and(|(known, told)| {
            let fresh = told.elapsed().is_ok_and(|age| age < VALID);
            fresh && known.as_deref() == value
        })
    }

    pub(super) fn store(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        if self.contents.daemon.is_none() {
            return Ok(());
        }
        self.contents
            .values
            .insert(name.to_owned(), (value.map(str::to_owned), SystemTime::now()));
        let json = serde_json::to_vec(&self.contents)
            .map_err(|error| Error::State(format!("cannot write {}: {error}", self.path.display())))?;
        files::private_directory(Path::new(RUN_DIRECTORY))?;
        files::replace(&self.path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(value: Option<&str>, told: SystemTime) -> Published {
        let mut contents = Contents::default();
        contents
            .values
            .insert("readable".to_owned(), (value.map(str::to_owned), told));
        Published {
            path: PathBuf::new(),
            contents,
        }
    }

    #[test]
    fn only_the_same_value_told_lately_is_not_told_again() {
        let now = SystemTime::now();
        assert!(published(Some("1"), now).has("readable", Some("1")));
        assert!(!published(Some("1"), now).has("readable", Some("0")));
        assert!(!published(Some("1"), now).has("readable", None));
        assert!(!published(Some("1"), now).has("other", Some("1")));
        assert!(published(None, now).has("readable", None));
        assert!(!published(Some("1"), now - VALID).has("readable", Some("1")));
        assert!(
            !published(Some("1"), now + VALID).has("readable", Some("1")),
            "a clock that was set back"
        );
    }
}
