//! How a cloud's API is reached, and by which right.

use super::words::Words;
use crate::cloud::{Access, Api};
use crate::error::{Error, Result};
use crate::fence::options::Values;
use crate::fence::secret;
use crate::sys::deadline::Deadline;

/// Options of other devices that are not honoured here: whoever set one relies on it.
const OF_OTHERS: [&str; 5] = ["ssl_pin", "ssl_insecure", "ssl_cert", "inet4_only", "inet6_only"];

pub(super) fn open(words: &Words, values: &Values, deadline: Deadline) -> Result<Api> {
    for name in OF_OTHERS {
        let refused = !matches!(values.flag(name), Ok(false));
        if let Some(given) = values.text(name).filter(|_| refused) {
            let allowed = "is not for a cloud: its certificate is checked against authorities, and its name decides";
            return Err(Error::parameter(name, given, allowed));
        }
    }
    let file = values.path("token_file");
    let token = match &file {
        Some(_) => None,
        None => secret::password(values, deadline)?,
    };
    let authorities = values.path("ssl_cacert");
    Api::open(
        words.dialect,
        &Access {
            token_file: file.as_deref(),
            token: token.as_deref(),
            url: values.text("api_url"),
            authorities: authorities.as_deref(),
        },
    )
}
