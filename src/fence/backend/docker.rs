//! Nodes that are containers, switched through the Docker Engine API on the host's Unix socket.
//!
//! A plug is a container's name or its id. Never changes a container's configuration, never removes one.
//! API: <https://docs.docker.com/reference/api/engine/>

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::fence::options::Options;
use crate::fence::power::{Listed, Power, State};
use crate::sys::deadline::Deadline;
use crate::sys::http::{self, Method, Response};

const SOCKETS: [&str; 2] = ["/run/docker.sock", "/var/run/docker.sock"];

/// API versions that speak the words used here. Engine 29 refuses all below 1.44, Engine 20.10 all above 1.41.
const OLDEST: Version = Version(1, 24);
const NEWEST: Version = Version(1, 51);

/// Length of the abbreviated id that Docker prints. Anything shorter could name another container.
const SHORT_ID: usize = 12;

pub(crate) struct Docker {
    socket: PathBuf,
    version: OnceCell<Version>,
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
        let socket = match &options.docker_socket {
            Some(path) if path.is_absolute() => path.clone(),
            Some(path) => {
                let given = path.to_string_lossy();
                return Err(Error::parameter("docker_socket", &given, "must be an absolute path"));
            }
            None => {
                let found = SOCKETS.iter().map(Path::new).find(|path| path.exists());
                found.unwrap_or(Path::new(SOCKETS[0])).to_path_buf()
            }
        };
        Ok(Docker {
            socket,
            version: OnceCell::new(),
        })
    }

    fn send(&self, method: Method, target: &str, deadline: Deadline) -> Result<Response> {
        http::over_unix_socket(&self.socket, method, target, deadline)
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

    fn container(&self, plug: &str, deadline: Deadline) -> Result<Container> {
        check_name(plug)?;
        let target = format!("/containers/{plug}/json");
        let response = self.ask(Method::Get, &target, deadline)?;
        if response.status == 404 {
            return Err(self.missing(plug));
        }
        let container: Container = self.body(&format!("GET {target}"), &response)?;
        // Docker also answers for the beginning of an id: "db" may be somebody else's container.
        let found = container.is_named(plug).then_some(container);
        found.ok_or_else(|| self.missing(plug))
    }

    /// Orders something of a container. A status of 204 and `tolerated` ones are acceptance.
    fn order(&self, plug: &str, order: &str, tolerated: u16, deadline: Deadline) -> Result<()> {
        // By id: a name may go over to another container, an id never does.
        let id = self.container(plug, deadline)?.id;
        let target = format!("/containers/{id}/{order}");
        let response = self.ask(Method::Post, &target, deadline)?;
        if response.status == 204 || response.status == tolerated {
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
            from: format!("Docker at {} to {request}", self.socket.display()),
            got,
        }
    }

    fn missing(&self, plug: &str) -> Error {
        Error::State(format!(
            "Docker at {} has no container {plug}; that is no proof that the node is off: check plug, pcmk_host_map, and \
             whether this is the right host",
            self.socket.display()
        ))
    }
}

impl Power for Docker {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let (engine, version) = self.engine(deadline)?;
        let socket = self.socket.display();
        Ok(format!("Docker Engine {} at {socket}, API {version}", engine.version))
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let state = self.container(plug, deadline)?.state;
        meaning(&state).map_err(|got| self.unexpected(&format!("the state of {plug}"), got))
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        // 409: it is not running. Tolerated, because the order proves nothing anyway: the next look at the state does.
        self.order(plug, "kill?signal=SIGKILL", 409, deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        // 304: it is running already.
        self.order(plug, "start", 304, deadline)
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
mod tests {
    use super::*;

    fn state(json: &str) -> std::result::Result<State, String> {
        meaning(&serde_json::from_str(json).unwrap())
    }

    fn quiet(word: &str) -> std::result::Result<State, String> {
        state(&format!(
            r#"{{"Status":"{word}","Running":false,"Paused":false,"Restarting":false,"Pid":0}}"#
        ))
    }

    #[test]
    fn only_three_words_mean_off() {
        for word in ["exited", "dead", "created"] {
            assert_eq!(quiet(word), Ok(State::Off), "{word}");
        }
        for word in ["running", "paused", "restarting", "removing"] {
            assert_eq!(quiet(word), Ok(State::On), "{word}");
        }
        for word in ["", "Exited", "stopped", "stopping", "off", "sleepy"] {
            assert!(quiet(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_process_or_a_flag_contradicts_off() {
        for rest in [
            r#""Running":false,"Paused":false,"Restarting":false,"Pid":42"#,
            r#""Running":true,"Paused":false,"Restarting":false,"Pid":0"#,
            r#""Running":false,"Paused":true,"Restarting":false,"Pid":0"#,
            r#""Running":false,"Paused":false,"Restarting":true,"Pid":0"#,
        ] {
            assert!(state(&format!(r#"{{"Status":"exited",{rest}}}"#)).is_err(), "{rest}");
        }
        let partial = serde_json::from_str::<ContainerState>(r#"{"Status":"exited"}"#);
        assert!(partial.is_err(), "an answer without a pid proves nothing");
    }

    #[test]
    fn the_beginning_of_an_id_is_no_name() {
        let container: Container = serde_json::from_str(
            r#"{"Id":"db15c0ffee00aaaa","Name":"/web",
                "State":{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"Pid":0}}"#,
        )
        .unwrap();
        assert!(container.is_named("web"));
        assert!(container.is_named("db15c0ffee00"));
        assert!(!container.is_named("db1"));
    }

    #[test]
    fn the_version_is_one_that_both_sides_speak() {
        let negotiate = |newest: &str, oldest: &str| {
            let json = format!(r#"{{"ApiVersion":"{newest}","MinAPIVersion":"{oldest}"}}"#);
            negotiated(&serde_json::from_str(&json).unwrap())
        };
        assert_eq!(negotiate("1.41", "1.12"), Ok(Version(1, 41)));
        assert_eq!(negotiate("1.60", "1.44"), Ok(NEWEST));
        assert_eq!(negotiate("1.80", "1.70"), Ok(Version(1, 70)));
        assert_eq!(negotiate("1.41", ""), Ok(Version(1, 41)), "podman");
        assert!(negotiate("1.18", "1.12").is_err());
        assert!(negotiate("latest", "").is_err());
    }

    #[test]
    fn only_a_name_reaches_the_path_of_a_request() {
        for bad in ["", "a/b", "../version", "a?b", "a b", "-a", "a\r\nX: y"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        check_name("lab_db-1.example").unwrap();
    }

    #[test]
    fn links_of_others_are_no_names() {
        let entry = Entry {
            names: vec!["/other/alias".to_owned(), "/db1".to_owned()],
            state: "sleepy".to_owned(),
        };
        let listed = entry.listed().unwrap();
        assert_eq!((listed.plug.as_str(), listed.state), ("db1", None));
    }
}
