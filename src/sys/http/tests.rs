//! What is sent, what is understood as a URL, and servers that misbehave.

use std::net::TcpListener;
use std::time::Duration;

use super::*;

#[test]
fn a_url_has_a_host_perhaps_a_port_and_a_path() {
    let parts = |url| parse(url).map(|url| (url.secure, url.host, url.port, url.base));
    assert_eq!(
        parts("https://api.example/v2/"),
        Some((true, "api.example", 443, "/v2"))
    );
    assert_eq!(parts("http://192.0.2.1:8080"), Some((false, "192.0.2.1", 8080, "")));
    assert_eq!(
        parts("https://[2001:db8::1]:8443/x"),
        Some((true, "2001:db8::1", 8443, "/x"))
    );
    assert_eq!(parts("https://[2001:db8::1]"), Some((true, "2001:db8::1", 443, "")));
    for bad in [
        "",
        "api.example",
        "ftp://api.example",
        "https://",
        "https://a b/",
        "https://host:port",
        "https://[::1",
        "https://[host]",
        "https://user@host/",
        "https://host/a?b",
        "http://host/\r\nX: y",
    ] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}

#[test]
fn a_request_is_written_as_the_standard_says() {
    let request = Request {
        method: Method::Post,
        target: "/things?x=1",
        headers: &[("Authorization", "Bearer s3cret")],
        body: Some(b"{}"),
    };
    let text = String::from_utf8(request.bytes("api.example", "/v2").unwrap()).unwrap();
    assert!(
        text.starts_with("POST /v2/things?x=1 HTTP/1.1\r\nHost: api.example\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nAuthorization: Bearer s3cret\r\n"), "{text}");
    assert!(
        text.ends_with("\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"),
        "{text}"
    );
}

#[test]
fn nothing_can_be_smuggled_into_a_request() {
    for header in ["x\r\nInjected: y", "x\ny", "x\r"] {
        let headers = [("Authorization", header)];
        let request = Request {
            headers: &headers,
            ..Request::new(Method::Get, "/")
        };
        assert!(request.bytes("h", "").is_err(), "{header:?}");
    }
    for target in ["/a b", "/a\r\nX: y", "/a\n"] {
        assert!(Request::new(Method::Get, target).bytes("h", "").is_err(), "{target:?}");
    }
}

#[test]
fn a_secret_may_go_over_tls_or_stay_on_this_machine() {
    let private = |url| Server::at("url", url, &Trust::default()).unwrap().is_private();
    assert!(private("http://127.0.0.1:8080") && private("http://[::1]") && private("http://localhost"));
    assert!(!private("http://192.0.2.1") && !private("http://api.example"));
}

/// A server that answers each connection with the same bytes, once it has read the request, and then closes.
fn server(answer: &'static [u8]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            let _ = stream.write_all(answer);
        }
    });
    Server::at("url", &url, &Trust::default()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

#[test]
fn an_answer_has_status_headers_and_body() {
    let server = server(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno");
    let response = server.send(&Request::new(Method::Get, "/"), soon()).unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, Some("7")));
    assert_eq!(response.body, b"no");
    assert!(
        response
            .json::<u8>("it")
            .unwrap_err()
            .to_string()
            .contains("status 429")
    );
}

#[test]
fn an_answer_that_is_cut_off_is_an_error() {
    for bytes in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".as_slice(),
        b"HTTP/1.1 2",
        b"",
    ] {
        let error = server(bytes).send(&Request::new(Method::Get, "/"), soon()).unwrap_err();
        assert!(
            matches!(error, Error::Unexpected { .. } | Error::Connection { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_server_that_accepts_nothing_cannot_hold_us() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stalled.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for server in [Server::unix(&path), Server::at("url", &url, &Trust::default()).unwrap()] {
        let deadline = Deadline::after(Duration::from_millis(60));
        let error = server.send(&Request::new(Method::Get, "/"), deadline).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(deadline.age() < Duration::from_secs(2));
    }
}

fn address(server: &Server) -> std::net::SocketAddr {
    server.name().parse().unwrap()
}

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Somebody else has the address now, and takes connections.
#[test]
fn an_address_that_leads_elsewhere_is_left() {
    for elsewhere in [b"SSH-2.0-x\r\n".as_slice(), b""] {
        let good = server(FINE);
        good.know(vec![address(&server(elsewhere))]);
        let response = good.send(&Request::new(Method::Get, "/"), soon()).unwrap();
        assert_eq!(response.body, b"ok");
        let order = good.send(&Request::new(Method::Post, "/"), soon()).unwrap();
        assert_eq!(order.body, b"ok", "it is forgotten");
    }
}

#[test]
fn an_order_that_may_have_been_heard_is_not_repeated() {
    let good = server(FINE);
    good.know(vec![address(&server(b""))]);
    assert!(good.send(&Request::new(Method::Post, "/"), soon()).is_err());
}

/// A handshake that never ends; the order comes after it, so that it may be given where the name leads.
#[test]
fn an_address_without_a_handshake_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::at("url", &format!("https://{nobody}"), &Trust::default()).unwrap();
    server.know(vec![silent.local_addr().unwrap()]);
    let deadline = Deadline::after(Duration::from_secs(2));
    let error = server.send(&Request::new(Method::Post, "/"), deadline).unwrap_err();
    assert!(
        error.to_string().contains("refused"),
        "the other address was tried: {error}"
    );
}

#[test]
fn what_is_known_is_kept_while_no_name_server_answers() {
    let elsewhere = address(&server(b""));
    let lost = Server::at("url", "http://api.invalid", &Trust::default()).unwrap();
    lost.know(vec![elsewhere]);
    let short = || Deadline::after(Duration::from_secs(1));
    assert!(lost.send(&Request::new(Method::Get, "/"), short()).is_err());
    let At::Tcp { known, .. } = &lost.at else {
        panic!("no such server");
    };
    assert_eq!(*known.borrow(), [elsewhere]);
}
