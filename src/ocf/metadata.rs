//! The meta-data action: the file from `ocf-metadata/`, as it was when the binary was built.

use std::io::Write;
use std::process::ExitCode;

/// Writes the metadata to stdout. Never needs parameters, privileges or a server.
pub(crate) fn print(document: &str) -> ExitCode {
    match std::io::stdout().write_all(document.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader went away: nobody is left to tell.
        Err(_) => ExitCode::from(super::OcfCode::ErrGeneric.number()),
    }
}

/// What the document says otherwise than the agent's tables; used by a test of each agent.
#[cfg(test)]
pub(crate) fn disagreements(agent: &super::Agent) -> Vec<String> {
    let documented = tests::parse(agent.metadata);
    let mut wrong = Vec::new();
    for (name, param) in agent
        .params
        .iter()
        .flat_map(|param| std::iter::once((param.name, param)).chain(param.alias.map(|alias| (alias, param))))
    {
        let expected = tests::expected(name, param);
        match documented.parameters.iter().find(|found| found.name == name) {
            Some(found) if *found == expected => {}
            found => wrong.push(format!(
                "parameter {name}: table says {expected:?}, document says {found:?}"
            )),
        }
    }
    for found in &documented.parameters {
        let known = agent
            .params
            .iter()
            .any(|param| param.name == found.name || param.alias == Some(&found.name));
        if !known {
            wrong.push(format!(
                "parameter {} is documented, but the table does not have it",
                found.name
            ));
        }
    }
    for action in agent.actions {
        if !documented.actions.iter().any(|name| name == action.name()) {
            wrong.push(format!("action {} is not documented", action.name()));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::{BytesStart, Event};

    use crate::ocf::params::{Kind, Param};

    #[derive(Debug, PartialEq)]
    pub(super) struct Documented {
        pub(super) name: String,
        kind: &'static str,
        default: String,
        required: bool,
        reloadable: bool,
    }

    #[derive(Default)]
    pub(super) struct Document {
        pub(super) parameters: Vec<Documented>,
        pub(super) actions: Vec<String>,
    }

    /// What the document must say of a parameter. The type "select" would be better for a choice, but the DTD that
    /// ocf-tester uses knows no options.
    pub(super) fn expected(name: &str, param: &Param) -> Documented {
        Documented {
            name: name.to_owned(),
            kind: match param.kind {
                Kind::Integer => "integer",
                Kind::Boolean => "boolean",
                Kind::Text | Kind::Path | Kind::Time | Kind::Choice(_) => "string",
            },
            // An older name has no default of its own, or it would override the new one.
            default: if name == param.name {
                param.default.to_owned()
            } else {
                String::new()
            },
            required: param.required && name == param.name,
            reloadable: param.reloadable,
        }
    }

    pub(super) fn parse(xml: &str) -> Document {
        let mut reader = Reader::from_str(xml);
        let mut document = Document::default();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(e) | Event::Empty(e) => element(&mut document, &e),
                Event::Eof => return document,
                _ => {}
            }
        }
    }

    fn element(document: &mut Document, e: &BytesStart<'_>) {
        let attribute = |name: &str| {
            let found = e.try_get_attribute(name).unwrap();
            found
                .map(|value| {
                    value
                        .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                        .unwrap()
                        .into_owned()
                })
                .unwrap_or_default()
        };
        match e.name().as_ref() {
            "parameter" => document.parameters.push(Documented {
                name: attribute("name"),
                kind: "",
                default: String::new(),
                required: attribute("required") == "1",
                reloadable: attribute("reloadable") == "1",
            }),
            "content" => {
                let last = document.parameters.last_mut().unwrap();
                last.kind = ["integer", "boolean", "string"]
                    .into_iter()
                    .find(|kind| *kind == attribute("type"))
                    .unwrap_or("unknown");
                last.default = attribute("default");
            }
            "action" => document.actions.push(attribute("name")),
            _ => {}
        }
    }
}
