//! Resource parameters: one table per agent, from which values are read, checked and documented.
//!
//! The prose for each parameter stands in `ocf-metadata/*.xml`; a test proves that both agree.

use std::time::Duration;

use super::env::{Env, is_true};
use crate::error::{Error, Result};

/// What a parameter's text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// An absolute path.
    Path,
    Integer,
    Boolean,
    /// `500ms`, `5s`, `2min`, or a plain number of seconds.
    Time,
    Choice(&'static [&'static str]),
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Empty: no default.
    pub(crate) default: &'static str,
    pub(crate) required: bool,
    /// Whether a change takes effect through reload-agent, without a restart.
    pub(crate) reloadable: bool,
    /// An older name that is still understood.
    pub(crate) alias: Option<&'static str>,
}

impl Param {
    pub(crate) const fn new(name: &'static str, kind: Kind, default: &'static str) -> Param {
        Param {
            name,
            kind,
            default,
            required: false,
            reloadable: false,
            alias: None,
        }
    }

    pub(crate) const fn required(mut self) -> Param {
        self.required = true;
        self
    }

    pub(crate) const fn reloadable(mut self) -> Param {
        self.reloadable = true;
        self
    }

    pub(crate) const fn alias(mut self, alias: &'static str) -> Param {
        self.alias = Some(alias);
        self
    }

    fn check(&self, value: &str) -> Result<()> {
        let fine = match self.kind {
            Kind::Text => true,
            Kind::Path => value.starts_with('/'),
            Kind::Integer => value.parse::<u64>().is_ok(),
            Kind::Boolean => is_boolean(value),
            Kind::Time => parse_time(value).is_some(),
            Kind::Choice(words) => words.contains(&value),
        };
        if fine {
            Ok(())
        } else {
            Err(Error::parameter(self.name, value, self.allowed()))
        }
    }

    fn allowed(&self) -> String {
        match self.kind {
            Kind::Text => "any text".to_owned(),
            Kind::Path => "must be an absolute path".to_owned(),
            Kind::Integer => "must be a whole number, 0 or greater".to_owned(),
            Kind::Boolean => "must be true or false".to_owned(),
            Kind::Time => "must be a time such as 500ms, 5s or 2min".to_owned(),
            Kind::Choice(words) => format!("must be one of: {}", words.join(", ")),
        }
    }
}

/// What becomes of a value that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    RefuseAll,
    /// A reloadable parameter falls back to its default: it was changed while the resource runs.
    DefaultForReloadable,
    /// Reloadable parameters count as not given: one of them is wrong, and may be in a way that no type shows.
    WithoutReloadable,
}

/// The parameters of one resource, read through the agent's table.
#[derive(Clone, Copy)]
pub(crate) struct Params<'a> {
    env: &'a Env,
    table: &'static [Param],
    strictness: Strictness,
}

impl<'a> Params<'a> {
    pub(crate) fn new(env: &'a Env, table: &'static [Param], strictness: Strictness) -> Params<'a> {
        Params { env, table, strictness }
    }

    /// Checks every parameter of the table.
    ///
    /// # Errors
    /// The first one that is missing or malformed, with its name, its value and what is allowed.
    pub(crate) fn check(&self) -> Result<()> {
        self.table.iter().try_for_each(|param| match self.given(param) {
            Some(value) => param.check(value),
            None if param.required => Err(Error::parameter(param.name, "", "it is required")),
            None => Ok(()),
        })
    }

    /// The text of a parameter, its default if not given; none when both are empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let param = self.table.iter().find(|param| param.name == name)?;
        self.given(param)
            .or(Some(param.default))
            .filter(|text| !text.is_empty())
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<u64>> {
        self.parsed(name, |text| text.parse().ok())
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Duration>> {
        self.parsed(name, parse_time)
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool> {
        let value = self.parsed(name, |text| is_boolean(text).then(|| is_true(text)))?;
        Ok(value.unwrap_or(false))
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => {
                let allowed = self.table.iter().find(|param| param.name == name).map(Param::allowed);
                Err(Error::parameter(name, text, allowed.unwrap_or_default()))
            }
        }
    }

    fn given(&self, param: &Param) -> Option<&'a str> {
        self.env
            .parameter(param.name)
            .or_else(|| param.alias.and_then(|alias| self.env.parameter(alias)))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .filter(|value| match self.strictness {
                Strictness::RefuseAll => true,
                Strictness::DefaultForReloadable => !param.reloadable || param.check(value).is_ok(),
                Strictness::WithoutReloadable => !param.reloadable,
            })
    }
}

fn is_boolean(text: &str) -> bool {
    is_true(text) || ["0", "false", "no", "off", "n"].contains(&text.to_ascii_lowercase().as_str())
}

/// Pacemaker's way to write times; a bare number is in seconds.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let millis = match text.get(digits..)?.trim() {
        "ms" | "msec" => 1,
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Param] = &[
        Param::new("ip", Kind::Text, "").required(),
        Param::new("socket", Kind::Path, "/run/x.sock"),
        Param::new("max_lag", Kind::Time, "10s")
            .reloadable()
            .alias("max_slave_lag"),
        Param::new("mode", Kind::Choice(&["semi-sync", "async"]), "semi-sync"),
        Param::new("port", Kind::Integer, "3306"),
    ];

    fn with<T>(pairs: &[(&str, &str)], f: impl FnOnce(Params<'_>) -> T) -> T {
        f(Params::new(&Env::of(pairs), TABLE, Strictness::RefuseAll))
    }

    #[test]
    fn a_running_resource_survives_a_wrong_threshold_and_nothing_else() {
        let env = Env::of(&[
            ("OCF_RESKEY_ip", "x"),
            ("OCF_RESKEY_max_lag", "soon"),
            ("OCF_RESKEY_port", "3307"),
        ]);
        assert!(Params::new(&env, TABLE, Strictness::RefuseAll).check().is_err());
        let lenient = Params::new(&env, TABLE, Strictness::DefaultForReloadable);
        lenient.check().unwrap();
        assert_eq!(lenient.time("max_lag").unwrap(), Some(Duration::from_secs(10)));
        let env = Env::of(&[("OCF_RESKEY_ip", "x"), ("OCF_RESKEY_port", "many")]);
        assert!(
            Params::new(&env, TABLE, Strictness::DefaultForReloadable)
                .check()
                .is_err()
        );
    }

    #[test]
    fn times_are_written_as_in_pacemaker() {
        assert_eq!(parse_time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_time("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse_time("2min"), Some(Duration::from_secs(120)));
        for bad in ["", "s", "-1", "1.5s", "5 parsecs", "99999999999999999999"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let error = with(&[("OCF_RESKEY_ip", "10.0.0.1"), ("OCF_RESKEY_mode", "fast")], |p| {
            p.check().unwrap_err().to_string()
        });
        assert_eq!(
            error,
            "parameter mode=\"fast\" is not valid: must be one of: semi-sync, async"
        );
    }

    #[test]
    fn a_missing_required_parameter_is_an_error_and_defaults_are_not() {
        assert!(with(&[], |p| p.check()).is_err());
        with(&[("OCF_RESKEY_ip", "10.0.0.1")], |p| {
            p.check().unwrap();
            assert_eq!(p.text("socket"), Some("/run/x.sock"));
            assert_eq!(p.integer("port").unwrap(), Some(3306));
        });
    }

    #[test]
    fn an_old_name_works_and_the_new_one_wins() {
        with(&[("OCF_RESKEY_max_slave_lag", "60")], |p| {
            assert_eq!(p.time("max_lag").unwrap(), Some(Duration::from_secs(60)));
        });
        with(
            &[("OCF_RESKEY_max_slave_lag", "60"), ("OCF_RESKEY_max_lag", "7")],
            |p| {
                assert_eq!(p.time("max_lag").unwrap(), Some(Duration::from_secs(7)));
            },
        );
    }
}
