//! What can go wrong, as situations an administrator can act on. Every situation maps to one OCF exit code.
//!
//! A refusal ("this node must not be promoted") is not an error: it is a value returned by a decision.

use std::path::PathBuf;
use std::time::Duration;

use crate::ocf::OcfCode;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("parameter {name}=\"{value}\" is not valid: {allowed}")]
    Parameter {
        name: String,
        value: String,
        allowed: String,
    },
    #[error("{what} is not installed on this node: {hint}")]
    NotInstalled { what: String, hint: String },
    #[error("no permission for {what}: {hint}")]
    NoPermission { what: String, hint: String },
    #[error("{doing}: {path}: {source}")]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{doing}: {source}")]
    Os { doing: String, source: std::io::Error },
    #[error("`{command}` {outcome}")]
    Command { command: String, outcome: String },
    #[error("{waiting_for} did not happen within {}", seconds(*.after))]
    Timeout { waiting_for: String, after: Duration },
    #[error("server refused the connection: too many connections (error {0}); it is alive")]
    TooManyConnections(u16),
    #[error("{statement}: server error {code}: {message}")]
    Sql {
        statement: String,
        code: u16,
        message: String,
    },
    #[error("server at {address}: {message}")]
    Connection { address: String, message: String },
    #[error("unexpected answer from {from}: {got}")]
    Unexpected { from: String, got: String },
    #[error("kernel refused to {doing}: {message} (errno {errno})")]
    Kernel { doing: String, errno: i32, message: String },
    /// The world is not as it must be after acting, or forbids going on; the text says what, where and what to do.
    #[error("{0}")]
    State(String),
    #[error("{context}: {source}")]
    During { context: String, source: Box<Error> },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The OCF exit code that tells Pacemaker how far the damage reaches.
    pub(crate) fn code(&self) -> OcfCode {
        match self {
            Error::Parameter { .. } => OcfCode::ErrConfigured,
            Error::NotInstalled { .. } => OcfCode::ErrInstalled,
            Error::NoPermission { .. } => OcfCode::ErrPermission,
            Error::During { source, .. } => source.code(),
            Error::File { .. }
            | Error::Os { .. }
            | Error::Command { .. }
            | Error::Timeout { .. }
            | Error::TooManyConnections(_)
            | Error::Sql { .. }
            | Error::Connection { .. }
            | Error::Unexpected { .. }
            | Error::Kernel { .. }
            | Error::State(_) => OcfCode::ErrGeneric,
        }
    }

    /// Whether a server or the system refused, so that trying again is of no use until somebody changes something.
    pub(crate) fn needs_a_person(&self) -> bool {
        match self {
            Error::Sql { .. } | Error::NoPermission { .. } => true,
            Error::During { source, .. } => source.needs_a_person(),
            Error::Parameter { .. }
            | Error::NotInstalled { .. }
            | Error::File { .. }
            | Error::Os { .. }
            | Error::Command { .. }
            | Error::Timeout { .. }
            | Error::TooManyConnections(_)
            | Error::Connection { .. }
            | Error::Unexpected { .. }
            | Error::Kernel { .. }
            | Error::State(_) => false,
        }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::File {
            doing,
            path: path.into(),
            source,
        }
    }

    pub(crate) fn os(doing: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Error::Os {
            doing: doing.into(),
            source: source.into(),
        }
    }

    pub(crate) fn parameter(name: &str, value: &str, allowed: impl Into<String>) -> Self {
        Error::Parameter {
            name: name.to_owned(),
            value: value.to_owned(),
            allowed: allowed.into(),
        }
    }
}

/// Adds what was being done to an error, printed outside-in on one line.
pub(crate) trait During<T> {
    fn during(self, context: impl Into<String>) -> Result<T>;
}

impl<T> During<T> for Result<T> {
    fn during(self, context: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::During {
            context: context.into(),
            source: Box::new(source),
        })
    }
}

/// A duration for people: `250 ms`, `1.5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_is_printed_outside_in_on_one_line_and_keeps_the_code() {
        let inner: Result<()> = Err(Error::parameter("socket", "x", "an absolute path"));
        let error = inner.during("checking parameters").unwrap_err();
        assert_eq!(
            error.to_string(),
            "checking parameters: parameter socket=\"x\" is not valid: an absolute path"
        );
        assert_eq!(error.code(), OcfCode::ErrConfigured);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(250)), "250 ms");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
