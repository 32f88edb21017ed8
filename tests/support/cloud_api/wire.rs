//! HTTP as far as an API needs it, over plain connections and TLS, with all its accidents.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{Speak, TOKEN, World, Wrong};

/// One request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorized: bool,
    pub(crate) body: Value,
}

impl Asked {
    /// The parts of the path, to be matched.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Reply {
        Reply {
            status: 200,
            headers: Vec::new(),
            body: text.into(),
        }
    }
}

pub(super) fn certificate() -> Arc<ServerConfig> {
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tls")
            .join(name)
    };
    let chain = CertificateDer::pem_file_iter(fixture("server.pem"))
        .unwrap()
        .map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key);
    Arc::new(config.unwrap())
}

pub(super) fn serve(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, world: &Arc<Mutex<World>>, speak: Speak) {
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let raw = stream.try_clone().unwrap();
        let (tls, world) = (tls.cloned(), Arc::clone(world));
        // A connection that gets no answer must not hold up the next one.
        std::thread::spawn(move || match tls {
            None => converse(stream, &raw, &world, speak),
            Some(config) => {
                let connection = ServerConnection::new(config).unwrap();
                converse(StreamOwned::new(connection, stream), &raw, &world, speak);
            }
        });
    }
}

fn converse(mut stream: impl Read + Write, raw: &TcpStream, world: &Mutex<World>, speak: Speak) {
    let Some(asked) = read(&mut stream) else { return };
    let line = format!("{} {}", asked.method, asked.path);
    let mut world = world.lock().unwrap();
    world.log.push(line.clone());
    world.tick();
    let fault = world.faults.iter().position(|fault| line.contains(fault.words));
    let fault = fault.map(|at| world.faults.remove(at).kind);
    let happens = !matches!(fault, Some(Wrong::Says(..) | Wrong::ResetBefore | Wrong::Silence));
    let reply = if happens {
        speak(&mut world, &asked)
    } else {
        Reply::text("")
    };
    drop(world);
    let reply = match fault {
        None => reply,
        Some(Wrong::Says(status, headers, body)) => Reply { status, headers, body },
        Some(Wrong::Garbage) => Reply::text("<html>this is no JSON"),
        Some(Wrong::ResetBefore | Wrong::ResetAfter) => return reset(raw),
        Some(Wrong::Half) => {
            let bytes = written(&reply);
            let _ = stream.write_all(&bytes[..bytes.len() / 2]);
            return;
        }
        Some(Wrong::Silence) => {
            // Until the client gives up.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
    };
    let _ = stream.write_all(&written(&reply)).and_then(|()| stream.flush());
}

/// Closes a connection with a reset instead of an end.
fn reset(stream: &TcpStream) {
    let now = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &now).unwrap();
}

fn written(reply: &Reply) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} X\r\nContent-Type: application/json\r\n", reply.status);
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{}", reply.body.len(), reply.body));
    text.into_bytes()
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        if body.len() < header("content-length").map_or(0, |text| text.parse().unwrap()) {
            continue;
        }
        let mut words = head.split(' ');
        let method = words.next()?.to_owned();
        let target = words.next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        return Some(Asked {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            authorized: header("authorization") == Some(&format!("Bearer {TOKEN}")),
            body: serde_json::from_str(body).unwrap_or(json!(null)),
        });
    }
}
