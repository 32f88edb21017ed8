//! Pacemaker as a store: node attributes, the promotion score, cluster-wide facts. Through Pacemaker's own tools.
//!
//! Never moves a resource and never asks who should be promoted: that is Pacemaker's business.

mod attributes;
mod published;
mod running;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ocf::env::Context;
use crate::sys::command::{Command, Output};
use crate::sys::deadline::Deadline;

/// Exit status of Pacemaker's tools for "no such attribute" (CRM_EX_NOSUCH). No other one may be taken for it: a
/// cluster that cannot be asked is not one in which nobody was ever promoted.
const NO_SUCH: i32 = 105;
/// The feature set from which the attribute tools know `--wait` (Pacemaker 2.1.6).
const WAIT_SINCE: (u32, u32, u32) = (3, 17, 4);
/// The set of cluster options that holds our facts, apart from Pacemaker's own.
const PROPERTY_SET: &str = "baton";
/// No single call to the cluster may use up the time of a whole action.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The cluster as seen from this node, for one resource.
#[derive(Debug)]
pub(crate) struct Cluster {
    sbin: PathBuf,
    resource: String,
    /// This node's name.
    pub(crate) node: String,
    deadline: Deadline,
    waits: bool,
}

impl Cluster {
    /// Opens the store for this action.
    ///
    /// # Errors
    /// When this node's name can be had neither from Pacemaker's variables nor from `crm_node`.
    pub(crate) fn open(context: &Context) -> Result<Cluster> {
        let mut cluster = Cluster {
            sbin: PathBuf::from(context.sbin_dir()),
            resource: context.instance.clone(),
            node: String::new(),
            deadline: context.deadline,
            waits: context.feature_set().is_some_and(|version| version >= WAIT_SINCE),
        };
        cluster.node = match context.node() {
            Some(name) => name.to_owned(),
            None => cluster.ask_own_name()?,
        };
        Ok(cluster)
    }

    fn ask_own_name(&self) -> Result<String> {
        let tool = self.tool("crm_node", &["-n"]);
        let answer = tool.output(self.limit())?;
        match answer.split_whitespace().collect::<Vec<_>>()[..] {
            [name] => Ok(name.to_owned()),
            _ => Err(Error::Unexpected {
                from: format!("{}, asked for this node's name", tool.shown()),
                got: format!("\"{}\"", answer.trim_end()),
            }),
        }
    }

    /// A fact of the whole cluster, kept over a full outage; none when it was never set.
    pub(crate) fn property(&self, name: &str) -> Result<Option<String>> {
        let arguments = ["-t", "crm_config", "-s", PROPERTY_SET, "-n", name, "-G", "-q"];
        let tool = self.tool("crm_attribute", &arguments);
        let output = tool.run(self.limit())?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout.trim_end_matches('\n').to_owned())),
            Some(NO_SUCH) => Ok(None),
            _ => Err(failed(&tool, &output)),
        }
    }

    /// Writes a fact of the whole cluster; returns once the cluster has it, which needs quorum.
    pub(crate) fn set_property(&self, name: &str, value: &str) -> Result<()> {
        let arguments = ["-t", "crm_config", "-s", PROPERTY_SET, "-n", name, "-v", value];
        self.tool("crm_attribute", &arguments).output(self.limit()).map(drop)
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Command {
        Command::new(self.sbin.join(name).display().to_string()).args(arguments.iter().copied())
    }

    /// A tool that hangs leaves half of the time for what the action is there for: stop must still stop the server.
    fn limit(&self) -> Deadline {
        self.deadline.within(CALL_LIMIT.min(self.deadline.remaining() / 2))
    }
}

fn failed(tool: &Command, output: &Output) -> Error {
    Error::Command {
        command: tool.shown(),
        outcome: format!("ended with {}: {}", output.status, output.stderr.trim()),
    }
}
