//! What fence_baton tells people: every step of a device on request (`verbose`, `debug_file`), and why it failed.
//!
//! Pacemaker reads stderr: it logs each line, and some words in it decide how a failure is classed. So nothing is
//! written without need, and those words only where they are true. Never fails an action; never sees a secret.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::power::{Listed, Power, State, cause};
use crate::error::{Error, Result, seconds};
use crate::sys::clock;
use crate::sys::deadline::Deadline;
use crate::sys::files;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    verbose: bool,
    file: Option<File>,
}

impl Journal {
    /// A debug file that cannot be opened is a warning: fencing matters more.
    pub(crate) fn open(verbose: bool, path: Option<&Path>) -> Journal {
        let file = path.and_then(|path| match files::append_regular(path) {
            Ok(file) => Some(file),
            Err(error) => {
                warn(&format!("debug_file {}: {error}; going on without it", path.display()));
                None
            }
        });
        Journal { verbose, file }
    }

    fn step(&self, text: &str) {
        if self.verbose {
            to_stderr(&careful(text));
        }
        if let Some(mut file) = self.file.as_ref() {
            let _ = writeln!(file, "{} [{}] {text}", clock::log_stamp(), std::process::id());
        }
    }

    fn exchange<T>(&self, asked: &str, result: Result<T>, since: Deadline, word: impl Fn(&T) -> String) -> Result<T> {
        let told: &dyn Display = match &result {
            Ok(answer) => &word(answer),
            Err(error) => error,
        };
        self.step(&format!("{asked}: {told} ({})", seconds(since.age())));
        result
    }
}

/// A device whose every exchange is noted.
pub(crate) struct Noted<'a> {
    pub(crate) device: Box<dyn Power>,
    pub(crate) journal: &'a Journal,
}

impl Power for Noted<'_> {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let since = now(deadline);
        self.journal
            .exchange("describe", self.device.describe(deadline), since, String::clone)
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let since = now(deadline);
        let result = self.device.status(plug, deadline);
        self.journal
            .exchange(&format!("status of {plug}"), result, since, |state| {
                state.word().to_owned()
            })
    }

    fn gave_up(&self, plug: &str) -> bool {
        self.device.gave_up(plug)
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        let since = now(deadline);
        let result = self.device.off(plug, deadline);
        self.journal
            .exchange(&format!("order off for {plug}"), result, since, |()| {
                "accepted".to_owned()
            })
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        let since = now(deadline);
        let result = self.device.on(plug, deadline);
        self.journal
            .exchange(&format!("order on for {plug}"), result, since, |()| {
                "accepted".to_owned()
            })
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        let since = now(deadline);
        let word = |listed: &Vec<Listed>| format!("{} plugs", listed.len());
        self.journal.exchange("list", self.device.list(deadline), since, word)
    }

    fn permits(&self, deadline: Deadline) -> Result<()> {
        self.device.permits(deadline)
    }

    fn risks(&self) -> Vec<String> {
        self.device.risks()
    }

    fn pace(&self) -> (Duration, Duration) {
        self.device.pace()
    }

    fn close(&self, deadline: Deadline) {
        self.device.close(deadline);
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        let since = now(deadline);
        let result = self.device.warnings(plug, deadline);
        self.journal
            .exchange(&format!("settings of {plug}"), result, since, |found| {
                format!("{} warnings", found.len())
            })
    }
}

/// A clock that starts now; the deadline's own started with the action.
fn now(deadline: Deadline) -> Deadline {
    deadline.within(deadline.remaining())
}

pub(crate) fn warn(text: &str) {
    to_stderr(&format!("warning: {}", careful(text)));
}

/// Why the action failed. Only a wait that ended without result is called "timed out": Pacemaker reports that class
/// as such, and a wrong one misleads who looks for the cause.
pub(crate) fn fail(error: &Error) {
    if timed_out(error) {
        to_stderr(&format!("timed out: {error}"));
    } else {
        to_stderr(&careful(&error.to_string()));
    }
}

fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr(), "fence_baton: {text}");
}

fn timed_out(error: &Error) -> bool {
    matches!(cause(error), Error::Timeout { .. })
}

/// The text without the words that Pacemaker takes for a timeout, such as the names of our own options.
fn careful(text: &str) -> String {
    let mut text = text.to_owned();
    for (word, other) in [("timeout", "time-out"), ("timed out", "time-out")] {
        while let Some(at) = text.to_ascii_lowercase().find(word) {
            text.replace_range(at..at + word.len(), other);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_timeout_is_called_one() {
        let text = careful("parameter login_timeout=\"TimeOut\": operation timed out");
        assert_eq!(text, "parameter login_time-out=\"time-out\": operation time-out");
        let timeout = Deadline::after(Duration::ZERO).timeout("proof");
        let wrapped = Error::During {
            context: "off".to_owned(),
            source: Box::new(timeout),
        };
        assert!(timed_out(&wrapped));
        assert!(!timed_out(&Error::State("no container".to_owned())));
    }

    #[test]
    fn steps_go_to_the_debug_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("debug");
        let journal = Journal::open(false, Some(&path));
        let since = Deadline::after(Duration::ZERO);
        let _ = journal.exchange("status of db1", Ok(State::On), since, |state| state.word().to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("status of db1: on ("), "{text}");
    }
}
