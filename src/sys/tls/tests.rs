//! Real handshakes with the certificates in tests/fixtures/tls.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::sys::deadline::Deadline;
use crate::sys::http::{Method, Request, Server};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

/// A server with the fixtures' certificate, which answers every connection; returns its port.
fn serve(demands_identity: bool) -> u16 {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if demands_identity {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates(&fixture("ca.pem")).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let chain = certificates(&fixture("server.pem")).unwrap();
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut buffer = [0; 1024];
            // A client that does not believe us ends the handshake.
            if stream.read(&mut buffer).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
            }
        }
    });
    port
}

fn get(host: &str, port: u16, trust: &Trust) -> std::result::Result<Vec<u8>, String> {
    let url = format!("https://{host}:{port}");
    let server = Server::at("url", &url, trust).map_err(|error| error.to_string())?;
    let deadline = Deadline::after(Duration::from_secs(20));
    let answer = server.send(&Request::new(Method::Get, "/"), deadline);
    answer.map(|answer| answer.body).map_err(|error| error.to_string())
}

fn pinned(text: &str) -> Trust {
    Trust {
        pin: Some(Fingerprint::parse("ssl_fingerprint", text).unwrap()),
        ..Trust::default()
    }
}

fn fixtures_authority() -> Trust {
    Trust {
        ca: Some(fixture("ca.pem")),
        ..Trust::default()
    }
}

#[test]
fn a_server_is_believed_for_its_authority_and_its_name() {
    let port = serve(false);
    let trust = fixtures_authority();
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(get(host, port, &trust).as_deref(), Ok(b"hello".as_slice()), "{host}");
    }
    let elsewhere = get("127.0.0.2", port, &trust);
    assert!(
        elsewhere.unwrap_err().contains("certificate"),
        "another name than the certificate's"
    );
}

#[test]
fn without_its_authority_a_server_is_not_believed_unless_asked_to() {
    let port = serve(false);
    // The client's certificate is no authority, but a file of the right form.
    let other = Trust {
        ca: Some(fixture("client.pem")),
        ..Trust::default()
    };
    assert!(get("localhost", port, &other).unwrap_err().contains("certificate"));
    let anybody = Trust {
        anybody: true,
        ..Trust::default()
    };
    assert!(get("localhost", port, &anybody).is_ok());
}

#[test]
fn a_pinned_certificate_needs_neither_authority_nor_name() {
    let port = serve(false);
    let own = Fingerprint::of(&certificates(&fixture("server.pem")).unwrap()[0]);
    assert!(get("127.0.0.1", port, &pinned(&own.to_string())).is_ok());
    assert!(
        get(
            "127.0.0.1",
            port,
            &pinned(&own.to_string().replace(':', "").to_lowercase())
        )
        .is_ok()
    );
    let error = get("127.0.0.1", port, &pinned(&"00".repeat(32))).unwrap_err();
    assert!(error.contains(&own.to_string()), "{error}");
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_ours() {
    let port = serve(true);
    let identified = Trust {
        identity: Some((fixture("client.pem"), fixture("client.key"))),
        ..fixtures_authority()
    };
    assert!(get("localhost", port, &identified).is_ok());
    assert!(get("localhost", port, &fixtures_authority()).is_err());
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let wrong = |trust: Trust| trust.config().unwrap_err().to_string();
    let ca = |name: &str| Trust {
        ca: Some(fixture(name)),
        ..Trust::default()
    };
    assert!(wrong(ca("README.md")).contains("README.md"));
    assert!(wrong(ca("none.pem")).contains("none.pem"));
    let swapped = Trust {
        identity: Some((fixture("client.pem"), fixture("server.key"))),
        ..fixtures_authority()
    };
    assert!(wrong(swapped).contains("does not fit"));
}

#[test]
fn a_fingerprint_has_64_digits() {
    for bad in ["", "00", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
        assert!(Fingerprint::parse("ssl_fingerprint", bad).is_err(), "{bad}");
    }
}
