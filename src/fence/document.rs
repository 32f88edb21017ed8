//! Reads the metadata's prose back, for help and manual page: it is written down only once.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) about: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) actions: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// As it is given on the command line.
    pub(crate) getopt: String,
    pub(crate) default: String,
    pub(crate) words: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) prose: String,
}

impl Parameter {
    /// The prose with what may be given, and what is taken otherwise.
    pub(crate) fn description(&self) -> String {
        let mut text = self.prose.clone();
        if !self.words.is_empty() {
            text.push_str(&format!(" ({})", self.words.join(", ")));
        }
        if !self.default.is_empty() {
            text.push_str(&format!(" [default: {}]", self.default));
        }
        text
    }
}

/// Never fails: the document is part of this binary, and a test compares all of it with the table of options.
pub(crate) fn read(metadata: &str) -> Document {
    let mut reader = Reader::from_str(metadata);
    let mut document = Document::default();
    let mut inside = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                inside = element.name().as_ref().to_owned();
                document.enter(&element);
            }
            Ok(Event::Text(text)) => match (inside.as_str(), document.parameters.last_mut()) {
                ("longdesc", _) => document.about.push_str(&text),
                ("shortdesc", Some(parameter)) => parameter.prose.push_str(&text),
                _ => {}
            },
            Ok(Event::End(_)) => inside.clear(),
            Ok(Event::Eof) | Err(_) => return document,
            Ok(_) => {}
        }
    }
}

impl Document {
    fn enter(&mut self, element: &BytesStart<'_>) {
        match (element.name().as_ref(), self.parameters.last_mut()) {
            ("parameter", _) => self.parameters.push(Parameter {
                name: attribute(element, "name"),
                deprecated: attribute(element, "deprecated") == "1",
                ..Parameter::default()
            }),
            ("action", _) => self.actions.push(attribute(element, "name")),
            ("getopt", Some(parameter)) => parameter.getopt = attribute(element, "mixed"),
            ("content", Some(parameter)) => parameter.default = attribute(element, "default"),
            ("option", Some(parameter)) => parameter.words.push(attribute(element, "value")),
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let found = element.try_get_attribute(name).ok().flatten();
    let value = found.and_then(|value| value.normalized_value(XmlVersion::Implicit1_0).map(String::from).ok());
    value.unwrap_or_default()
}
