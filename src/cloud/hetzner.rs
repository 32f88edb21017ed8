//! Hetzner Cloud's API: <https://docs.hetzner.cloud/>.

use serde::Deserialize;

use super::{Dialect, Refusal};

pub(crate) const DIALECT: Dialect = Dialect {
    name: "Hetzner Cloud",
    url: "https://api.hetzner.cloud/v1",
    refusal,
    passes,
    running: "running",
    done: "success",
};

fn refusal(body: &[u8]) -> Option<Refusal> {
    #[derive(Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: String,
        message: String,
    }
    let Body { error } = serde_json::from_slice(body).ok()?;
    Some(Refusal {
        code: error.code,
        message: error.message,
    })
}

fn passes(refusal: &Refusal) -> bool {
    ["locked", "conflict", "resource_unavailable", "timeout"].contains(&refusal.code.as_str())
}
