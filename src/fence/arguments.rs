//! How options arrive: as `name=value` lines on stdin when there are no arguments (so Pacemaker does it), else as
//! arguments for people. Reads both through the one table of options; never interprets a value.

use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use super::document;
use super::options::{FenceOption, Kind, OPTIONS, Values};
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use clap::{Arg, ArgAction, Command};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// More than any configuration; a broken writer cannot fill our memory.
const LONGEST_INPUT: usize = 1024 * 1024;

const SECRETS: [&str; 4] = ["password", "passwd", "community", "snmp_priv_passwd"];
const INPUT_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) enum Given {
    Values {
        values: Values,
        warnings: Vec<String>,
    },
    /// Help or version was asked for.
    Text(String),
}

pub(crate) fn gather(arguments: &[String], metadata: &str) -> Result<Given> {
    if !arguments.is_empty() {
        return from_arguments(arguments, metadata);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        // Somebody typed the bare name: waiting for lines would look like a hang.
        return Ok(Given::Text(command(metadata).render_help().to_string()));
    }
    let text = whole(stdin.lock(), Deadline::after(INPUT_LIMIT))?;
    Ok(from_lines(&String::from_utf8_lossy(&text)))
}

/// Everything up to the end of the input. Whoever started us and never closes its end cannot hold us.
fn whole(mut input: impl Read + AsFd, deadline: Deadline) -> Result<Vec<u8>> {
    let failed = |error| Error::os("reading options from stdin", error);
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let rest = PollTimeout::try_from(deadline.remaining()).unwrap_or(PollTimeout::MAX);
        let ready = match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], rest) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other.map_err(|errno| failed(errno.into()))?,
        };
        if ready == 0 {
            return Err(deadline.timeout("the end of the options on stdin"));
        }
        let count = input.read(&mut buffer).map_err(failed)?;
        text.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || text.len() > LONGEST_INPUT {
            return Ok(text);
        }
    }
}

fn from_lines(text: &str) -> Given {
    let mut values = Values::default();
    let mut warnings = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let Some((name, value)) = line.split_once('=') else {
            // Not repeated: the line might be half of a password.
            warnings.push("a line on stdin has no \"=\"; ignored".to_owned());
            continue;
        };
        let (name, value) = (name.trim(), unquoted(value.trim()));
        if !values.set(name, value) {
            warnings.push(format!("unknown option \"{name}\"; ignored"));
        }
    }
    Given::Values { values, warnings }
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

fn from_arguments(arguments: &[String], metadata: &str) -> Result<Given> {
    let name = std::iter::once("fence_baton".to_owned());
    let matches = match command(metadata).try_get_matches_from(name.chain(arguments.iter().cloned())) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Given::Text(error.to_string())),
        Err(error) => return Err(Error::State(error.to_string().trim_end().to_owned())),
    };
    let mut values = Values::default();
    for option in OPTIONS {
        for name in std::iter::once(option.name).chain(option.replaces) {
            if option.kind == Kind::Boolean {
                if matches.get_flag(name) {
                    values.set(name, "1");
                }
            } else if let Some(value) = matches.get_one::<String>(name) {
                values.set(name, value);
            }
        }
    }
    let secrets = SECRETS.iter().filter(|name| values.given(name).is_some());
    let warning = |name: &&str| {
        format!("{name} on the command line can be read by every user of this machine: use a file, a script or stdin")
    };
    let warnings = secrets.map(warning).collect();
    Ok(Given::Values { values, warnings })
}

fn command(metadata: &str) -> Command {
    let mut command = Command::new("fence_baton")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Switches a node off and proves it. Without arguments, reads name=value lines from stdin.")
        .max_term_width(100);
    let known = document::read(metadata).parameters;
    for option in OPTIONS {
        let parameter = known.iter().find(|parameter| parameter.name == option.name);
        let help = parameter.map(document::Parameter::description).unwrap_or_default();
        command = command.arg(argument(option).help(help));
        if let Some(older) = option.replaces {
            command = command.arg(
                Arg::new(older)
                    .long(older.replace('_', "-"))
                    .hide(true)
                    .overrides_with(older),
            );
        }
    }
    command
}

fn argument(option: &'static FenceOption) -> Arg {
    let argument = Arg::new(option.name).long(option.long());
    let argument = match option.short {
        Some(short) => argument.short(short),
        None => argument,
    };
    match option.kind {
        Kind::Boolean => argument.action(ArgAction::SetTrue).overrides_with(option.name),
        Kind::Text | Kind::Seconds | Kind::Integer | Kind::Select(_) => {
            argument.value_name(option.value).overrides_with(option.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::METADATA;
    use crate::fence::options::Options;

    fn values(given: Given) -> (Values, Vec<String>) {
        match given {
            Given::Values { values, warnings } => (values, warnings),
            Given::Text(text) => panic!("{text}"),
        }
    }

    fn arguments(words: &[&str]) -> Result<Given> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        from_arguments(&words, METADATA)
    }

    #[test]
    fn stdin_and_arguments_mean_the_same() {
        let lines = "# from Pacemaker\naction=off\nplug=\"db1\"\n\n backend = docker \npower_timeout=7\nquiet=1\n";
        let (from_stdin, warnings) = values(from_lines(lines));
        assert!(warnings.is_empty(), "{warnings:?}");
        for words in [
            &[
                "-o",
                "off",
                "-n",
                "db1",
                "--backend",
                "docker",
                "--power-timeout=7",
                "-q",
            ][..],
            &[
                "--action=off",
                "--port=db1",
                "--backend=docker",
                "--power-timeout",
                "7",
                "--quiet",
            ][..],
        ] {
            let (typed, _) = values(arguments(words).unwrap());
            let meaning = |values: &Values| Options {
                // Under which name each was given.
                values: Values::default(),
                ..Options::from(values).unwrap()
            };
            assert_eq!(meaning(&typed), meaning(&from_stdin));
        }
    }

    #[test]
    fn the_last_value_counts() {
        assert_eq!(values(from_lines("plug=a\nplug=b")), values(from_lines("plug=b")));
        let last = arguments(&["-n", "a", "-n", "b", "-q", "-q"]).unwrap();
        assert_eq!(values(last), values(from_lines("plug=b\nquiet=1")));
    }

    #[test]
    fn what_is_unknown_on_stdin_is_a_warning_that_shows_no_value() {
        let (_, warnings) = values(from_lines("nodename=n1\npassphrase=s3cret\ns3cret"));
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("passphrase"), "{warnings:?}");
        assert!(!warnings.concat().contains("s3cret"), "{warnings:?}");
    }

    #[test]
    fn whoever_never_ends_its_input_cannot_hold_us() {
        let (reader, writer) = std::io::pipe().unwrap();
        let deadline = Deadline::after(Duration::from_millis(30));
        let error = whole(reader, deadline).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        drop(writer);
    }

    #[test]
    fn help_has_the_prose_of_the_metadata() {
        let Given::Text(help) = arguments(&["--help"]).unwrap() else {
            panic!("--help gave no text")
        };
        assert!(help.contains("Unix socket of the Docker Engine"), "{help}");
        assert!(help.contains("[default: 20]"), "{help}");
        assert!(!help.contains("--port "), "{help}");
        assert!(arguments(&["--no-such-option"]).is_err());
    }
}
