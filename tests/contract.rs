//! The contract of an OCF agent, seen from outside: no server, no cluster, only the binary and its environment.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

#[path = "contract/cluster.rs"]
mod cluster;
#[path = "contract/dispatch.rs"]
mod dispatch;
#[path = "contract/parameters.rs"]
mod parameters;
#[path = "contract/words.rs"]
mod words;

use std::path::PathBuf;

use support::{Call, agent, scratch, unique};
use tempfile::TempDir;

const AGENTS: [&str; 2] = ["mysql", "floating-ip"];
const NOBODY: u32 = 65534;

/// A resource of the database agent whose server does not run. Its data directory does not exist either.
struct Idle {
    directory: TempDir,
    instance: String,
}

impl Idle {
    fn new() -> Idle {
        Idle {
            directory: scratch(),
            instance: unique("db"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn call(&self) -> Call {
        agent("mysql")
            .env("OCF_RESOURCE_INSTANCE", &self.instance)
            .param("datadir", self.path("data"))
            .param("socket", self.path("socket"))
            .param("pid", self.path("pid"))
            .param("log", self.path("error.log"))
            .meta("timeout", "20000")
    }

    fn promotable(&self) -> Call {
        self.call().promotable(self.directory.path())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        support::server::forget(&self.instance, &self.path("data"));
    }
}
