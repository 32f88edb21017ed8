//! What "healthy" means: one primary, on which servers, Pacemaker and the address agree, and everybody else follows it.
//!
//! An error says what is missing.

use std::fmt;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::family::{ACKNOWLEDGING, CLOSED, Family, WAITS};
use crate::lab::{Lab, Node, Result};
use crate::sql::{self, Account};

/// The primary of a cluster in which nothing is missing.
pub(crate) fn whole(lab: &Lab) -> Result<Node> {
    let primary = servers(lab)?;
    let view = View::of(lab)?;
    let over = |failure: &&Failure| failure.degraded && lab.remembers_degradations();
    if let Some(failure) = view.failures.iter().find(|failure| !over(failure)) {
        return Err(format!("Pacemaker remembers a failure: {failure}"));
    }
    for node in Node::ALL {
        if !view.online.contains(&node) {
            return Err(format!("{node} is not online"));
        }
    }
    if view.promoted != [primary] {
        return Err(format!("{primary} is writable, but promoted: {:?}", view.promoted));
    }
    if view.address != [primary] {
        return Err(format!(
            "{primary} is writable, but the address runs on {:?}",
            view.address
        ));
    }
    if view.unpromoted.len() != Node::ALL.len() - 1 {
        return Err(format!("unpromoted are only {:?}", view.unpromoted));
    }
    Ok(primary)
}

/// Nodes whose instance Pacemaker does not look at, although it runs there. A fault of Pacemaker: docs/operations.md.
pub(crate) fn unmonitored(lab: &Lab) -> Result<Vec<Node>> {
    let monitors = "//lrm_resource[@id='db']/lrm_rsc_op[starts-with(@id, 'db_monitor_')]";
    let found = lab.exec_anywhere(&["cibadmin", "--query", "--xpath", monitors])?;
    let is_monitored = |node: &Node| found.contains(&format!("on_node=\"{node}\""));
    Ok(Node::ALL.into_iter().filter(|node| !is_monitored(node)).collect())
}

/// What the servers say, and the one behind the address, without a question to Pacemaker. Returns the primary.
pub(crate) fn servers(lab: &Lab) -> Result<Node> {
    let family = lab.family();
    let mut primary = None;
    let mut replicas = Vec::new();
    for node in Node::ALL {
        let mut connection = sql::visit(lab, node, &Account::administrator())?;
        let read_only: u8 = sql::ask(&mut connection, node, CLOSED.of(family))?;
        if read_only == 1 {
            replicas.push((node, connection));
        } else if let Some((other, _)) = primary.replace((node, connection)) {
            return Err(format!("{other} and {node} are both writable"));
        }
    }
    let (primary, mut connection) = primary.ok_or("no server is writable")?;
    for (node, connection) in &mut replicas {
        require_following(family, *node, connection, primary)?;
    }
    let waits: u8 = sql::ask(&mut connection, primary, WAITS.of(family))?;
    if waits != 1 {
        return Err(format!("commits on {primary} wait for no replica"));
    }
    let clients: u64 = sql::ask(&mut connection, primary, ACKNOWLEDGING.of(family))?;
    if clients < replicas.len() as u64 {
        return Err(format!("only {clients} replicas of {primary} acknowledge"));
    }
    let behind = behind_address(lab)?;
    if behind != primary {
        return Err(format!("{primary} is writable, but behind the address is {behind}"));
    }
    Ok(primary)
}

/// Whether this node replicates from that primary.
pub(crate) fn follows(lab: &Lab, node: Node, primary: Node) -> Result<()> {
    let mut connection = sql::visit(lab, node, &Account::administrator())?;
    require_following(lab.family(), node, &mut connection, primary)
}

fn require_following(family: Family, node: Node, connection: &mut Conn, primary: Node) -> Result<()> {
    let row: Option<Row> = connection
        .query_first("SHOW REPLICA STATUS")
        .map_err(|error| format!("{node}: {error}"))?;
    let row = row.ok_or_else(|| format!("{node} follows nobody"))?;
    let replication = family.replication(&row);
    if replication.source != primary.to_string() {
        return Err(format!("{node} follows {}, not {primary}", replication.source));
    }
    if replication.receiver != "Yes" || replication.applier != "Yes" {
        return Err(format!(
            "{node} does not replicate: receiver {}, applier {}",
            replication.receiver, replication.applier
        ));
    }
    Ok(())
}

fn behind_address(lab: &Lab) -> Result<Node> {
    let problem = |error: mysql::Error| format!("the address does not answer: {error}");
    let limit = std::time::Duration::from_secs(1);
    let mut connection = sql::connect(&lab.floating_address(), &Account::app(), limit).map_err(problem)?;
    let server: Option<u64> = connection.query_first("SELECT @@server_id").map_err(problem)?;
    server
        .and_then(Node::of_server)
        .ok_or_else(|| format!("behind the address is server {server:?}"))
}

/// What Pacemaker shows.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) online: Vec<Node>,
    pub(crate) promoted: Vec<Node>,
    pub(crate) unpromoted: Vec<Node>,
    pub(crate) address: Vec<Node>,
    /// What Pacemaker still remembers, and what would influence its next decision.
    pub(crate) failures: Vec<Failure>,
}

/// A failed or degraded action.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) node: Option<Node>,
    pub(crate) operation: String,
    pub(crate) reason: String,
    /// It serves nevertheless.
    pub(crate) degraded: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.map_or_else(|| "?".to_owned(), |node| node.to_string());
        write!(f, "{} on {node}: {}", self.operation, self.reason)
    }
}

impl View {
    pub(crate) fn of(lab: &Lab) -> Result<View> {
        View::parse(&lab.exec_anywhere(&["crm_mon", "--output-as=xml"])?)
    }

    pub(crate) fn parse(xml: &str) -> Result<View> {
        let mut reader = Reader::from_str(xml);
        let mut view = View::default();
        let mut section = String::new();
        let mut resource = (String::new(), String::new());
        loop {
            let event = reader.read_event().map_err(|error| format!("crm_mon: {error}"))?;
            let (Event::Start(element) | Event::Empty(element)) = &event else {
                if matches!(event, Event::Eof) {
                    return Ok(view);
                }
                continue;
            };
            let text = |name: &str| attribute(element, name);
            match element.name().as_ref() {
                name @ ("nodes" | "resources" | "node_attributes" | "node_history") => section = name.to_owned(),
                "node" if section == "nodes" => {
                    let ready = text("online") == "true" && text("pending") == "false";
                    view.online.extend(Node::named(&text("name")).filter(|_| ready));
                }
                "resource" => resource = (text("id"), text("role")),
                "node" if section == "resources" => view.runs(&resource, Node::named(&text("name"))),
                "failure" => view.failures.push(Failure {
                    node: Node::named(&text("node")),
                    operation: text("op_key"),
                    reason: text("exitreason"),
                    degraded: ["190", "191"].contains(&text("exitcode").as_str()),
                }),
                _ => {}
            }
        }
    }

    fn runs(&mut self, (resource, role): &(String, String), node: Option<Node>) {
        match (resource.as_str(), role.as_str()) {
            ("db", "Promoted") => self.promoted.extend(node),
            ("db", "Unpromoted") => self.unpromoted.extend(node),
            ("db-ip", "Started") => self.address.extend(node),
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let attribute = element.try_get_attribute(name).ok().flatten();
    attribute
        .and_then(|attribute| attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).ok())
        .map_or_else(String::new, String::from)
}
