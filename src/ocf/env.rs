//! The environment in which Pacemaker runs an agent. The only file that reads environment variables.

use std::collections::BTreeMap;
use std::time::Duration;

use super::notify::Notify;
use super::params::{Param, Params, Strictness};
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

/// A snapshot of the process environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Env(BTreeMap<String, String>);

impl Env {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn from_process() -> Env {
        Env(std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect())
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Env {
        Env(pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Without the variables that [`Context::new`] reads as numbers, for an action that must not fail on them.
    pub(crate) fn without_numbers(mut self) -> Env {
        self.0
            .retain(|name, _| name != "OCF_RESKEY_CRM_meta_timeout" && name != "OCF_CHECK_LEVEL");
        self
    }

    /// A resource parameter: `OCF_RESKEY_name`.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.get(&format!("OCF_RESKEY_{name}"))
    }

    /// A meta attribute that Pacemaker passes along: `OCF_RESKEY_CRM_meta_name`.
    pub(crate) fn meta(&self, name: &str) -> Option<&str> {
        self.get(&format!("OCF_RESKEY_CRM_meta_{name}"))
    }
}

/// Time that an action keeps back from Pacemaker's timeout, to be able to say what it was waiting for.
const MARGIN: Duration = Duration::from_millis(1500);
/// Pacemaker's own default, used where nothing sets a timeout (an agent run by hand).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything an action may know about why and where it runs.
#[derive(Debug)]
pub(crate) struct Context {
    env: Env,
    params: &'static [Param],
    /// The resource's name, without the `:N` of a clone instance.
    pub(crate) instance: String,
    pub(crate) deadline: Deadline,
    /// Shortly before Pacemaker kills the action: whatever still runs then gives up.
    pub(crate) last_moment: Deadline,
    /// A monitor without interval: Pacemaker asks whether the resource is active, nothing may change.
    pub(crate) probe: bool,
    pub(crate) check_level: u32,
    /// Set when the resource is a promotable clone: only then is there a cluster to talk to.
    pub(crate) promotable: bool,
    /// Whether the clone sends notifications (meta attribute `notify`).
    pub(crate) notifies: bool,
    /// A clone of any kind: several instances run at the same time.
    pub(crate) clone: bool,
    /// How many instances the clone may have (meta attribute `clone-max`).
    pub(crate) instances: Option<usize>,
    /// How many of them may be promoted (meta attribute `promoted-max`).
    pub(crate) promoted_max: Option<usize>,
    /// What the transition around this action does; empty when Pacemaker did not say.
    pub(crate) notify: Notify,
}

impl Context {
    pub(crate) fn new(env: Env, params: &'static [Param]) -> Result<Context> {
        let timeout = match env.meta("timeout") {
            Some(text) => Duration::from_millis(number("CRM_meta_timeout", text)?),
            None => DEFAULT_TIMEOUT,
        };
        let check_level = match env.get("OCF_CHECK_LEVEL") {
            Some(text) => u32::try_from(number("OCF_CHECK_LEVEL", text)?).unwrap_or(u32::MAX),
            None => 0,
        };
        let instance = env.get("OCF_RESOURCE_INSTANCE").unwrap_or("default");
        Ok(Context {
            instance: instance.split(':').next().unwrap_or(instance).to_owned(),
            deadline: Deadline::after(timeout.saturating_sub(MARGIN.min(timeout / 4))),
            last_moment: Deadline::after(timeout.saturating_sub(MARGIN.min(timeout / 4) / 3)),
            probe: env.meta("interval").is_none_or(|interval| interval == "0"),
            check_level,
            promotable: env.meta("promotable").is_some_and(is_true)
                || env.meta("promoted_max").or(env.meta("master_max")).is_some(),
            notifies: env.meta("notify").is_some_and(is_true),
            clone: env.meta("clone_max").is_some(),
            instances: env.meta("clone_max").and_then(|text| text.parse().ok()),
            promoted_max: env
                .meta("promoted_max")
                .or(env.meta("master_max"))
                .and_then(|text| text.parse().ok()),
            notify: Notify::from(&env),
            env,
            params,
        })
    }

    /// The resource's parameters, read through the agent's table.
    pub(crate) fn parameters(&self, strictness: Strictness) -> Params<'_> {
        Params::new(&self.env, self.params, strictness)
    }

    /// This node's name as Pacemaker knows it, if Pacemaker told us.
    pub(crate) fn node(&self) -> Option<&str> {
        self.env.meta("on_node").filter(|name| !name.is_empty())
    }

    /// Pacemaker's feature set as `(major, minor, patch)`; none when run without a cluster.
    pub(crate) fn feature_set(&self) -> Option<(u32, u32, u32)> {
        let text = self.env.parameter("crm_feature_set")?;
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some((
            parts.next()??,
            parts.next().flatten().unwrap_or(0),
            parts.next().flatten().unwrap_or(0),
        ))
    }

    /// Directory of Pacemaker's command line tools; tests replace it.
    pub(crate) fn sbin_dir(&self) -> &str {
        self.env.get("HA_SBIN_DIR").unwrap_or("/usr/sbin")
    }
}

fn number(name: &str, text: &str) -> Result<u64> {
    text.trim()
        .parse()
        .map_err(|_| Error::parameter(name, text, "a whole number"))
}

pub(crate) fn is_true(text: &str) -> bool {
    ["1", "true", "yes", "on", "y"].contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        Context::new(Env::of(pairs), &[]).unwrap()
    }

    #[test]
    fn instance_loses_its_clone_number() {
        assert_eq!(context(&[("OCF_RESOURCE_INSTANCE", "db:2")]).instance, "db");
    }

    #[test]
    fn an_action_ends_before_pacemaker_kills_it() {
        let remaining = context(&[("OCF_RESKEY_CRM_meta_timeout", "20000")])
            .deadline
            .remaining();
        assert!(remaining <= Duration::from_millis(18_500) && remaining > Duration::from_secs(18));
        let short = context(&[("OCF_RESKEY_CRM_meta_timeout", "1000")]).deadline.remaining();
        assert!(short > Duration::from_millis(700) && short <= Duration::from_millis(750));
    }

    #[test]
    fn a_monitor_without_interval_is_a_probe() {
        assert!(context(&[]).probe);
        assert!(context(&[("OCF_RESKEY_CRM_meta_interval", "0")]).probe);
        assert!(!context(&[("OCF_RESKEY_CRM_meta_interval", "1000")]).probe);
    }

    #[test]
    fn old_and_new_words_make_a_promotable_clone() {
        assert!(!context(&[]).promotable);
        assert!(context(&[("OCF_RESKEY_CRM_meta_promotable", "true")]).promotable);
        assert!(context(&[("OCF_RESKEY_CRM_meta_master_max", "1")]).promotable);
    }

    #[test]
    fn garbage_instead_of_a_timeout_is_an_error_that_shows_it() {
        let env = Env::of(&[("OCF_RESKEY_CRM_meta_timeout", "soon")]);
        let error = Context::new(env, &[]).unwrap_err().to_string();
        assert!(error.contains("CRM_meta_timeout=\"soon\""), "{error}");
    }

    #[test]
    fn feature_set_is_compared_by_number() {
        assert_eq!(
            context(&[("OCF_RESKEY_crm_feature_set", "3.17.4")]).feature_set(),
            Some((3, 17, 4))
        );
        assert_eq!(context(&[]).feature_set(), None);
    }
}
