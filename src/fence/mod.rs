//! fence_baton, the STONITH plugin: switches a node off and proves it.
//!
//! The contract is that of fence-agents: options from stdin or as arguments, exit code 0 for success, `status` 0 on and
//! 2 off, 1 for everything that failed or cannot be told. Anything that went wrong must never end as a 2.
//! <https://github.com/ClusterLabs/fence-agents/blob/main/doc/FenceAgentAPI.md>
//!
//! [`options`] and [`arguments`] say what is asked for, [`power`] is the loop that proves, [`backend`] the devices.

mod arguments;
mod backend;
mod journal;
mod options;
mod power;

use std::io::Write;
use std::process::ExitCode;

use crate::error::{During, Result};
use crate::ocf;
use crate::sys::deadline::Deadline;
use arguments::Given;
use journal::{Journal, Noted};
use options::{Action, Options, Values};
use power::{Listed, Power, State};

const METADATA: &str = include_str!("../../ocf-metadata/fence_baton.xml");

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
    let started = Deadline::after(std::time::Duration::ZERO);
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
    if values.action()? == Action::Metadata {
        return Ok(ocf::metadata::print(METADATA));
    }
    let options = Options::from(values)?;
    let journal = Journal::open(options.verbose, options.debug_file.as_deref());
    let device = Noted {
        device: backend::open(&options)?,
        journal: &journal,
    };
    let about = match options.plugs.as_slice() {
        [] => options.action.name().to_owned(),
        plugs => format!("{} of {}", options.action.name(), plugs.join(", ")),
    };
    let answer = perform(&options, &device, started).during(about)?;
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
            power::off(device, plugs, limits)?;
            Ok(Answer::remark("Success: Powered OFF"))
        }
        Action::Reboot => {
            delay(options, started);
            let remarks = power::reboot(device, plugs, limits)?;
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
            let deadline = Deadline::after(limits.exchange);
            device.list(deadline)?;
            examine(options, device, deadline)
        }
        Action::ValidateAll => examine(options, device, Deadline::after(limits.exchange)),
        Action::Diag => diagnose(options, device),
        // Answered before there was a device.
        Action::Metadata => Ok(Answer::default()),
    }
}

/// Gives the other side of a split the first shot. Counted from the start of the process, and not part of any limit.
fn delay(options: &Options, started: Deadline) {
    let rest = options.delay.saturating_sub(started.age());
    Deadline::after(rest).pause(rest);
}

fn list(options: &Options, device: &dyn Power, tail: impl Fn(Option<State>) -> String) -> Result<Answer> {
    let listed = device.list(Deadline::after(options.limits.exchange))?;
    // The second field is an alias, which none of our devices has.
    let line = |Listed { plug, state }: &Listed| format!("{plug}{}{}\n", options.separator, tail(*state));
    Ok(Answer {
        data: listed.iter().map(line).collect(),
        ..Answer::default()
    })
}

/// Looks at every configured plug: it must exist, and what would spoil its fencing is said.
fn examine(options: &Options, device: &dyn Power, deadline: Deadline) -> Result<Answer> {
    let mut answer = Answer::default();
    for plug in &options.plugs {
        device.status(plug, deadline)?;
        answer.warnings.extend(device.warnings(plug, deadline)?);
    }
    Ok(answer)
}

/// A report on everything that a fencing would need, without switching anything.
fn diagnose(options: &Options, device: &dyn Power) -> Result<Answer> {
    let deadline = Deadline::after(options.limits.exchange);
    let mut report = format!("device: {}\n", device.describe(deadline)?);
    report.push_str(&format!("plugs listed: {}\n", device.list(deadline)?.len()));
    let mut bad = 0;
    for plug in &options.plugs {
        match device.status(plug, deadline) {
            Ok(state) => report.push_str(&format!("{plug}: {}\n", state.word())),
            Err(error) => {
                bad += 1;
                report.push_str(&format!("{plug}: cannot be fenced: {error}\n"));
                continue;
            }
        }
        for warning in device.warnings(plug, deadline)? {
            report.push_str(&format!("{plug}: {warning}\n"));
        }
    }
    Ok(Answer {
        code: u8::from(bad > 0),
        data: report,
        ..Answer::default()
    })
}

fn print(text: &str) -> ExitCode {
    // A reader that went away is no reason to call a proven result a failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
