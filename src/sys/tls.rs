//! Whom to believe on the other end of a TLS connection, and what to show of ourselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::sys::files;

/// Where distributions keep the certificates of public authorities.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// What makes a server believable: a certificate of an authority (the system's, by default), or one certificate alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// PEM file of authorities to believe instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Believe this certificate and no other, whoever issued it and whatever its name.
    pub(crate) pin: Option<Fingerprint>,
    /// Believe everybody: only where an administrator asked for it in so many words.
    pub(crate) anybody: bool,
    /// PEM files of our own certificate (with its chain) and key, for servers that ask.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// As `openssl x509 -fingerprint -sha256` prints it, or plain hexadecimal.
    pub(crate) fn parse(parameter: &str, text: &str) -> Result<Fingerprint> {
        let refused = || {
            let allowed = "must be a certificate's SHA-256 fingerprint: 64 hexadecimal digits, colons allowed";
            Error::parameter(parameter, text, allowed)
        };
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(refused());
        }
        for (place, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = str::from_utf8(pair).map_err(|_| refused())?;
            *place = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
        }
        Ok(Fingerprint(bytes))
    }

    fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl Trust {
    /// # Errors
    /// [`Error::NotInstalled`] without any authorities, [`Error::File`] and [`Error::State`] for files that are not what
    /// they should be. Not [`Error::Parameter`]: a file of this node must not stop a resource on all nodes.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::State(format!("TLS cannot be set up: {error}")))?;
        let builder = if self.anybody || self.pin.is_some() {
            let verifier = Known {
                pin: self.pin,
                provider,
            };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            builder.with_root_certificates(self.authorities()?)
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|_| not_pem(key, "private key"))?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| {
                    Error::State(format!(
                        "{} does not fit {}: {error}",
                        key.display(),
                        certificate.display()
                    ))
                })?
            }
        };
        Ok(Arc::new(config))
    }

    fn authorities(&self) -> Result<RootCertStore> {
        let bundle = match &self.ca {
            Some(path) => path.as_path(),
            None => SYSTEM_BUNDLES
                .iter()
                .map(Path::new)
                .find(|path| path.exists())
                .ok_or_else(|| Error::NotInstalled {
                    what: "a file of certificate authorities".to_owned(),
                    hint: format!("install ca-certificates (looked for {})", SYSTEM_BUNDLES.join(", ")),
                })?,
        };
        let mut store = RootCertStore::empty();
        // A bundle may hold a certificate that is too odd for this library; the others are good nevertheless.
        let (added, _) = store.add_parsable_certificates(certificates(bundle)?);
        if added == 0 {
            return Err(not_pem(bundle, "certificate of an authority"));
        }
        Ok(store)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| not_pem(path, "certificate"))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    // The system's bundle may be a link.
    let path = path
        .canonicalize()
        .map_err(|error| Error::file("cannot find", path, error))?;
    files::read(&path)?.ok_or_else(|| Error::file("cannot read", path, std::io::ErrorKind::NotFound.into()))
}

fn not_pem(path: &Path, what: &str) -> Error {
    Error::State(format!("{} holds no usable {what} in PEM form", path.display()))
}

/// Believes one certificate, or any. That the server holds its key is proven all the same.
#[derive(Debug)]
struct Known {
    pin: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let found = Fingerprint::of(end_entity);
        match self.pin {
            Some(pin) if pin != found => Err(rustls::Error::General(format!(
                "the server's certificate has the fingerprint {found}, not the configured one"
            ))),
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
