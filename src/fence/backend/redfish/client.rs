//! Talking to a board: by which right, in which session.

use std::cell::RefCell;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::model::{local, said};
use crate::error::{Error, Result};
use crate::fence::backend::address;
use crate::fence::options::Options;
use crate::fence::secret;
use crate::sys::deadline::Deadline;
use crate::sys::http::{Method, Request, Response, Server};

struct Session {
    token: String,
    /// Where it is ended.
    path: Option<String>,
}

pub(super) struct Board {
    server: Server,
    pub(super) root: String,
    user: String,
    password: String,
    sessions: bool,
    session: RefCell<Option<Session>>,
    pub(super) risks: Vec<String>,
}

impl Board {
    pub(super) fn new(options: &Options, deadline: Deadline) -> Result<Board> {
        let values = &options.values;
        let missing = || Error::parameter("ip", "", "must be the address of the management board");
        let server = address::server(options, 443, 80)?.ok_or_else(missing)?;
        Ok(Board {
            risks: address::risks(values, &server),
            server,
            root: path("redfish_uri", values.text("redfish_uri").unwrap_or_default())?,
            user: values.text("username").unwrap_or_default().to_owned(),
            password: secret::password(values, deadline)?.unwrap_or_default(),
            sessions: values.choice("redfish_auth")? == "session",
            session: RefCell::new(None),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.server.name()
    }

    pub(super) fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<&serde_json::Value>,
        deadline: Deadline,
    ) -> Result<Response> {
        let header = self.authorization(deadline)?;
        let headers: Vec<(&str, &str)> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = body.map(ToString::to_string);
        let request = Request {
            headers: &headers,
            body: body.as_deref().map(str::as_bytes),
            ..Request::new(method, target)
        };
        let response = self.server.send(&request, deadline)?;
        match response.status {
            // The board has forgotten the session: the next exchange logs in again.
            401 if self.session.borrow_mut().take().is_some() => {
                Err(self.unexpected(method, target, "status 401: the session has ended".to_owned()))
            }
            401 | 403 => Err(Error::NoPermission {
                what: format!("{} {target} at {}", method.word(), self.server.name()),
                hint: format!(
                    "{}; check username and password, and what that account may do",
                    said(&response)
                ),
            }),
            _ => Ok(response),
        }
    }

    fn authorization(&self, deadline: Deadline) -> Result<Option<(&'static str, String)>> {
        if self.user.is_empty() {
            return Ok(None);
        }
        if !self.sessions {
            let pair = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
            return Ok(Some(("Authorization", format!("Basic {pair}"))));
        }
        if self.session.borrow().is_none() {
            let session = self.log_in(deadline)?;
            *self.session.borrow_mut() = Some(session);
        }
        let session = self.session.borrow();
        Ok(session.as_ref().map(|session| ("X-Auth-Token", session.token.clone())))
    }

    fn log_in(&self, deadline: Deadline) -> Result<Session> {
        let target = format!("{}/SessionService/Sessions", self.root);
        let body = json!({ "UserName": self.user, "Password": self.password }).to_string();
        let request = Request {
            body: Some(body.as_bytes()),
            ..Request::new(Method::Post, &target)
        };
        let response = self.server.send(&request, deadline)?;
        let refused = || Error::NoPermission {
            what: format!("a session at {}", self.server.name()),
            hint: format!(
                "{}; check username and password, or set redfish_auth=basic",
                said(&response)
            ),
        };
        match (response.status, response.header("x-auth-token")) {
            (200 | 201, Some(token)) => Ok(Session {
                token: token.to_owned(),
                path: response.header("location").map(local),
            }),
            (401 | 403 | 404 | 405, _) => Err(refused()),
            _ => Err(self.unexpected(Method::Post, &target, said(&response))),
        }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, target: &str, deadline: Deadline) -> Result<T> {
        let response = self.send(Method::Get, target, None, deadline)?;
        if response.status != 200 {
            return Err(self.unexpected(Method::Get, target, said(&response)));
        }
        response.json(&format!("{} to GET {target}", self.server.name()))
    }

    /// Ends the session, if there is one.
    pub(super) fn log_out(&self, deadline: Deadline) {
        let path = self.session.borrow().as_ref().and_then(|session| session.path.clone());
        if let Some(path) = path {
            let _ = self.send(Method::Delete, &path, None, deadline);
        }
    }

    pub(super) fn unexpected(&self, method: Method, target: &str, got: String) -> Error {
        Error::Unexpected {
            from: format!("{} to {} {target}", self.server.name(), method.word()),
            got,
        }
    }
}

pub(super) fn path(name: &str, text: &str) -> Result<String> {
    if text.starts_with('/') {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(Error::parameter(name, text, "must be a path such as /redfish/v1"))
    }
}
