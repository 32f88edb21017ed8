//! The options of fence_baton: one table, from which they are read, checked and documented; and their meaning.
//!
//! The prose for each option stands in `ocf-metadata/fence_baton.xml`; a test proves that both agree. Names are those of
//! fence-agents where there is one, so that a configuration carries over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::backend;
use super::power::Limits;
use crate::error::{Error, Result};
use crate::ocf::params::parse_time;

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
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    /// The name on the command line, without the dashes.
    pub(crate) long: &'static str,
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

impl Opt {
    const fn new(name: &'static str, kind: Kind, value: &'static str, default: &'static str) -> Opt {
        Opt {
            name,
            long: name,
            short: None,
            kind,
            value,
            default,
            required: false,
            replaces: None,
        }
    }

    const fn long(mut self, long: &'static str) -> Opt {
        self.long = long;
        self
    }

    const fn short(mut self, short: char) -> Opt {
        self.short = Some(short);
        self
    }

    const fn required(mut self) -> Opt {
        self.required = true;
        self
    }

    const fn replaces(mut self, name: &'static str) -> Opt {
        self.replaces = Some(name);
        self
    }
}

pub(crate) const OPTIONS: &[Opt] = &[
    Opt::new("action", Kind::Text, "action", "reboot").short('o'),
    Opt::new("plug", Kind::Text, "name", "")
        .short('n')
        .required()
        .replaces("port"),
    Opt::new("backend", Kind::Select(backend::NAMES), "name", "").required(),
    Opt::new("docker_socket", Kind::Text, "path", "/run/docker.sock").long("docker-socket"),
    Opt::new("power_timeout", Kind::Seconds, "seconds", "20").long("power-timeout"),
    Opt::new("power_wait", Kind::Seconds, "seconds", "0").long("power-wait"),
    Opt::new("login_timeout", Kind::Seconds, "seconds", "5").long("login-timeout"),
    Opt::new("retry_on", Kind::Integer, "attempts", "1").long("retry-on"),
    Opt::new("delay", Kind::Seconds, "seconds", "0"),
    Opt::new("plug_separator", Kind::Text, "char", ",").long("plug-separator"),
    Opt::new("separator", Kind::Text, "char", ",").short('C'),
    Opt::new("quiet", Kind::Boolean, "", "").short('q'),
    Opt::new("verbose", Kind::Boolean, "", "").short('v'),
    Opt::new("debug_file", Kind::Text, "path", "")
        .long("debug-file")
        .short('D'),
];

/// What Pacemaker always adds: the target's node name. Understood, but not advertised: it would be set by hand.
pub(crate) const NODE_NAME: &str = "nodename";

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
}

impl Action {
    pub(crate) const ALL: [(&'static str, Action); 10] = [
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
            | Action::Metadata => false,
        }
    }
}

/// The options as they were given, by their name on stdin.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Takes a value, the last one counts. False when there is no option of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        let known = name == NODE_NAME
            || OPTIONS
                .iter()
                .any(|option| option.name == name || option.replaces == Some(name));
        if known {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        known
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The text of an option or of its older name, else its default; none when all are empty.
    fn text(&self, name: &str) -> Option<&str> {
        let option = OPTIONS.iter().find(|option| option.name == name)?;
        self.given(name)
            .or_else(|| option.replaces.and_then(|older| self.given(older)))
            .or(Some(option.default))
            .filter(|text| !text.is_empty())
    }

    fn seconds(&self, name: &str) -> Result<Duration> {
        let text = self.text(name).unwrap_or_default();
        parse_time(text)
            .ok_or_else(|| Error::parameter(name, text, "must be a number of seconds, or a time like 500ms"))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false" | "no" | "off") => Ok(false),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            Some(text) => Err(Error::parameter(name, text, "must be 1 or 0")),
        }
    }

    /// What is asked for. Separate from the rest: metadata must work whatever else is wrong.
    pub(crate) fn action(&self) -> Result<Action> {
        Action::parse(self.text("action").unwrap_or_default())
    }

    /// Whether the plug is only the node's name that Pacemaker passes. When it validates a configuration it makes one up
    /// ("node1"), which no device has to know.
    fn names_a_stand_in(&self) -> bool {
        let node = self.given(NODE_NAME);
        node.is_some() && self.text("plug").is_none_or(|plug| node == Some(plug))
    }

    fn plugs(&self) -> Vec<String> {
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

/// What was asked for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) action: Action,
    pub(crate) plugs: Vec<String>,
    pub(crate) backend: String,
    /// None: where it is by default.
    pub(crate) docker_socket: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) delay: Duration,
    pub(crate) separator: String,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) debug_file: Option<PathBuf>,
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
        let retries = values.text("retry_on").unwrap_or_default();
        Ok(Options {
            action,
            plugs,
            backend: values.text("backend").unwrap_or_default().to_owned(),
            docker_socket: values.given("docker_socket").map(PathBuf::from),
            limits: Limits {
                power: values.seconds("power_timeout")?,
                exchange: values.seconds("login_timeout")?,
                wait: values.seconds("power_wait")?,
                retry_on: retries
                    .parse()
                    .ok()
                    .filter(|retries| *retries > 0)
                    .ok_or_else(|| Error::parameter("retry_on", retries, "must be a whole number, 1 or greater"))?,
                steps: Limits::STEPS,
            },
            delay: values.seconds("delay")?,
            separator: values.text("separator").unwrap_or_default().to_owned(),
            quiet: values.flag("quiet")?,
            verbose: values.flag("verbose")?,
            debug_file: values.given("debug_file").map(PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        let mut values = Values::default();
        for (name, value) in pairs {
            assert!(values.set(name, value), "{name}");
        }
        values
    }

    fn plugs(pairs: &[(&str, &str)]) -> Vec<String> {
        values(pairs).plugs()
    }

    #[test]
    fn the_plug_wins_over_the_port_and_the_port_over_the_node_name() {
        assert_eq!(plugs(&[("port", "p"), ("plug", "q"), ("nodename", "n")]), ["q"]);
        assert_eq!(plugs(&[("port", "p"), ("nodename", "n")]), ["p"]);
        assert_eq!(plugs(&[("nodename", "n")]), ["n"]);
        assert!(plugs(&[("plug", " ")]).is_empty());
    }

    #[test]
    fn a_validation_does_not_ask_for_the_node_that_pacemaker_made_up() {
        let plugs = |pairs: &[(&str, &str)]| Options::from(&values(pairs)).unwrap().plugs;
        let made_up = [("plug", "node1"), ("nodename", "node1")];
        assert!(plugs(&[&[("action", "validate-all")][..], &made_up].concat()).is_empty());
        assert!(plugs(&[("action", "validate-all"), ("nodename", "node1")]).is_empty());
        assert_eq!(plugs(&[&[("action", "off")][..], &made_up].concat()), ["node1"]);
        let configured = [("action", "validate-all"), ("plug", "db1"), ("nodename", "node1")];
        assert_eq!(plugs(&configured), ["db1"]);
    }

    #[test]
    fn several_plugs_are_separated_and_named_once() {
        assert_eq!(plugs(&[("plug", "a, b,,a")]), ["a", "b"]);
        assert_eq!(plugs(&[("plug", "a;b"), ("plug_separator", ";")]), ["a", "b"]);
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let options = Options::from(&values(&[("plug", "db1")])).unwrap();
        assert_eq!(options.action, Action::Reboot);
        assert_eq!(options.limits.power, Duration::from_secs(20));
        assert_eq!(options.limits.retry_on, 1);
        assert_eq!(options.docker_socket, None);
        assert!(!options.quiet && !options.verbose);
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in [
            ("power_timeout", "soon"),
            ("retry_on", "0"),
            ("quiet", "maybe"),
            ("delay", "-1"),
        ] {
            let error = Options::from(&values(&[("plug", "a"), (name, value)])).unwrap_err();
            assert!(error.to_string().contains(&format!("{name}=\"{value}\"")), "{error}");
        }
    }

    #[test]
    fn switching_needs_a_plug_and_looking_around_does_not() {
        for (name, action) in Action::ALL {
            let result = Options::from(&values(&[("action", name)]));
            assert_eq!(result.is_err(), action.needs_plug(), "{name}");
        }
    }

    #[test]
    fn an_unknown_action_is_said_in_the_words_that_pacemaker_knows() {
        let error = Action::parse("explode").unwrap_err().to_string();
        assert!(error.starts_with("unsupported action \"explode\""), "{error}");
        assert_eq!(Action::parse("meta-data").unwrap(), Action::Metadata);
    }
}
