//! What the HTTP APIs of clouds have in common: a token, refusals, rate limits, orders that take a while.
//!
//! Knows nothing of addresses or power: the agents do. A cloud is a [`Dialect`]; see docs/adding.md.

pub(crate) mod digitalocean;
pub(crate) mod hetzner;

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::files;
use crate::sys::http::{Method, Request, Response, Server};
use crate::sys::tls::Trust;

/// What is particular about one cloud's API.
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    /// Where the API is, with its version.
    pub(crate) url: &'static str,
    /// The refusal in the body of an answer.
    pub(crate) refusal: fn(&[u8]) -> Option<Refusal>,
    /// Whether a refusal with status 422 passes by itself, as another order to the same machine does.
    pub(crate) passes: fn(&Refusal) -> bool,
    /// What an action's status is called while it runs, and once it has succeeded.
    pub(crate) running: &'static str,
    pub(crate) done: &'static str,
}

/// Why an API says no, in its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// An order was accepted. What it does may take seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: u64,
    pub(crate) status: String,
    #[serde(default, rename = "type", alias = "command")]
    pub(crate) kind: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may go well later, but not before this time has passed.
    Later(Duration, Error),
    /// There is no such thing.
    Missing(Error),
    /// Asking again is of no use.
    Final(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Later(_, error) | Failure::Missing(error) | Failure::Final(error) => error,
        }
    }
}

pub(crate) type Answer<T> = std::result::Result<T, Failure>;

/// Where an API is, if not at its usual place, and how to be let in.
/// Not printable: the token may be in it.
#[derive(Clone, Default)]
pub(crate) struct Access<'a> {
    /// File that only root can read.
    pub(crate) token_file: Option<&'a Path>,
    /// The token itself, if it is in no file.
    pub(crate) token: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) authorities: Option<&'a Path>,
}

/// One exchange takes no longer, so that one that hangs leaves time for another.
const EXCHANGE: Duration = Duration::from_secs(5);
/// The first and the longest pause between two looks.
const PACE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// The pause when less than a tenth of the requests are left that the cloud allows: others may use the same token.
const SLOW: Duration = Duration::from_secs(5);
/// Clouds count requests by the hour; more than that is nonsense.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

pub(crate) struct Api {
    dialect: &'static Dialect,
    server: Server,
    authorization: String,
    scarce: Cell<bool>,
}

impl Api {
    /// # Errors
    /// [`Error::Parameter`] and [`Error::NoPermission`], naming `token_file`, `api_url` or `ssl_cacert`.
    pub(crate) fn open(dialect: &'static Dialect, access: &Access<'_>) -> Result<Api> {
        let token = match (access.token_file, access.token) {
            (Some(file), _) => files::read_secret("token_file", file)?,
            (None, Some(token)) => token.to_owned(),
            (None, None) => {
                let allowed = format!("must name a file with a token for the API of {}", dialect.name);
                return Err(Error::parameter("token_file", "", allowed));
            }
        };
        let trust = Trust {
            ca: access.authorities.map(Path::to_owned),
            ..Trust::default()
        };
        let url = access.url.unwrap_or(dialect.url);
        let server = Server::at("api_url", url, &trust)?;
        if !server.is_private() {
            let allowed = "must begin with https://, or everybody on the way could read the token";
            return Err(Error::parameter("api_url", url, allowed));
        }
        Ok(Api {
            dialect,
            server,
            authorization: format!("Bearer {token}"),
            scarce: Cell::new(false),
        })
    }

    /// Addresses that the API had some time ago: they are tried before its name is looked up.
    pub(crate) fn know(&self, addresses: Vec<SocketAddr>) {
        self.server.know(addresses);
    }

    pub(crate) fn addresses(&self, deadline: Deadline) -> Result<Vec<SocketAddr>> {
        self.server.addresses(deadline)
    }

    /// Whether, at the last answer, less than a tenth of the requests were left that the cloud allows.
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce.get()
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, target: &str, deadline: Deadline) -> Answer<T> {
        self.ask(Method::Get, target, None, deadline)
    }

    /// Gives an order. One that was not answered may have been taken nevertheless: look before giving it again.
    pub(crate) fn order(&self, target: &str, body: &serde_json::Value, deadline: Deadline) -> Answer<Action> {
        #[derive(Deserialize)]
        struct Ordered {
            action: Action,
        }
        let body = body.to_string();
        let ordered: Ordered = self.ask(Method::Post, target, Some(body.as_bytes()), deadline)?;
        Ok(ordered.action)
    }

    /// Whether an action has succeeded; not yet is none.
    pub(crate) fn progress(&self, action: &Action, deadline: Deadline) -> Answer<Option<()>> {
        #[derive(Deserialize)]
        struct Looked {
            action: Action,
        }
        let now = if action.status == self.dialect.running {
            let looked: Looked = self.get(&format!("/actions/{}", action.id), deadline)?;
            looked.action
        } else {
            action.clone()
        };
        if now.status == self.dialect.running {
            return Ok(None);
        }
        if now.status == self.dialect.done {
            return Ok(Some(()));
        }
        Err(Failure::Final(Error::State(format!(
            "{}'s action {} ({}) ended with \"{}\"; its console says why",
            self.dialect.name, now.id, now.kind, now.status
        ))))
    }

    /// Asks until there is an answer, at a pace that the cloud allows, past refusals that pass by themselves.
    ///
    /// # Errors
    /// The last refusal when the deadline passes, or when it would before the cloud wants to be asked again; any final
    /// one at once.
    pub(crate) fn patiently<T>(
        &self,
        waiting_for: &str,
        deadline: Deadline,
        mut look: impl FnMut(Deadline) -> Answer<Option<T>>,
    ) -> Result<T> {
        let mut pace = PACE.0;
        loop {
            let (pause, last) = match look(deadline.within(EXCHANGE)) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => (pace, deadline.timeout(waiting_for)),
                Err(Failure::Later(wait, error)) => (wait.max(pace), error),
                Err(failure) => return Err(failure.into()),
            };
            if pause >= deadline.remaining() {
                return Err(last);
            }
            deadline.pause(pause);
            pace = if self.scarce.get() {
                SLOW
            } else {
                (pace * 2).min(PACE.1)
            };
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<&[u8]>,
        deadline: Deadline,
    ) -> Answer<T> {
        let asked = format!("{} to {} {target}", self.dialect.name, method.word());
        let headers = [("Authorization", self.authorization.as_str())];
        let request = Request {
            method,
            target,
            headers: &headers,
            body,
        };
        // What is broken on the way may be whole next time.
        let passing = |error| Failure::Later(Duration::ZERO, error);
        let response = self.server.send(&request, deadline).map_err(passing)?;
        self.scarce.set(scarce(&response));
        if (200..300).contains(&response.status) {
            return response.json(&asked).map_err(passing);
        }
        Err(self.failure(&asked, &response, since_epoch()))
    }

    /// What a refusal means. `now` is the time since the epoch, in which some clouds say when to come again.
    fn failure(&self, asked: &str, response: &Response, now: Duration) -> Failure {
        let refusal = (self.dialect.refusal)(&response.body);
        let said = match &refusal {
            Some(Refusal { code, message }) => format!("status {}, {code}: {message}", response.status),
            None => format!("status {}: {}", response.status, response.excerpt()),
        };
        let error = Error::Unexpected {
            from: asked.to_owned(),
            got: said.clone(),
        };
        match response.status {
            401 | 403 => Failure::Final(Error::NoPermission {
                what: asked.to_owned(),
                hint: format!("{said}; check the token in token_file: is it valid, and may it do this?"),
            }),
            404 => Failure::Missing(error),
            429 => Failure::Later(wait(response, now), error),
            409 | 423 | 500..=599 => Failure::Later(Duration::ZERO, error),
            422 if refusal.as_ref().is_some_and(self.dialect.passes) => Failure::Later(Duration::ZERO, error),
            _ => Failure::Final(Error::State(error.to_string())),
        }
    }
}

/// When to ask again after too many requests.
fn wait(response: &Response, now: Duration) -> Duration {
    let seconds = |name| response.header(name)?.parse().ok().map(Duration::from_secs);
    let reset = || Some(seconds("ratelimit-reset")?.saturating_sub(now));
    let asked_for: Option<Duration> = seconds("retry-after").or_else(reset);
    asked_for
        .unwrap_or_default()
        .clamp(Duration::from_secs(1), LONGEST_WAIT)
}

fn scarce(response: &Response) -> bool {
    let number = |name| response.header(name)?.parse::<u64>().ok();
    match (number("ratelimit-remaining"), number("ratelimit-limit")) {
        (Some(remaining), Some(limit)) => remaining < limit / 10,
        _ => false,
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
