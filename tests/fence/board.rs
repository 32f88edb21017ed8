//! A management board that misbehaves as one pleases: a server on this machine that answers each request by a closure,
//! and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::tls;

/// What a request looks like: `POST /path`, the headers in lower case, the body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// Status, further headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, String);

pub(crate) struct Board {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) fn reply(status: u16, body: &str) -> Reply {
    (status, Vec::new(), body.to_owned())
}

impl Board {
    /// The closure gets the request and how many came before.
    pub(crate) fn answering(answer: impl Fn(&Asked, usize) -> Reply + Send + 'static) -> Board {
        Board::listening(None, answer)
    }

    /// The same over TLS.
    pub(crate) fn secure(answer: impl Fn(&Asked, usize) -> Reply + Send + 'static) -> Board {
        Board::listening(Some(tls::config(false)), answer)
    }

    fn listening(
        secured: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Asked, usize) -> Reply + Send + 'static,
    ) -> Board {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&asked);
        let reply_to = move |request: &Asked| {
            let before = {
                let mut all = memory.lock().unwrap();
                all.push(request.clone());
                all.len() - 1
            };
            answer(request, before)
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                match &secured {
                    None => converse(stream, &reply_to),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        converse(StreamOwned::new(connection, stream), &reply_to);
                    }
                }
            }
        });
        Board { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked something that begins so.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line.starts_with(line)).count()
    }
}

fn converse(mut stream: impl Read + Write, answer: &impl Fn(&Asked) -> Reply) {
    if let Some(request) = read(&mut stream) {
        write(stream, answer(&request));
    }
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? <= 2 {
            break;
        }
        headers.push_str(&header.to_ascii_lowercase());
    }
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|text| text.trim().parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn write(mut stream: impl Write, (status, headers, body): Reply) {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status} Fake\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
