//! Virtual machines of a libvirt host, through virsh: on this machine, or over ssh with a key.
//!
//! A plug is a domain's name or UUID. Its running number is refused: virsh would take a name of digits for somebody
//! else's number. Off is a domain whose memory is gone, too: one that was saved goes on where it stopped, with its old
//! connections. <https://libvirt.org/manpages/virsh.html>

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::fence::options::Options;
use crate::fence::power::{Listed, Power, State};
use crate::sys::command::{Command, Output};
use crate::sys::deadline::Deadline;

const VIRSH: &str = "virsh";
/// What virsh says of a domain that it does not know.
const UNKNOWN: &str = "failed to get domain";

/// Reasons of "shut off" after which there is no process and no memory. "unknown" is what libvirt says of all that it
/// has not seen running since its own start, such as after a crash of the host.
const ENDED: [&str; 5] = ["shutdown", "destroyed", "crashed", "failed", "unknown"];
/// The same as `domstats` counts them, and its number for "shut off".
const ENDED_CODES: [&str; 5] = ["1", "2", "3", "6", "0"];
const SHUT_OFF_CODE: &str = "5";

pub(crate) struct Libvirt {
    uri: String,
    /// Plugs whose memory was kept, at the last look.
    kept: RefCell<BTreeSet<String>>,
}

/// What a state of virsh proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    On,
    /// Off, if nobody keeps its memory.
    Ended,
}

impl Libvirt {
    pub(crate) fn new(options: &Options) -> Result<Libvirt> {
        let uri = options.values.text("libvirt_uri").unwrap_or_default();
        if !uri.contains(':') || uri.starts_with('-') {
            let allowed = "must be a connection URI such as qemu:///system or qemu+ssh://root@host/system";
            return Err(Error::parameter("libvirt_uri", uri, allowed));
        }
        Ok(Libvirt {
            uri: without_prompt(uri),
            kept: RefCell::default(),
        })
    }

    fn run(&self, words: &[&str], deadline: Deadline) -> Result<Output> {
        let command = Command::new(VIRSH)
            .args(["--quiet", "--connect", &self.uri])
            .args(words.iter().copied());
        let output = command.run(deadline);
        output.map_err(|error| match error {
            Error::Command { .. } if deadline.expired() => {
                deadline.timeout(format!("an answer from virsh at {}", self.uri))
            }
            other => other,
        })
    }

    /// Runs a command about one domain; what it printed.
    fn about(&self, command: &str, plug: &str, deadline: Deadline) -> Result<String> {
        self.with(command, plug, &[], deadline)
    }

    fn with(&self, command: &str, plug: &str, flags: &[&str], deadline: Deadline) -> Result<String> {
        check(plug)?;
        let words = [&[command, "--domain", plug], flags].concat();
        let output = self.run(&words, deadline)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        if output.stderr.contains(UNKNOWN) {
            return Err(Error::State(format!(
                "{} has no domain {plug}; that is no proof that the node is off: check plug and pcmk_host_map, and whether \
                 the domain is persistent",
                self.uri
            )));
        }
        Err(self.unexpected(&format!("{command} {plug}"), said(&output)))
    }

    fn unexpected(&self, asked: &str, got: String) -> Error {
        Error::Unexpected {
            from: format!("virsh at {} to {asked}", self.uri),
            got,
        }
    }
}

impl Power for Libvirt {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let output = self.run(&["hostname"], deadline)?;
        if !output.status.success() {
            return Err(self.unexpected("hostname", said(&output)));
        }
        Ok(format!("libvirt at {} on {}", self.uri, output.stdout.trim()))
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let said = self.with("domstate", plug, &["--reason"], deadline)?;
        let unclear = |got: String| self.unexpected(&format!("domstate {plug}"), got);
        let meaning = meaning(said.trim())
            .ok_or_else(|| unclear(format!("\"{}\", which does not prove that it is off", said.trim())))?;
        if meaning == Meaning::On {
            // It was started since, from what was kept.
            self.kept.borrow_mut().remove(plug);
            return Ok(State::On);
        }
        let info = self.about("dominfo", plug, deadline)?;
        match field(&info, "Managed save") {
            Some("no") => {
                self.kept.borrow_mut().remove(plug);
                Ok(State::Off)
            }
            // It goes on where it stopped.
            Some("yes") => {
                self.kept.borrow_mut().insert(plug.to_owned());
                Ok(State::On)
            }
            other => Err(unclear(format!(
                "shut off, but managed save is \"{}\"",
                other.unwrap_or_default()
            ))),
        }
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        let kept = self.kept.borrow().contains(plug);
        let order = if kept { "managedsave-remove" } else { "destroy" };
        self.about(order, plug, deadline).map(drop)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.with("start", plug, &["--force-boot"], deadline).map(drop)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        let output = self.run(&["list", "--all", "--name"], deadline)?;
        if !output.status.success() {
            return Err(self.unexpected("list", said(&output)));
        }
        // All in one question each, however many there are. Not every driver can answer the second.
        let states = self.run(&["domstats", "--state"], deadline).map(|output| output.stdout);
        let saved = self.run(&["list", "--all", "--with-managed-save", "--name"], deadline)?;
        let states = states.unwrap_or_default();
        let names = output.stdout.lines().map(str::trim).filter(|name| !name.is_empty());
        let mut listed: Vec<Listed> = names
            .map(|name| Listed {
                plug: name.to_owned(),
                alias: String::new(),
                state: match counted(&states, name) {
                    Some(Meaning::On) => Some(State::On),
                    Some(Meaning::Ended) if !saved.status.success() => None,
                    Some(Meaning::Ended) if saved.stdout.lines().any(|line| line.trim() == name) => Some(State::On),
                    Some(Meaning::Ended) => Some(State::Off),
                    None => None,
                },
            })
            .collect();
        listed.sort_by(|a, b| a.plug.cmp(&b.plug));
        Ok(listed)
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        Ok(risks(plug, &self.about("dominfo", plug, deadline)?))
    }
}

/// What `domstate --reason` proves. One that crashed, sleeps or is about to end may still have its memory, and come back.
/// One that was saved is off if no managed save is left: whoever saved it to a file of his own has to restore it by
/// hand, as with any snapshot. One that was migrated runs elsewhere.
fn meaning(said: &str) -> Option<Meaning> {
    let (word, reason) = said.strip_suffix(')')?.split_once(" (")?;
    match word {
        "shut off" if ENDED.contains(&reason) || reason == "saved" => Some(Meaning::Ended),
        "running" | "idle" | "paused" | "in shutdown" | "crashed" | "pmsuspended" => Some(Meaning::On),
        _ => None,
    }
}

/// The same from `domstats --state`, for a list.
fn counted(stats: &str, name: &str) -> Option<Meaning> {
    let heading = format!("Domain: '{name}'");
    let mut lines = stats.lines().skip_while(|line| *line != heading).skip(1);
    let mut value = |key: &str| lines.next()?.trim().strip_prefix(key)?.strip_prefix('=');
    match (value("state.state")?, value("state.reason")?) {
        (SHUT_OFF_CODE, reason) => (ENDED_CODES.contains(&reason) || reason == "5").then_some(Meaning::Ended),
        ("1" | "2" | "3" | "4" | "6" | "7", _) => Some(Meaning::On),
        _ => None,
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| *found == name).map(|(_, text)| text.trim())
}

fn risks(plug: &str, info: &str) -> Vec<String> {
    let is = |name: &str, value: &str| field(info, name) == Some(value);
    let mut risks = Vec::new();
    if is("Persistent", "no") {
        risks.push(format!(
            "domain {plug} is not persistent: it vanishes when it is switched off, and off can then not be proven; define it"
        ));
    }
    if is("Autostart", "enable") {
        risks.push(format!(
            "domain {plug} starts with its host: a fenced node comes back with that; do `virsh autostart --disable {plug}`"
        ));
    }
    risks
}

fn said(output: &Output) -> String {
    format!(
        "{}: {}",
        output.status,
        output.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    )
}

/// Over ssh nobody is there to answer a question.
fn without_prompt(uri: &str) -> String {
    let over_ssh = uri
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme.ends_with("+ssh"));
    match (over_ssh && !uri.contains("no_tty="), uri.contains('?')) {
        (false, _) => uri.to_owned(),
        (true, true) => format!("{uri}&no_tty=1"),
        (true, false) => format!("{uri}?no_tty=1"),
    }
}

fn check(plug: &str) -> Result<()> {
    let plain = !plug.is_empty()
        && plug
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:+-".contains(&byte));
    // Also "+7": strtol takes it.
    let number = plug
        .trim_start_matches(['+', '-'])
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    if plain && !number && !plug.starts_with('-') {
        return Ok(());
    }
    Err(Error::parameter(
        "plug",
        plug,
        "must be a domain's name or UUID, and no mere number",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_needs_a_reason_that_leaves_no_memory() {
        for reason in ["shutdown", "destroyed", "crashed", "failed", "unknown", "saved"] {
            assert_eq!(
                meaning(&format!("shut off ({reason})")),
                Some(Meaning::Ended),
                "{reason}"
            );
        }
        for word in ["running", "idle", "paused", "in shutdown", "crashed", "pmsuspended"] {
            assert_eq!(meaning(&format!("{word} (unknown)")), Some(Meaning::On), "{word}");
        }
        for said in [
            "",
            "shut off",
            "shut off (migrated)",
            "shut off (from snapshot)",
            "shut off (daemon)",
            "no state (unknown)",
            "off (destroyed)",
            "ausgeschaltet (unbekannt)",
        ] {
            assert_eq!(meaning(said), None, "{said}");
        }
    }

    #[test]
    fn a_list_says_off_for_the_same_reasons() {
        let stats = |state: u32, reason: u32| {
            format!(
                "Domain: 'db1'\n  state.state={state}\n  state.reason={reason}\n\nDomain: 'db2'\n  state.state=1\n  state.reason=0\n"
            )
        };
        for reason in [0, 1, 2, 3, 5, 6] {
            assert_eq!(counted(&stats(5, reason), "db1"), Some(Meaning::Ended), "{reason}");
        }
        for reason in [4, 7, 8, 9] {
            assert_eq!(counted(&stats(5, reason), "db1"), None, "{reason}");
        }
        assert_eq!(counted(&stats(5, 2), "db2"), Some(Meaning::On));
        assert_eq!((counted(&stats(5, 2), "db"), counted("", "db1")), (None, None));
    }

    #[test]
    fn a_plug_cannot_be_taken_for_something_else() {
        for bad in ["", "7", "+7", "--7", "-a", "a b", "a;b", "../x"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in ["db1", "6695eb01-f6a4-8304-79aa-97f2502e193f", "lab_db1.example"] {
            check(good).unwrap();
        }
    }

    #[test]
    fn over_ssh_nobody_is_asked() {
        assert_eq!(without_prompt("qemu:///system"), "qemu:///system");
        assert_eq!(
            without_prompt("qemu+ssh://root@h/system"),
            "qemu+ssh://root@h/system?no_tty=1"
        );
        assert_eq!(
            without_prompt("qemu+ssh://h/system?keyfile=/k"),
            "qemu+ssh://h/system?keyfile=/k&no_tty=1"
        );
    }

    #[test]
    fn what_spoils_a_fencing_is_told() {
        assert_eq!(risks("db1", "Persistent:     yes\nAutostart:      disable\n").len(), 0);
        assert_eq!(risks("db1", "Persistent:     no\nAutostart:      enable\n").len(), 2);
    }
}
