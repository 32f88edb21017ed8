//! The options of fence_baton: one table, from which they are read, checked and documented; and their meaning.
//!
//! The prose for each option stands in `ocf-metadata/fence_baton.xml`; a test proves that both agree. Names are those of
//! fence-agents where there is one, so that a configuration carries over.

mod table;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use super::power::Limits;
use crate::error::{Error, Result};
pub(crate) use table::OPTIONS;
pub(crate) use values::{NODE_NAME, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Given as a flag on the command line, as 1 or 0 on stdin.
    Boolean,
    /// A number of seconds, or a time such as 500ms.
    Seconds,
    Integer,
    Select(&'static [&'static str]),
}

#[derive(Debug)]
pub(crate) struct FenceOption {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    /// What stands for the value in `--name=[value]`; empty for a flag.
    pub(crate) value: &'static str,
    /// Empty: no default.
    pub(crate) default: &'static str,
    pub(crate) required: bool,
    /// The older name, advertised as deprecated. Pacemaker passes a target under either.
    pub(crate) replaces: Option<&'static str>,
}

impl FenceOption {
    const fn new(name: &'static str, kind: Kind, value: &'static str, default: &'static str) -> FenceOption {
        FenceOption {
            name,
            short: None,
            kind,
            value,
            default,
            required: false,
            replaces: None,
        }
    }

    /// The name on the command line, without the dashes in front.
    pub(crate) fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    const fn short(mut self, short: char) -> FenceOption {
        self.short = Some(short);
        self
    }

    const fn required(mut self) -> FenceOption {
        self.required = true;
        self
    }

    const fn replaces(mut self, name: &'static str) -> FenceOption {
        self.replaces = Some(name);
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    On,
    Off,
    Reboot,
    Status,
    List,
    ListStatus,
    Monitor,
    ValidateAll,
    Diag,
    Metadata,
    Manpage,
}

impl Action {
    pub(crate) const ALL: [(&'static str, Action); 11] = [
        ("on", Action::On),
        ("off", Action::Off),
        ("reboot", Action::Reboot),
        ("status", Action::Status),
        ("list", Action::List),
        ("list-status", Action::ListStatus),
        ("monitor", Action::Monitor),
        ("validate-all", Action::ValidateAll),
        ("diag", Action::Diag),
        ("metadata", Action::Metadata),
        ("manpage", Action::Manpage),
    ];

    pub(crate) fn parse(word: &str) -> Result<Action> {
        let known = Action::ALL.iter().find(|(name, _)| *name == word);
        match known {
            Some((_, action)) => Ok(*action),
            None if word == "meta-data" => Ok(Action::Metadata),
            None => {
                let names: Vec<&str> = Action::ALL.iter().map(|(name, _)| *name).collect();
                // Pacemaker looks for the first two words.
                let text = format!("unsupported action \"{word}\"; known: {}", names.join(", "));
                Err(Error::State(text))
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        Action::ALL
            .iter()
            .find(|(_, action)| *action == self)
            .map_or("", |(name, _)| name)
    }

    fn needs_plug(self) -> bool {
        match self {
            Action::On | Action::Off | Action::Reboot | Action::Status => true,
            Action::List
            | Action::ListStatus
            | Action::Monitor
            | Action::ValidateAll
            | Action::Diag
            | Action::Metadata
            | Action::Manpage => false,
        }
    }
}

/// What was asked for, checked. What only one backend needs stays in `values`; that backend checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) action: Action,
    pub(crate) plugs: Vec<String>,
    pub(crate) backend: String,
    pub(crate) limits: Limits,
    pub(crate) delay: Duration,
    pub(crate) separator: String,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) debug_file: Option<PathBuf>,
    pub(crate) values: Values,
}

impl Options {
    pub(crate) fn from(values: &Values) -> Result<Options> {
        let action = values.action()?;
        let mut plugs = values.plugs();
        if action == Action::ValidateAll && values.names_a_stand_in() {
            plugs.clear();
        }
        if plugs.is_empty() && action.needs_plug() {
            let what = format!("{} needs to know which plug it is about", action.name());
            return Err(Error::parameter("plug", "", what));
        }
        refuse_what_cannot_be_proven(values)?;
        Ok(Options {
            action,
            plugs,
            backend: values.text("backend").unwrap_or_default().to_owned(),
            limits: limits(values)?,
            delay: values.seconds("delay")?.unwrap_or_default(),
            separator: values.text("separator").unwrap_or_default().to_owned(),
            quiet: values.flag("quiet")?,
            verbose: values.flag("verbose")?,
            debug_file: values.path("debug_file"),
            values: values.clone(),
        })
    }
}

impl Options {
    /// Whether each plug is a device of its own, and none is named: Pacemaker's monitor names none.
    pub(crate) fn has_no_device(&self) -> Result<bool> {
        let looks = matches!(
            self.action,
            Action::Monitor | Action::List | Action::ListStatus | Action::ValidateAll
        );
        Ok(looks && self.plugs.is_empty() && self.values.flag("port_as_ip")? && self.values.text("ip").is_none())
    }
}

/// Nothing waits longer, whatever is configured.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// What a device gets for an exchange when it is told "without limit".
const EXCHANGE: Duration = Duration::from_secs(5);

fn limits(values: &Values) -> Result<Limits> {
    // Zero is "no limit" in fence-agents.
    let limited = |name: &str| Ok::<_, Error>(values.seconds(name)?.filter(|limit| !limit.is_zero()));
    let login = limited("login_timeout")?.unwrap_or(EXCHANGE);
    let exchange = limited("shell_timeout")?.unwrap_or(login);
    let power = limited("power_timeout")?.unwrap_or(LONGEST);
    let wait = values.seconds("power_wait")?.unwrap_or_default();
    if wait >= power {
        let given = values.text("power_wait").unwrap_or_default();
        return Err(Error::parameter(
            "power_wait",
            given,
            "must be less than power_timeout, or no time is left to look",
        ));
    }
    Ok(Limits {
        power,
        first: login.max(exchange),
        exchange,
        wait,
        retry_on: values.number("retry_on", 1)?.unwrap_or(1),
        steps: Limits::STEPS,
    })
}

/// Options of fence-agents that make an agent call a node off without proof.
fn refuse_what_cannot_be_proven(values: &Values) -> Result<()> {
    let method = values.choice("method")?;
    if method != "onoff" {
        let allowed = "only onoff is possible: a device's own power cycle shows no moment at which the node is off";
        return Err(Error::parameter("method", method, allowed));
    }
    if values.flag("missing_as_off")? {
        let allowed = "a plug that the device does not know proves nothing: correct plug or pcmk_host_map";
        return Err(Error::parameter("missing_as_off", "1", allowed));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
