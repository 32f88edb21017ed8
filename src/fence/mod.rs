//! fence_baton, the STONITH plugin: switches a node off and proves it.
//!
//! The contract is that of fence-agents: options from stdin or as arguments, exit code 0 for success, `status` 0 on and
//! 2 off, 1 for everything that failed or cannot be told. Anything that went wrong must never end as a 2.
//! <https://github.com/ClusterLabs/fence-agents/blob/main/doc/FenceAgentAPI.md>
//!
//! [`options`] and [`arguments`] say what is asked for, [`power`] is the loop that proves, [`backend`] the devices.

mod arguments;
mod backend;
mod document;
mod journal;
mod manual;
mod options;
mod power;
mod secret;
mod sql_fence;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::error::{During, Result};
use crate::ocf;
use crate::sys::deadline::Deadline;
use arguments::Given;
use journal::{Journal, Noted};
use options::{Action, Options, Values};
use power::{Listed, Power, State};

const METADATA: &str = include_str!("../../ocf-metadata/fence_baton.xml");

/// The time for leaving a device in order: the cluster waits for it.
const FAREWELL: Duration = Duration::from_secs(1);
const STATUS_OFF: u8 = 2;

/// How an action that did not fail ended.
#[derive(Debug, Default)]
struct Answer {
    code: u8,
    /// A sentence for people; silenced by `quiet`.
    remark: String,
    /// What was asked for: lists and reports.
    data: String,
    warnings: Vec<String>,
}

impl Answer {
    fn remark(text: &str) -> Answer {
        Answer {
            remark: format!("{text}\n"),
            ..Answer::default()
        }
    }
}

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let started = Deadline::after(Duration::ZERO);
    let result = arguments::gather(arguments, METADATA).and_then(|given| match given {
        Given::Text(text) => Ok(print(&text)),
        Given::Values { values, warnings } => {
            warnings.iter().for_each(|warning| journal::warn(warning));
            act(&values, started)
        }
    });
    result.unwrap_or_else(|error| {
        journal::fail(&error);
        ExitCode::FAILURE
    })
}

fn act(values: &Values, started: Deadline) -> Result<ExitCode> {
    match values.action()? {
        Action::Metadata => return Ok(ocf::metadata::print(METADATA)),
        Action::Manpage => return Ok(print(&manual::page(&document::read(METADATA)))),
        _ => {}
    }
    let mut options = Options::from(values)?;
    if options.has_no_device()? {
        journal::warn("port_as_ip without ip: the device is only known once a plug is named, so none was looked at");
        return Ok(ExitCode::SUCCESS);
    }
    let journal = Journal::open(options.verbose, options.debug_file.as_deref());
    let device = Noted {
        device: backend::open(&options, Deadline::after(options.limits.first))?,
        journal: &journal,
    };
    options.limits.steps = device.pace();
    let about = match options.plugs.as_slice() {
        [] => options.action.name().to_owned(),
        plugs => format!("{} of {}", options.action.name(), plugs.join(", ")),
    };
    let result = perform(&options, &device, started);
    device.close(Deadline::after(FAREWELL));
    let answer = result.during(about)?;
    answer.warnings.iter().for_each(|warning| journal::warn(warning));
    print(&answer.data);
    if !options.quiet {
        print(&answer.remark);
    }
    Ok(ExitCode::from(answer.code))
}

fn perform(options: &Options, device: &dyn Power, started: Deadline) -> Result<Answer> {
    let (plugs, limits) = (options.plugs.as_slice(), &options.limits);
    match options.action {
        Action::On => {
            power::on(device, plugs, limits)?;
            Ok(Answer::remark("Success: Powered ON"))
        }
        Action::Off => {
            delay(options, started);
            closing_its_database(options, device, |device| power::off(device, plugs, limits))?;
            Ok(Answer::remark("Success: Powered OFF"))
        }
        Action::Reboot => {
            delay(options, started);
            let remarks = closing_its_database(options, device, |device| power::reboot(device, plugs, limits))?;
            Ok(Answer {
                warnings: remarks.iter().map(ToString::to_string).collect(),
                ..Answer::remark("Success: Rebooted")
            })
        }
        Action::Status => Ok(match power::status(device, plugs, limits)? {
            State::On => Answer::remark("Status: ON"),
            State::Off => Answer {
                code: STATUS_OFF,
                ..Answer::remark("Status: OFF")
            },
        }),
        Action::List => list(options, device, |_| String::new()),
        Action::ListStatus => list(options, device, |state| {
            let word = state.map_or("unknown", State::word);
            format!("{}{word}", options.separator)
        }),
        Action::Monitor => {
            device.list(Deadline::after(limits.first))?;
            examine(options, device)
        }
        Action::ValidateAll => examine(options, device),
        Action::Diag => Ok(diagnose(options, device)),
        // Answered before there was a device.
        Action::Metadata | Action::Manpage => Ok(Answer::default()),
    }
}

/// Gives the other side of a split the first shot. Counted from the start of the process, and not part of any limit.
fn delay(options: &Options, started: Deadline) {
    let rest = options.delay.saturating_sub(started.age());
    Deadline::after(rest).pause(rest);
}

/// Switches, and meanwhile closes the node's database if that is wished for. The result is that of the switching.
fn closing_its_database<T>(
    options: &Options,
    device: &dyn Power,
    switch: impl FnOnce(&dyn Power) -> Result<T>,
) -> Result<T> {
    let closing = sql_fence::Closing::new(device, options);
    let result = switch(&closing);
    closing.end();
    result
}

fn list(options: &Options, device: &dyn Power, tail: impl Fn(Option<State>) -> String) -> Result<Answer> {
    let listed = device.list(Deadline::after(options.limits.exchange))?;
    let line = |Listed { plug, alias, state }: &Listed| {
        let separator = &options.separator;
        format!("{plug}{separator}{alias}{}\n", tail(*state))
    };
    Ok(Answer {
        data: listed.iter().map(line).collect(),
        ..Answer::default()
    })
}

/// Looks at every configured plug: it must exist, and what would spoil its fencing is said.
fn examine(options: &Options, device: &dyn Power) -> Result<Answer> {
    let mut answer = Answer {
        warnings: device.risks(),
        ..Answer::default()
    };
    for plug in &options.plugs {
        let deadline = Deadline::after(options.limits.first);
        device.status(plug, deadline)?;
        answer.warnings.extend(device.warnings(plug, deadline)?);
    }
    for (place, finding) in sql_fence::dry_run(options) {
        if let Err(error) = finding {
            answer.warnings.push(format!("{place}: {error}"));
        }
    }
    Ok(answer)
}

/// A report on everything that a fencing would need, without switching anything. What fails keeps nothing else from
/// being looked at.
fn diagnose(options: &Options, device: &dyn Power) -> Answer {
    let mut report = Report::default();
    let within = || Deadline::after(options.limits.exchange);
    report.add("device", device.describe(within()));
    report.add(
        "list",
        device.list(within()).map(|listed| format!("{} plugs", listed.len())),
    );
    for risk in device.risks() {
        report.add("device", Ok(risk));
    }
    if options.plugs.is_empty() {
        report.add("plugs", Ok("none named, so none was looked at: add plug=".to_owned()));
    }
    for plug in &options.plugs {
        let state = device.status(plug, within()).map(|state| state.word().to_owned());
        let known = state.is_ok();
        report.add(plug, state.during("cannot be fenced"));
        if known {
            match device.warnings(plug, within()) {
                Ok(warnings) => warnings.into_iter().for_each(|warning| report.add(plug, Ok(warning))),
                Err(error) => report.add(plug, Err(error)),
            }
        }
    }
    for (place, finding) in sql_fence::dry_run(options) {
        report.add(&place, finding);
    }
    report.answer()
}

#[derive(Default)]
struct Report {
    text: String,
    failed: usize,
}

impl Report {
    fn add(&mut self, subject: &str, finding: Result<String>) {
        let finding = finding.unwrap_or_else(|error| {
            self.failed += 1;
            error.to_string()
        });
        self.text.push_str(&format!("{subject}: {finding}\n"));
    }

    fn answer(self) -> Answer {
        let warning = match self.failed {
            0 => None,
            count => Some(format!("{count} findings would keep a fencing from succeeding")),
        };
        Answer {
            code: u8::from(self.failed > 0),
            data: self.text,
            warnings: warning.into_iter().collect(),
            ..Answer::default()
        }
    }
}

fn print(text: &str) -> ExitCode {
    // A reader that went away is no reason to call a proven result a failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
