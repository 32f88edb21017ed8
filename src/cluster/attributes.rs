//! Transient node attributes, among them the promotion score. They vanish when their node leaves the cluster.
//!
//! A public attribute is written to the CIB and makes Pacemaker think again: set it only when it changes.
//! A private one stays in the attribute daemon; values of 60,000 bytes arrive intact.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::published::Published;
use super::{Cluster, NO_SUCH, failed};
use crate::error::{Error, Result};

/// What is said of an attribute that no node ever had.
const DOES_NOT_EXIST: &str = "attribute does not exist";

impl Cluster {
    /// How much this node wants to be promoted; none takes the score away, so that it cannot be.
    pub(crate) fn set_score(&self, score: Option<u32>) -> Result<()> {
        let name = format!("master-{}", self.resource);
        match score {
            Some(score) => self.set_attribute(&name, &score.to_string()),
            None => self.delete_attribute(&name),
        }
    }

    /// Sets an attribute of this node that rules of the configuration may use, if it is not set so already.
    pub(crate) fn set_attribute(&self, name: &str, value: &str) -> Result<()> {
        self.publish(name, Some(value), || {
            self.tool("attrd_updater", &["-n", name, "-U", value])
                .output(self.limit())
                .map(drop)
        })
    }

    fn delete_attribute(&self, name: &str) -> Result<()> {
        self.publish(name, None, || self.delete(&["-n", name, "-D"]))
    }

    /// Tells Pacemaker only what it does not know yet.
    fn publish(&self, name: &str, value: Option<&str>, tell: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut published = Published::load(&self.resource);
        if published.has(name, value) {
            return Ok(());
        }
        tell()?;
        published.store(name, value)
    }

    /// Sets an attribute of this node that only the agents see; where Pacemaker can, waits until every node has it.
    pub(crate) fn set_private(&self, name: &str, value: &str) -> Result<()> {
        let mut arguments = vec!["-n", name, "-U", value, "-p"];
        if self.waits {
            arguments.push("--wait=cluster");
        }
        self.tool("attrd_updater", &arguments).output(self.limit()).map(drop)
    }

    /// The same, if it is not set so already, and without waiting for the other nodes.
    pub(crate) fn publish_private(&self, name: &str, value: &str) -> Result<()> {
        self.publish(name, Some(value), || {
            self.tool("attrd_updater", &["-n", name, "-U", value, "-p"])
                .output(self.limit())
                .map(drop)
        })
    }

    /// Takes back what was published.
    pub(crate) fn withdraw_private(&self, name: &str) -> Result<()> {
        self.publish(name, None, || self.delete_private(name))
    }

    pub(crate) fn delete_private(&self, name: &str) -> Result<()> {
        self.delete(&["-n", name, "-D", "-p"])
    }

    /// The private attribute of every node that has it, as `(node, value)`.
    pub(crate) fn private_of_all(&self, name: &str) -> Result<Vec<(String, String)>> {
        let tool = self.tool("attrd_updater", &["-n", name, "-Q", "-A", "-p", "--output-as=xml"]);
        let output = tool.run(self.limit())?;
        match output.status.code() {
            Some(0) => parse(&output.stdout),
            Some(NO_SUCH) => Ok(Vec::new()),
            // Pacemaker 3.0.3 takes it for a wrong configuration.
            _ if output.stdout.contains(DOES_NOT_EXIST) => Ok(Vec::new()),
            _ => Err(failed(&tool, &output)),
        }
    }

    fn delete(&self, arguments: &[&str]) -> Result<()> {
        let tool = self.tool("attrd_updater", arguments);
        let output = tool.run(self.limit())?;
        match output.status.code() {
            Some(0 | NO_SUCH) => Ok(()),
            _ => Err(failed(&tool, &output)),
        }
    }
}

/// Reads `<attribute name= value= host=/>` elements; an attribute without a value was deleted.
fn parse(xml: &str) -> Result<Vec<(String, String)>> {
    let unexpected = |problem: String| Error::Unexpected {
        from: "attrd_updater -Q".to_owned(),
        got: format!("{problem}: {xml}"),
    };
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().map_err(|error| unexpected(error.to_string()))? {
            Event::Empty(element) | Event::Start(element) if element.name().as_ref() == "attribute" => {
                let host = text(&element, "host").map_err(unexpected)?;
                let value = text(&element, "value").map_err(unexpected)?;
                found.extend(host.zip(value).filter(|(_, value)| !value.is_empty()));
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn text(element: &BytesStart<'_>, name: &str) -> std::result::Result<Option<String>, String> {
    let attribute = element.try_get_attribute(name).map_err(|error| error.to_string())?;
    attribute
        .map(|attribute| {
            attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map(String::from)
                .map_err(|error| error.to_string())
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_nodes_are_read_and_deleted_ones_left_out() {
        let xml = r#"<pacemaker-result api-version="2.38" request="attrd_updater">
            <attribute name="vote-db" value="{&quot;epoch&quot;:7}" host="n1"/>
            <attribute name="vote-db" value="" host="n2"/>
            <attribute name="vote-db" host="n3"/>
            <status code="0" message="OK"/></pacemaker-result>"#;
        assert_eq!(parse(xml).unwrap(), [("n1".to_owned(), "{\"epoch\":7}".to_owned())]);
    }

    #[test]
    fn garbage_is_an_error_that_shows_it() {
        let error = parse("<attribute value='&broken;' host='n1'/>")
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken"), "{error}");
    }
}
