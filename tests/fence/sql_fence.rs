//! The option sql_fence, as far as it is about when it begins; what it does to a database is in tests/server.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use super::harness::{Container, action};

/// Where a database would listen.
fn database() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = format!(
        "sql_fence=1\nsql_fence_user=fence\nsql_fence_addresses=node1:127.0.0.1\nsql_fence_port={port}\npower_wait=2"
    );
    (listener, options)
}

#[test]
fn a_database_is_closed_only_if_its_node_can_be_switched() {
    let node = Container::run(&[]);
    let (listener, options) = database();
    for plug in ["nobody", &format!("{},nobody", node.0)] {
        assert_eq!(action("off", plug, &options).code(), 1, "{plug}");
        let called = listener.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock), "{plug}");
    }
    let off = action("off", &node.0, &options);
    assert_eq!(off.code(), 0);
    assert!(off.took < Duration::from_secs(30), "{:?}", off.took);
    assert!(listener.accept().is_ok(), "{}", off.stderr);
}
