//! The option sql_fence: while the power is being switched, close the node's database through any path that still works.
//! Commits stop seconds before the power is off.
//!
//! Never counted: it does not make a fencing succeed, fail, or take longer. The work is done by this same binary as a
//! program of its own (`baton sql-fence`), one for each address: it can be ended at any moment, and this slice need not
//! know databases.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use serde_json::json;

use super::journal;
use super::options::{NODE_NAME, Options, Values};
use super::power::{Listed, Power, State};
use crate::error::{Error, Result};
use crate::sys::command::{Command, Running};
use crate::sys::deadline::Deadline;

const APPLET: &str = "sql-fence";
/// Where the outcome can be asked for: `attrd_updater -Q -A -p -n baton-sql-fence`.
const ATTRIBUTE: &str = "baton-sql-fence";
const ATTRIBUTE_TOOL: &str = "/usr/sbin/attrd_updater";
const ATTRIBUTE_LIMIT: Duration = Duration::from_secs(1);

/// Attempts under way.
pub(crate) struct Attempts {
    node: String,
    running: Vec<(String, Running)>,
}

/// A device that closes the node's database right before its first order: not before the device has shown the plug, or a
/// wrong name would close a database whose node nobody switches off.
pub(crate) struct Closing<'a> {
    device: &'a dyn Power,
    options: &'a Options,
    looked: Cell<bool>,
    attempts: OnceCell<Option<Attempts>>,
}

impl<'a> Closing<'a> {
    pub(crate) fn new(device: &'a dyn Power, options: &'a Options) -> Closing<'a> {
        Closing {
            device,
            options,
            looked: Cell::new(false),
            attempts: OnceCell::new(),
        }
    }

    pub(crate) fn end(self) {
        if let Some(attempts) = self.attempts.into_inner().flatten() {
            attempts.end();
        }
    }

    fn begin(&self) {
        self.attempts.get_or_init(|| {
            start(self.options, false).unwrap_or_else(|error| {
                journal::warn(&format!("sql_fence: {error}; going on without it"));
                None
            })
        });
    }
}

impl Power for Closing<'_> {
    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let state = self.device.status(plug, deadline)?;
        self.looked.set(true);
        Ok(state)
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.device.permits(deadline)?;
        if self.looked.get() {
            self.begin();
        }
        self.device.off(plug, deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.device.on(plug, deadline)
    }

    fn gave_up(&self, plug: &str) -> bool {
        self.device.gave_up(plug)
    }

    fn describe(&self, deadline: Deadline) -> Result<String> {
        self.device.describe(deadline)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        self.device.list(deadline)
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        self.device.warnings(plug, deadline)
    }
}

/// Looks whether the database could be reached: one finding for each address. Nothing when it is not asked for.
pub(crate) fn dry_run(options: &Options) -> Vec<(String, Result<String>)> {
    let started = match start(options, true) {
        Ok(None) => return Vec::new(),
        Ok(Some(attempts)) => attempts,
        Err(error) => return vec![("sql_fence".to_owned(), Err(error))],
    };
    let deadline = Deadline::after(options.limits.exchange);
    let findings = started
        .running
        .into_iter()
        .map(|(place, running)| (place, outcome(running, deadline)));
    findings.collect()
}

fn start(options: &Options, dry: bool) -> Result<Option<Attempts>> {
    let values = &options.values;
    if !values.flag("sql_fence")? {
        return Ok(None);
    }
    // Without a plug there is no node either: a name that comes alone was made up to validate a configuration.
    let Some(plug) = options.plugs.first() else {
        return Ok(None);
    };
    let node = values.given(NODE_NAME).unwrap_or(plug).to_owned();
    let user = values.text("sql_fence_user").unwrap_or_default();
    if user.is_empty() {
        return Err(Error::parameter(
            "sql_fence_user",
            "",
            "must name an account of the database",
        ));
    }
    let port: u16 = values.number("sql_fence_port", 1)?.unwrap_or(3306);
    let limit = values.seconds("sql_fence_timeout")?.unwrap_or_default();
    let mut running = Vec::new();
    for host in addresses(values, &node) {
        let order = json!({
            "host": host,
            "port": port,
            "user": user,
            "password_file": values.path("sql_fence_password_file"),
            "limit_ms": u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            "dry": dry,
        });
        let place = format!("sql_fence of {node} at {host}:{port}");
        running.push((place, Command::itself(APPLET).start(order.to_string().as_bytes())?));
    }
    Ok(Some(Attempts { node, running }))
}

impl Attempts {
    /// Tells what came of it, without waiting for what is not done yet.
    pub(crate) fn end(self) {
        let now = Deadline::after(Duration::ZERO);
        let mut said = Vec::new();
        for (place, running) in self.running {
            let text = match outcome(running, now) {
                Ok(text) => format!("{place}: {text}"),
                Err(error) => format!("{place}: not closed before the power was switched: {error}"),
            };
            journal::warn(&text);
            said.push(text);
        }
        // For people; nobody depends on it, and outside of a cluster there is nowhere to tell it.
        let value = format!("{}: {}", self.node, said.join("; "));
        let tool = Command::new(ATTRIBUTE_TOOL).args(["-p", "-n", ATTRIBUTE, "-U", &value]);
        let _ = tool.run(Deadline::after(ATTRIBUTE_LIMIT));
    }
}

fn outcome(running: Running, deadline: Deadline) -> Result<String> {
    let output = running.finish(deadline)?;
    let text = output.stdout.trim().to_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(Error::State(text))
    }
}

/// Where the node's database may be reached: as configured, else under the node's name.
fn addresses(values: &Values, node: &str) -> Vec<String> {
    let map = values.text("sql_fence_addresses").unwrap_or_default();
    let mut entries = map.split(';').filter_map(|entry| entry.split_once(':'));
    match entries.find(|(name, _)| name.trim() == node) {
        Some((_, list)) => list.split(',').map(|host| host.trim().to_owned()).collect(),
        None => vec![node.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_addresses_of_the_map_or_its_name() {
        let mut values = Values::default();
        values.set("sql_fence_addresses", "n1:192.0.2.1, 198.51.100.1;n2:2001:db8::2");
        assert_eq!(addresses(&values, "n1"), ["192.0.2.1", "198.51.100.1"]);
        assert_eq!(addresses(&values, "n2"), ["2001:db8::2"]);
        assert_eq!(addresses(&values, "n3"), ["n3"]);
    }
}
