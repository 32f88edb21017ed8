//! Accounts and where their passwords come from. A password is read when it is needed, so that stop works without it.

use std::path::PathBuf;

use super::sql::{Login, Tls};
use crate::error::Result;
use crate::sys::files;

/// A text that must not appear anywhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Password {
    /// In a file that only root can read; `parameter` names it in errors.
    File { parameter: &'static str, path: PathBuf },
    /// As a parameter, which Pacemaker may have resolved from its own secrets.
    Given(Secret),
}

/// An account; without a password the server must know it by the socket's peer.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Option<Password>,
    pub(crate) tls: Option<Tls>,
}

impl Credentials {
    /// # Errors
    /// When the password file is missing or open to others.
    pub(crate) fn login(&self) -> Result<Login> {
        let password = match &self.password {
            None => None,
            Some(Password::Given(secret)) => Some(secret.clone()),
            Some(Password::File { parameter, path }) => Some(Secret::new(files::read_secret(parameter, path)?)),
        };
        Ok(Login {
            user: self.user.clone(),
            password,
            tls: self.tls.clone(),
        })
    }
}
