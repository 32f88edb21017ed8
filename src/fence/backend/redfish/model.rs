//! What a board says, as far as it is used here, and what it means.
//!
//! Invariant: no I/O here.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::fence::power::State;
use crate::sys::http::Response;

/// Types of a reset that are a pulled plug, and one for the other way.
pub(super) const OFF: [&str; 1] = ["ForceOff"];
pub(super) const ON: [&str; 2] = ["On", "ForceOn"];
/// Words of a task that will not do what it was made for.
pub(super) const FAILED_TASK: [&str; 4] = ["Exception", "Killed", "Cancelled", "Interrupted"];

/// Without its kind and id it is not known what an answer is about. Whatever is wrong with the rest, off can be ordered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct System {
    #[serde(rename = "@odata.type")]
    pub(super) kind: String,
    pub(super) id: String,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) power_state: Option<String>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) actions: Actions,
}

impl System {
    pub(super) fn is_system(&self) -> bool {
        self.kind.starts_with("#ComputerSystem.")
    }

    /// The word for its power, as it is quoted to people.
    pub(super) fn word(&self) -> &str {
        self.power_state.as_deref().unwrap_or("null")
    }

    pub(super) fn state(&self) -> Option<State> {
        meaning(self.power_state.as_deref()?)
    }
}

/// What makes no sense counts as not said.
fn or_nothing<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Actions {
    #[serde(rename = "#ComputerSystem.Reset", default, deserialize_with = "or_nothing")]
    pub(super) reset: Reset,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Reset {
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) target: String,
    #[serde(
        rename = "ResetType@Redfish.AllowableValues",
        default,
        deserialize_with = "or_nothing"
    )]
    pub(super) allowed: Option<Vec<String>>,
    #[serde(rename = "@Redfish.ActionInfo", default, deserialize_with = "or_nothing")]
    pub(super) info: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActionInfo {
    #[serde(rename = "Parameters")]
    pub(super) parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parameter {
    #[serde(rename = "Name")]
    pub(super) name: String,
    #[serde(rename = "AllowableValues")]
    pub(super) allowed: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Collection {
    #[serde(rename = "Members")]
    pub(super) members: Vec<Link>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Link {
    #[serde(rename = "@odata.id")]
    pub(super) path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Root {
    pub(super) redfish_version: String,
    #[serde(default)]
    pub(super) vendor: Option<String>,
    #[serde(default)]
    pub(super) product: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Task {
    pub(super) task_state: String,
    #[serde(default)]
    pub(super) messages: Vec<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Message {
    pub(super) message: String,
}

/// What a system's PowerState proves. On its way is not there yet; paused goes on where it stopped.
pub(super) fn meaning(word: &str) -> Option<State> {
    match word {
        "Off" => Some(State::Off),
        "On" | "PoweringOn" | "PoweringOff" | "Paused" => Some(State::On),
        _ => None,
    }
}

/// The first of our words that the board takes; else its own list. A board that does not say gets our first.
pub(super) fn chosen<'a>(ours: &[&'a str], allowed: Option<&[String]>) -> std::result::Result<&'a str, String> {
    let Some(allowed) = allowed else {
        return ours.first().copied().ok_or_else(String::new);
    };
    let found = ours.iter().find(|word| allowed.iter().any(|known| known == *word));
    found.copied().ok_or_else(|| allowed.join(", "))
}

/// The last part of a path: a system's id.
pub(super) fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// A path on the board, from a path or a whole URL: a board may not send us elsewhere.
pub(super) fn local(link: &str) -> String {
    let path = match link.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => link,
    };
    format!("/{}", path.trim_start_matches('/'))
}

/// The board's own sentences, or the beginning of whatever it sent.
pub(super) fn said(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Extended,
    }
    #[derive(Deserialize)]
    struct Extended {
        #[serde(default)]
        message: String,
        #[serde(rename = "@Message.ExtendedInfo", default)]
        info: Vec<Message>,
    }
    let text = match serde_json::from_slice::<Body>(&response.body) {
        Ok(Body { error }) => {
            let texts = std::iter::once(error.message).chain(error.info.into_iter().map(|info| info.message));
            texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
        }
        Err(_) => response.excerpt(),
    };
    format!("status {}: {text}", response.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_word_means_off() {
        assert_eq!(meaning("Off"), Some(State::Off));
        for word in ["On", "PoweringOn", "PoweringOff", "Paused"] {
            assert_eq!(meaning(word), Some(State::On), "{word}");
        }
        for word in ["off", "OFF", "", "Standby", "Unknown"] {
            assert_eq!(meaning(word), None, "{word}");
        }
    }

    fn system(rest: &str) -> System {
        serde_json::from_str(&format!(
            r##"{{"@odata.type":"#ComputerSystem.v1_5_0.ComputerSystem","Id":"1"{rest}}}"##
        ))
        .unwrap()
    }

    #[test]
    fn what_makes_no_sense_proves_nothing_and_is_in_nobodys_way() {
        for rest in [
            "",
            r#","PowerState":null"#,
            r#","PowerState":7,"Name":null,"Actions":null"#,
            r##","Actions":{"#ComputerSystem.Reset":{"target":null,"ResetType@Redfish.AllowableValues":null,"@Redfish.ActionInfo":7}}"##,
        ] {
            let system = system(rest);
            assert_eq!(system.state(), None, "{rest}");
            assert!(system.is_system() && system.actions.reset.allowed.is_none(), "{rest}");
        }
        assert_eq!(system(r#","PowerState":"Off""#).state(), Some(State::Off));
        for bad in [
            "{}",
            r#"{"Id":"1","PowerState":"Off"}"#,
            r##"{"@odata.type":"#ComputerSystem.v1_5_0.ComputerSystem","PowerState":"Off"}"##,
        ] {
            assert!(serde_json::from_str::<System>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_word_that_the_board_does_not_take_is_not_sent() {
        let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>());
        assert_eq!(chosen(&OFF, None), Ok("ForceOff"));
        assert_eq!(chosen(&ON, words(&["ForceOn", "ForceOff"]).as_deref()), Ok("ForceOn"));
        assert_eq!(
            chosen(&OFF, words(&["On", "Nmi"]).as_deref()),
            Err("On, Nmi".to_owned())
        );
    }

    #[test]
    fn a_link_never_leads_away() {
        assert_eq!(local("/redfish/v1/Systems/1"), "/redfish/v1/Systems/1");
        assert_eq!(
            local("https://elsewhere.example/redfish/v1/TaskService/1"),
            "/redfish/v1/TaskService/1"
        );
        assert_eq!(local("https://elsewhere.example"), "/");
    }
}
