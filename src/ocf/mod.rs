//! The OCF resource agent contract, version 1.1: exit codes, actions, environment, exit reasons.
//!
//! Knows nothing about databases or addresses. Contract: <https://github.com/ClusterLabs/OCF-spec>, API 1.1.

pub(crate) mod env;
pub(crate) mod log;
pub(crate) mod metadata;
pub(crate) mod notify;
pub(crate) mod params;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use crate::error::{Error, Result, seconds};
use env::{Context, Env};
use params::Param;

use crate::sys::deadline::Deadline;

/// Exit codes of a resource agent, with the standard's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OcfCode {
    Success,
    ErrGeneric,
    ErrUnimplemented,
    ErrPermission,
    ErrInstalled,
    ErrConfigured,
    NotRunning,
    RunningPromoted,
    FailedPromoted,
    /// Active and unpromoted, but a failure is more likely than usual.
    Degraded,
    DegradedPromoted,
}

impl OcfCode {
    pub(crate) fn number(self) -> u8 {
        match self {
            OcfCode::Success => 0,
            OcfCode::ErrGeneric => 1,
            OcfCode::ErrUnimplemented => 3,
            OcfCode::ErrPermission => 4,
            OcfCode::ErrInstalled => 5,
            OcfCode::ErrConfigured => 6,
            OcfCode::NotRunning => 7,
            OcfCode::RunningPromoted => 8,
            OcfCode::FailedPromoted => 9,
            OcfCode::Degraded => 190,
            OcfCode::DegradedPromoted => 191,
        }
    }
}

/// What Pacemaker may ask of an agent. `meta-data` is answered by [`serve`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Monitor,
    Promote,
    Demote,
    Notify,
    ValidateAll,
    ReloadAgent,
    MetaData,
}

impl Action {
    const ALL: [(&'static str, Action); 9] = [
        ("start", Action::Start),
        ("stop", Action::Stop),
        ("monitor", Action::Monitor),
        ("promote", Action::Promote),
        ("demote", Action::Demote),
        ("notify", Action::Notify),
        ("validate-all", Action::ValidateAll),
        ("reload-agent", Action::ReloadAgent),
        ("meta-data", Action::MetaData),
    ];

    fn parse(word: &str) -> Option<Action> {
        Action::ALL
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, action)| *action)
    }

    pub(crate) fn name(self) -> &'static str {
        Action::ALL
            .iter()
            .find(|(_, action)| *action == self)
            .map_or("", |(name, _)| name)
    }
}

/// How an action ended. A code other than success always has a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Outcome {
    pub(crate) code: OcfCode,
    pub(crate) reason: Option<String>,
}

impl Outcome {
    pub(crate) const SUCCESS: Outcome = Outcome {
        code: OcfCode::Success,
        reason: None,
    };

    pub(crate) fn because(code: OcfCode, reason: impl Into<String>) -> Outcome {
        Outcome {
            code,
            reason: Some(reason.into()),
        }
    }

    /// An expected code that needs no explanation, such as "not running" of a probe.
    pub(crate) fn plain(code: OcfCode) -> Outcome {
        Outcome { code, reason: None }
    }
}

/// A resource agent: its documentation, its parameters, and what it does.
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    pub(crate) metadata: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) actions: &'static [Action],
    pub(crate) run: fn(Action, &Context) -> Result<Outcome>,
}

/// Runs one action as Pacemaker asks for it: the first argument names it, all further ones are ignored.
pub(crate) fn serve(agent: &Agent, arguments: &[String]) -> ExitCode {
    let word = arguments.first().map_or("", String::as_str);
    let action = Action::parse(word).filter(|action| agent.actions.contains(action));
    let Some(action) = action else {
        let known: Vec<&str> = agent.actions.iter().map(|action| action.name()).collect();
        exit_reason(&format!("unknown action \"{word}\"; known: {}", known.join(", ")));
        return ExitCode::from(OcfCode::ErrUnimplemented.number());
    };
    if action == Action::MetaData {
        return metadata::print(agent.metadata);
    }
    let started = Instant::now();
    let env = Env::from_process();
    log::open(&env, agent.name);
    let outcome = context(action, env, agent.params)
        .and_then(|context| {
            watch(action, context.last_moment);
            (agent.run)(action, &context)
        })
        .unwrap_or_else(|error| failed(action, &error));
    report(action, &outcome, started);
    ExitCode::from(outcome.code.number())
}

/// Stop must do its work whatever the environment says: a stop that fails gets the node fenced. A monitor must not call a
/// running resource wrongly configured: it would be stopped on all nodes.
fn context(action: Action, env: Env, params: &'static [Param]) -> Result<Context> {
    match Context::new(env.clone(), params) {
        Err(error) if matches!(action, Action::Stop | Action::Monitor) => {
            log::warning(&format!("{error}; using the default"));
            Context::new(env.without_numbers(), params)
        }
        result => result,
    }
}

/// Ends an action that a call holds beyond its deadline, with a reason: Pacemaker would kill it without one. A thread,
/// because what holds it may be anything: a name that does not resolve, a socket whose queue is full.
fn watch(action: Action, last_moment: Deadline) {
    let name = action.name();
    std::thread::spawn(move || {
        last_moment.pause(last_moment.remaining());
        let why = format!("{name} is held up beyond its deadline and gives up; the log says in which phase");
        // Pacemaker logs it; the log itself may be what holds us up.
        exit_reason(&why);
        std::process::exit(OcfCode::ErrGeneric.number().into());
    });
}

fn failed(action: Action, error: &Error) -> Outcome {
    Outcome::because(error.code(), format!("{} failed: {error}", action.name()))
}

fn report(action: Action, outcome: &Outcome, started: Instant) {
    if let Some(reason) = &outcome.reason {
        exit_reason(reason);
    }
    let code = outcome.code.number();
    let reason = outcome.reason.as_deref().unwrap_or("");
    let line = format!(
        "{} ended with {code} after {}: {reason}",
        action.name(),
        seconds(started.elapsed())
    );
    let line = line.trim_end_matches([':', ' ']);
    // A monitor runs every second: its expected results are not worth a line.
    let routine = action == Action::Monitor && outcome.reason.is_none();
    match (routine, outcome.code) {
        (true, _) => log::debug(line),
        (false, OcfCode::Success) => log::info(line),
        (false, _) => log::error(line),
    }
}

/// Tells Pacemaker (and so `crm_mon`) why an action failed: the last such line of stderr counts.
pub(crate) fn exit_reason(text: &str) {
    let one_line = text.replace('\n', " ");
    let _ = writeln!(std::io::stderr(), "ocf-exit-reason:{one_line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_by_their_name_only() {
        for (name, action) in Action::ALL {
            assert_eq!(Action::parse(name), Some(action));
            assert_eq!(action.name(), name);
        }
        assert_eq!(Action::parse("reload"), None);
        assert_eq!(Action::parse(""), None);
    }

    #[test]
    fn a_failure_says_which_action_and_why() {
        let outcome = failed(
            Action::Start,
            &Error::parameter("user", "no_user", "an account of this node"),
        );
        assert_eq!(outcome.code, OcfCode::ErrConfigured);
        assert_eq!(
            outcome.reason.as_deref(),
            Some("start failed: parameter user=\"no_user\" is not valid: an account of this node")
        );
    }
}
