//! The Docker Engine over TLS, for those alone who show a certificate: what `dockerd --tlsverify` does, in front of the
//! engine's socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::emulator::certificate;

/// Serves the engine on a port of its own, which it returns.
pub(crate) fn engine() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = config(true);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || converse(client, config));
        }
    });
    port
}

/// A server with the certificate of tests/fixtures/tls; with `clients`, for those who have one of that authority.
pub(crate) fn config(clients: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authorities = RootCertStore::empty();
    let ca = CertificateDer::pem_file_iter(certificate("ca.pem")).unwrap();
    authorities.add_parsable_certificates(ca.map(Result::unwrap));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider));
    let verifier = if clients {
        verifier.build().unwrap()
    } else {
        WebPkiClientVerifier::no_client_auth()
    };
    let chain = CertificateDer::pem_file_iter(certificate("server.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain.map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap(),
        );
    Arc::new(config.unwrap())
}

/// One request: the engine is told to close afterwards, so that its answer has an end.
fn converse(client: TcpStream, config: Arc<ServerConfig>) {
    let mut client = StreamOwned::new(ServerConnection::new(config).unwrap(), client);
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
            Ok(0) | Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&request).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut engine = UnixStream::connect("/var/run/docker.sock").unwrap();
    engine.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer).unwrap();
    let _ = client.write_all(&answer);
    client.conn.send_close_notify();
    let _ = client.flush();
}
