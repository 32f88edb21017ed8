//! Where instances of the resource may run, as the whole cluster sees it.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Cluster;
use crate::error::{Error, Result};

impl Cluster {
    /// Nodes on which an instance of this resource may run: all but those that are off for certain (offline and clean:
    /// left in order, or fenced) and those that are online without one. None in a partition without quorum, which
    /// knows nothing of the others.
    pub(crate) fn running(&self) -> Result<Option<BTreeSet<String>>> {
        let xml = self
            .tool("crm_mon", &["--one-shot", "--output-as=xml"])
            .output(self.limit())?;
        parse(&xml, &self.resource).map_err(|problem| Error::Unexpected {
            from: format!("crm_mon: {problem}"),
            got: xml,
        })
    }
}

#[derive(Default)]
struct State {
    quorum: bool,
    /// Not known to be off.
    possible: BTreeSet<String>,
    online: BTreeSet<String>,
    active: BTreeSet<String>,
}

fn parse(xml: &str, resource: &str) -> std::result::Result<Option<BTreeSet<String>>, String> {
    let mut reader = Reader::from_str(xml);
    let mut state = State::default();
    // Inside this resource's element: its nodes.
    let mut ours = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Eof => break,
            Event::Start(element) if element.name().as_ref() == "resource" => {
                ours = is_instance_of(&text(&element, "id")?, resource);
            }
            Event::End(element) if element.name().as_ref() == "resource" => ours = false,
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                "current_dc" => state.quorum = text(&element, "with_quorum")? == "true",
                "node" if ours => {
                    state.active.insert(text(&element, "name")?);
                }
                "node" if has(&element, "online")? => add_node(&mut state, &element)?,
                _ => {}
            },
            _ => {}
        }
    }
    let idle = |node: &&String| state.online.contains(*node) && !state.active.contains(*node);
    let running = state.possible.iter().filter(|node| !idle(node)).cloned().collect();
    Ok(state.quorum.then_some(running))
}

fn add_node(state: &mut State, element: &BytesStart<'_>) -> std::result::Result<(), String> {
    let name = text(element, "name")?;
    let is = |attribute: &str| text(element, attribute).map(|value| value == "true");
    let (online, clean) = (is("online")?, !is("unclean")?);
    if online && clean && !is("pending")? {
        state.online.insert(name.clone());
    }
    if online || !clean {
        state.possible.insert(name);
    }
    Ok(())
}

/// `db`, or an instance of a clone whose instances have numbers: `db:0`.
fn is_instance_of(id: &str, resource: &str) -> bool {
    id.split(':').next() == Some(resource)
}

fn has(element: &BytesStart<'_>, name: &str) -> std::result::Result<bool, String> {
    let attribute = element.try_get_attribute(name).map_err(|error| error.to_string())?;
    Ok(attribute.is_some())
}

fn text(element: &BytesStart<'_>, name: &str) -> std::result::Result<String, String> {
    let attribute = element.try_get_attribute(name).map_err(|error| error.to_string())?;
    attribute.map_or(Ok(String::new()), |attribute| {
        attribute
            .normalized_value(quick_xml::XmlVersion::Explicit1_0)
            .map(String::from)
            .map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(quorum: bool) -> String {
        format!(
            r#"<pacemaker-result><summary><current_dc present="true" with_quorum="{quorum}"/></summary>
            <nodes><node name="n1" online="true" unclean="false" pending="false"/>
            <node name="n2" online="true" unclean="false" pending="false"/>
            <node name="n3" online="false" unclean="true" pending="false"/>
            <node name="n4" online="false" unclean="false" pending="false"/>
            <node name="n5" online="true" unclean="false" pending="true"/></nodes>
            <resources><resource id="fence-n2" active="true"><node name="n2"/></resource>
            <clone id="db-clone"><resource id="db" role="Promoted"><node name="n1" id="1"/></resource>
            <resource id="db" role="Stopped"/></clone></resources></pacemaker-result>"#
        )
    }

    #[test]
    fn only_nodes_that_are_off_for_certain_or_idle_run_nothing() {
        let running = parse(&xml(true), "db").unwrap().unwrap();
        // n2 is online without an instance, n4 is off; n3 waits for its fencing, n5 has only just come.
        assert_eq!(running.into_iter().collect::<Vec<_>>(), ["n1", "n3", "n5"]);
    }

    #[test]
    fn without_quorum_nothing_is_known() {
        assert_eq!(parse(&xml(false), "db").unwrap(), None);
        assert!(parse("<a></b>", "db").is_err());
    }
}
