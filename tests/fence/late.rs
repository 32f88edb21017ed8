//! The Docker Engine of this machine behind something that hands on a request at once, and an answer late.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::harness::{Container, Engine, action};

const LATE: Duration = Duration::from_millis(700);

/// An engine that answers late, and the first lines of what it was asked.
fn engine() -> (Engine, Arc<Mutex<Vec<String>>>) {
    let engine = Engine::silent();
    let listener = UnixListener::bind(&engine.socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || relay(client, &lines));
        }
    });
    (engine, asked)
}

/// The agent's requests have no body and fit into one read; it asks the engine to close after the answer.
fn relay(mut client: UnixStream, lines: &Mutex<Vec<String>>) {
    let mut request = [0; 4096];
    let count = client.read(&mut request).unwrap();
    let text = String::from_utf8_lossy(&request[..count]);
    lines.lock().unwrap().extend(text.lines().next().map(str::to_owned));
    let mut engine = UnixStream::connect("/var/run/docker.sock").unwrap();
    engine.write_all(&request[..count]).unwrap();
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer).unwrap();
    std::thread::sleep(LATE);
    let _ = client.write_all(&answer);
}

/// Two late answers are more than a reboot waits for after off is proven.
#[test]
fn a_device_that_answers_late_proves_off_and_is_switched_on_again() {
    let node = Container::run(&[]);
    let (engine, asked) = engine();
    let before = node.inspect("{{.State.StartedAt}}");
    let options = format!("docker_socket={}\nshell_timeout=1200ms", engine.socket.display());
    let ended = action("reboot", &node.0, &options);
    assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""), "nothing was too late");
    assert_eq!(node.state(), "running");
    assert_ne!(node.inspect("{{.State.StartedAt}}"), before);
    // The version, a look, the order, two looks, the order to switch on: each once.
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 6, "{asked:#?}");
    assert!(asked[2].contains("/kill?") && asked[5].contains("/start"), "{asked:#?}");
    assert!(ended.took >= LATE * 6, "{:?}", ended.took);
}
