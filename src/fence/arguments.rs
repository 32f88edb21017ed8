//! How options arrive: as `name=value` lines on stdin when there are no arguments (so Pacemaker does it), else as
//! arguments for people. Reads both through the one table of options; never interprets a value.

use std::io::{IsTerminal, Read};

use clap::{Arg, ArgAction, Command};
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

use super::options::{Kind, OPTIONS, Opt, Values};
use crate::error::{Error, Result};

/// More than any configuration; a broken writer cannot fill our memory.
const LONGEST_INPUT: u64 = 1024 * 1024;

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
    let mut text = Vec::new();
    stdin
        .take(LONGEST_INPUT)
        .read_to_end(&mut text)
        .map_err(|error| Error::os("reading options from stdin", error))?;
    Ok(from_lines(&String::from_utf8_lossy(&text)))
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
    Ok(Given::Values {
        values,
        warnings: Vec::new(),
    })
}

fn command(metadata: &str) -> Command {
    let mut command = Command::new("fence_baton")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Switches a node off and proves it. Without arguments, reads name=value lines from stdin.")
        .max_term_width(100);
    let prose = short_descriptions(metadata);
    for option in OPTIONS {
        let help = prose.iter().find(|(name, _)| name == option.name);
        let help = help.map(|(_, text)| text.clone()).unwrap_or_default();
        command = command.arg(argument(option).help(described(option, help)));
        if let Some(older) = option.replaces {
            command = command.arg(Arg::new(older).long(older).hide(true).overrides_with(older));
        }
    }
    command
}

fn argument(option: &'static Opt) -> Arg {
    let argument = Arg::new(option.name).long(option.long);
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

fn described(option: &Opt, mut text: String) -> String {
    if let Kind::Select(words) = option.kind {
        text.push_str(&format!(" ({})", words.join(", ")));
    }
    if !option.default.is_empty() {
        text.push_str(&format!(" [default: {}]", option.default));
    }
    text
}

/// The one-line prose of every option, from the metadata: it is written down only once.
fn short_descriptions(metadata: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(metadata);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                inside = element.name().as_ref() == "shortdesc";
                let name = element.try_get_attribute("name").ok().flatten();
                if let (true, Some(name)) = (element.name().as_ref() == "parameter", name) {
                    let name = name
                        .normalized_value(XmlVersion::Implicit1_0)
                        .unwrap_or_default()
                        .into_owned();
                    found.push((name, String::new()));
                }
            }
            Ok(Event::Text(text)) if inside => {
                if let Some(last) = found.last_mut() {
                    last.1.push_str(&text);
                }
            }
            Ok(Event::End(_)) => inside = false,
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
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
            assert_eq!(Options::from(&typed).unwrap(), Options::from(&from_stdin).unwrap());
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
        let (_, warnings) = values(from_lines("nodename=n1\npasswd=s3cret\ns3cret"));
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("passwd"), "{warnings:?}");
        assert!(!warnings.concat().contains("s3cret"), "{warnings:?}");
    }

    #[test]
    fn help_has_the_prose_of_the_metadata() {
        let Given::Text(help) = arguments(&["--help"]).unwrap() else {
            panic!("--help gave no text")
        };
        assert!(help.contains("Unix socket of the Docker Engine"), "{help}");
        assert!(help.contains("[default: 20]"), "{help}");
        assert!(!help.contains("--port"), "{help}");
        assert!(arguments(&["--no-such-option"]).is_err());
    }
}
