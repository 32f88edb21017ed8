//! Nodes that are containers, switched through the Docker Engine API: on the host's Unix socket, or over TLS.
//!
//! A plug is a container's name or its id. Never changes a container's configuration, never removes one.
//! API: <https://docs.docker.com/reference/api/engine/>

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address;
use crate::error::{Error, Result};
use crate::fence::options::{Options, Values};
use crate::fence::power::{Listed, Power, State};
use crate::sys::deadline::Deadline;
use crate::sys::http::{Method, Request, Response, Server};

/// API versions that speak the words used here. Engine 29 refuses all below 1.44, Engine 20.10 all above 1.41.
const OLDEST: Version = Version(1, 24);
const NEWEST: Version = Version(1, 51);

/// Length of the abbreviated id that Docker prints. Anything shorter could name another container.
const SHORT_ID: usize = 12;

pub(crate) struct Docker {
    server: Server,
    risks: Vec<String>,
    version: OnceCell<Version>,
    /// The id of each plug's container, from the first look on: what is proven is about one container.
    pinned: RefCell<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Engine {
    api_version: String,
    #[serde(rename = "MinAPIVersion", default)]
    min_api_version: String,
    #[serde(default)]
    version: String,
}

/// The answer of `GET /containers/ID/json`. Fields that prove "off" have no default: an answer without them is an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    name: String,
    state: ContainerState,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerState {
    status: String,
    running: bool,
    paused: bool,
    restarting: bool,
    pid: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    auto_remove: bool,
    restart_policy: RestartPolicy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartPolicy {
    name: String,
}

/// One entry of `GET /containers/json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    names: Vec<String>,
    state: String,
}

impl Docker {
    pub(crate) fn new(options: &Options) -> Result<Docker> {
        let server = match address::server(options, 2376, 2375)? {
            Some(server) => server,
            None => Server::unix(&socket(&options.values)?),
        };
        Ok(Docker {
            risks: address::risks(&options.values, &server),
            server,
            version: OnceCell::new(),
            pinned: RefCell::default(),
        })
    }

    fn send(&self, method: Method, target: &str, deadline: Deadline) -> Result<Response> {
        self.server.send(&Request::new(method, target), deadline)
    }

    fn ask(&self, method: Method, target: &str, deadline: Deadline) -> Result<Response> {
        let version = match self.version.get() {
            Some(version) => *version,
            None => self.engine(deadline)?.1,
        };
        let version = self.version.get_or_init(|| version);
        self.send(method, &format!("/v{version}{target}"), deadline)
    }

    /// What the engine is, and the API version that both sides speak.
    fn engine(&self, deadline: Deadline) -> Result<(Engine, Version)> {
        let response = self.send(Method::Get, "/version", deadline)?;
        let engine: Engine = self.body("GET /version", &response)?;
        let version = negotiated(&engine).map_err(|got| self.unexpected("GET /version", got))?;
        Ok((engine, version))
    }

    /// The container behind a plug: always the one of the first look, though its name may go over to another.
    fn container(&self, plug: &str, deadline: Deadline) -> Result<Container> {
        let pinned = self.pinned.borrow().get(plug).cloned();
        let Some(id) = pinned else {
            let found = self.inspect(plug, deadline)?;
            // Docker also answers for the beginning of an id: "db" may be somebody else's container.
            let found = found.filter(|container| container.is_named(plug));
            let found = found.ok_or_else(|| self.missing(plug))?;
            self.pinned.borrow_mut().insert(plug.to_owned(), found.id.clone());
            return Ok(found);
        };
        let now = self.inspect(&id, deadline)?;
        now.filter(|container| container.id == id && container.is_named(plug)).ok_or_else(|| {
            Error::State(format!(
                "{plug} was container {} of Docker at {} a moment ago, which is gone or has another name now; that is no \
                 proof that the node is off",
                id.get(..SHORT_ID).unwrap_or(&id),
                self.server.name()
            ))
        })
    }

    fn inspect(&self, name: &str, deadline: Deadline) -> Result<Option<Container>> {
        check_name(name)?;
        let target = format!("/containers/{name}/json");
        let response = self.ask(Method::Get, &target, deadline)?;
        match response.status {
            404 => Ok(None),
            _ => self.body(&format!("GET {target}"), &response).map(Some),
        }
    }

    /// Orders something of a container. These statuses are acceptance.
    fn order(&self, plug: &str, order: &str, accepted: &[u16], deadline: Deadline) -> Result<()> {
        // By id: a name may go over to another container, an id never does. Once it is known, no order waits for one
        // more answer; every look sees whether the name still stands for it.
        let pinned = self.pinned.borrow().get(plug).cloned();
        let id = match pinned {
            Some(id) => id,
            None => self.container(plug, deadline)?.id,
        };
        let target = format!("/containers/{id}/{order}");
        let response = self.ask(Method::Post, &target, deadline)?;
        if accepted.contains(&response.status) {
            return Ok(());
        }
        Err(self.unexpected(&format!("POST {target}"), said(&response)))
    }

    fn body<T: DeserializeOwned>(&self, request: &str, response: &Response) -> Result<T> {
        if response.status != 200 {
            return Err(self.unexpected(request, said(response)));
        }
        serde_json::from_slice(&response.body).map_err(|error| self.unexpected(request, error.to_string()))
    }

    fn unexpected(&self, request: &str, got: String) -> Error {
        Error::Unexpected {
            from: format!("Docker at {} to {request}", self.server.name()),
            got,
        }
    }

    fn missing(&self, plug: &str) -> Error {
        Error::State(format!(
            "Docker at {} has no container {plug}; that is no proof that the node is off: check plug, pcmk_host_map, and \
             whether this is the right host",
            self.server.name()
        ))
    }
}

impl Power for Docker {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let (engine, version) = self.engine(deadline)?;
        let name = self.server.name();
        Ok(format!("Docker Engine {} at {name}, API {version}", engine.version))
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let state = self.container(plug, deadline)?.state;
        meaning(&state).map_err(|got| self.unexpected(&format!("the state of {plug}"), got))
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        // 409, it is not running, is no acceptance: one that is about to be restarted must be killed soon after.
        self.order(plug, "kill?signal=SIGKILL", &[204], deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        // 304: it is running already.
        self.order(plug, "start", &[204, 304], deadline)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        let response = self.ask(Method::Get, "/containers/json?all=1", deadline)?;
        let entries: Vec<Entry> = self.body("GET /containers/json", &response)?;
        let mut listed: Vec<Listed> = entries.iter().filter_map(Entry::listed).collect();
        listed.sort_by(|a, b| a.plug.cmp(&b.plug));
        Ok(listed)
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        Ok(risks(plug, &self.container(plug, deadline)?.host_config))
    }

    fn risks(&self) -> Vec<String> {
        self.risks.clone()
    }
}

fn socket(values: &Values) -> Result<PathBuf> {
    let path = values.path("docker_socket").unwrap_or_default();
    if path.is_absolute() {
        return Ok(path);
    }
    let given = path.to_string_lossy();
    Err(Error::parameter("docker_socket", &given, "must be an absolute path"))
}

impl Container {
    fn is_named(&self, plug: &str) -> bool {
        self.name.strip_prefix('/') == Some(plug) || (plug.len() >= SHORT_ID && self.id.starts_with(plug))
    }
}

impl Entry {
    fn listed(&self) -> Option<Listed> {
        // Links of other containers appear as "/other/alias".
        let own = |name: &&String| name.matches('/').count() == 1;
        let name = self.names.iter().find(own)?.strip_prefix('/')?;
        let state = match self.state.as_str() {
            "exited" | "dead" | "created" => Some(State::Off),
            "running" | "paused" | "restarting" | "removing" => Some(State::On),
            _ => None,
        };
        Some(Listed {
            plug: name.to_owned(),
            alias: String::new(),
            state,
        })
    }
}

/// What a container's state proves. The words are those of moby's `StateString`:
/// - `exited`, and `dead` (killed, but its removal failed): there is no process any more;
/// - `created`: there has never been one. All three only if every other field agrees, most of all the pid;
/// - `paused`: frozen, and it goes on where it stopped, with its connections, once thawed;
/// - `restarting`: there is no process at this moment, but there will be one;
/// - `removing`: on its way, not there yet.
fn meaning(state: &ContainerState) -> std::result::Result<State, String> {
    match state.status.as_str() {
        "running" | "paused" | "restarting" | "removing" => Ok(State::On),
        "exited" | "dead" | "created" => {
            if state.running || state.paused || state.restarting || state.pid != 0 {
                Err(format!("a contradiction: {state:?}"))
            } else {
                Ok(State::Off)
            }
        }
        word => Err(format!("state \"{word}\", a word without a known meaning")),
    }
}

/// Why a container may come back, or vanish. "off" kills it all the same: with a policy the engine leaves a killed
/// container alone until it is restarted itself, and a dead node that may come back later is better than a live one.
fn risks(plug: &str, config: &HostConfig) -> Vec<String> {
    let mut risks = Vec::new();
    let policy = config.restart_policy.name.as_str();
    if !matches!(policy, "" | "no") {
        risks.push(format!(
            "container {plug} has the restart policy \"{policy}\": the next restart of Docker or of the host switches a \
             fenced node on again; do `docker update --restart=no {plug}`"
        ));
    }
    if config.auto_remove {
        risks.push(format!(
            "container {plug} was created with --rm: it vanishes when killed, and off can then not be proven; create it \
             without --rm"
        ));
    }
    risks
}

fn negotiated(engine: &Engine) -> std::result::Result<Version, String> {
    let newest = version(&engine.api_version).ok_or_else(|| format!("API version \"{}\"", engine.api_version))?;
    let oldest = version(&engine.min_api_version).unwrap_or(Version(0, 0));
    if newest < OLDEST {
        return Err(format!("API version {newest}, which is older than {OLDEST}"));
    }
    // An engine that dropped all versions known here gets its own oldest: every answer is checked word by word.
    Ok(newest.min(NEWEST).max(oldest))
}

fn version(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    Some(Version(major.parse().ok()?, minor.parse().ok()?))
}

/// The engine's own sentence, or the beginning of whatever it sent.
fn said(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let text = match serde_json::from_slice::<Message>(&response.body) {
        Ok(message) => message.message,
        Err(_) => String::from_utf8_lossy(&response.body).chars().take(200).collect(),
    };
    format!("status {}: {}", response.status, text.trim())
}

/// Docker's own rule for names; ids follow it too. Nothing else can reach the path of a request.
fn check_name(plug: &str) -> Result<()> {
    let mut bytes = plug.bytes();
    let fine = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    fine.then_some(())
        .ok_or_else(|| Error::parameter("plug", plug, "must be a container's name or id"))
}

#[cfg(test)]
mod tests;
