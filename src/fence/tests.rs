use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::METADATA;
use super::options::{Action, FenceOption, Kind, OPTIONS};

/// One parameter as the metadata advertises it.
#[derive(Debug, Default, PartialEq)]
struct Advertised {
    getopt: String,
    kind: String,
    words: Vec<String>,
    default: String,
    required: bool,
    deprecated: bool,
    obsoletes: String,
    prose: String,
}

/// What the table says that must be advertised, under the option's own name or its older one.
fn expected(option: &FenceOption, older: bool) -> Advertised {
    let short = option.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = match option.value {
        "" => String::new(),
        value => format!("=[{value}]"),
    };
    let (kind, words) = match option.kind {
        Kind::Text => ("string", &[][..]),
        Kind::Boolean => ("boolean", &[][..]),
        Kind::Seconds => ("second", &[][..]),
        Kind::Integer => ("integer", &[][..]),
        Kind::Select(words) => ("select", words),
    };
    Advertised {
        getopt: format!("{short}--{}{value}", option.name.replace('_', "-")),
        kind: kind.to_owned(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        default: option.default.to_owned(),
        required: option.required,
        deprecated: older,
        obsoletes: option.replaces.filter(|_| !older).unwrap_or_default().to_owned(),
        prose: String::new(),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let found = element.try_get_attribute(name).unwrap();
    found
        .map(|value| value.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
        .unwrap_or_default()
}

fn advertised() -> (BTreeMap<String, Advertised>, Vec<String>) {
    let mut reader = Reader::from_str(METADATA);
    let (mut parameters, mut actions) = (BTreeMap::new(), Vec::new());
    let (mut name, mut inside) = (String::new(), String::new());
    loop {
        let event = reader.read_event().unwrap();
        if let Event::Start(element) | Event::Empty(element) = &event {
            inside = element.name().as_ref().to_owned();
            match inside.as_str() {
                "parameter" => name = attribute(element, "name"),
                "action" => actions.push(attribute(element, "name")),
                _ => {}
            }
            note(parameters.entry(name.clone()).or_default(), element);
        } else if let (Event::Text(text), "shortdesc") = (&event, inside.as_str()) {
            let parameter: &mut Advertised = parameters.get_mut(&name).unwrap();
            parameter.prose.push_str(text);
        } else if matches!(event, Event::End(_)) {
            inside.clear();
        } else if matches!(event, Event::Eof) {
            break;
        }
    }
    parameters.remove("");
    (parameters, actions)
}

fn note(parameter: &mut Advertised, element: &BytesStart<'_>) {
    match element.name().as_ref() {
        "parameter" => {
            parameter.required = attribute(element, "required") == "1";
            parameter.deprecated = attribute(element, "deprecated") == "1";
            parameter.obsoletes = attribute(element, "obsoletes");
        }
        "getopt" => parameter.getopt = attribute(element, "mixed"),
        "content" => {
            parameter.kind = attribute(element, "type");
            parameter.default = attribute(element, "default");
        }
        "option" => parameter.words.push(attribute(element, "value")),
        _ => {}
    }
}

#[test]
fn table_and_metadata_agree_on_every_option() {
    let (mut found, _) = advertised();
    for option in OPTIONS {
        for (name, older) in std::iter::once((option.name, false)).chain(option.replaces.map(|name| (name, true))) {
            let mut documented = found
                .remove(name)
                .unwrap_or_else(|| panic!("{name} is not in the metadata"));
            assert!(!documented.prose.is_empty(), "{name} has no shortdesc");
            documented.prose.clear();
            assert_eq!(documented, expected(option, older), "{name}");
        }
    }
    assert!(found.is_empty(), "only in the metadata: {found:?}");
}

#[test]
fn table_and_metadata_agree_on_every_action() {
    let (_, actions) = advertised();
    let known: Vec<&str> = Action::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(actions, known);
    let explained: Vec<&str> = super::manual::ACTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(explained, known, "in the manual page");
}
