//! DigitalOcean's API: <https://docs.digitalocean.com/reference/api/>, published as OpenAPI at digitalocean/openapi.

use serde::Deserialize;

use super::{Dialect, Refusal};

pub(crate) const DIALECT: Dialect = Dialect {
    name: "DigitalOcean",
    url: "https://api.digitalocean.com/v2",
    refusal,
    passes,
    running: "in-progress",
    done: "completed",
};

fn refusal(body: &[u8]) -> Option<Refusal> {
    #[derive(Deserialize)]
    struct Body {
        id: String,
        message: String,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    Some(Refusal {
        code: body.id,
        message: body.message,
    })
}

/// Orders for one droplet are carried out one after the other; a backup or a resize holds up all others. There is no
/// code of its own for that, only these sentences.
fn passes(refusal: &Refusal) -> bool {
    let message = refusal.message.to_ascii_lowercase();
    ["pending event", "blocking event"]
        .iter()
        .any(|words| message.contains(words))
}
