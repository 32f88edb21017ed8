//! The metadata of all three agents, judged by the schemas of those who read it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use support::{agent, called, program, run, scratch};

const AGENTS: [&str; 2] = ["mysql", "floating-ip"];
/// Where the Debian package puts the DTD; ocf-tester goes there to validate.
const DTD_DIRECTORY: &str = "/usr/share/resource-agents";

fn metadata(name: &str) -> String {
    match name {
        "fence_baton" => {
            called(support::BINARY, name)
                .arg("-o")
                .arg("metadata")
                .run_bare()
                .expect(0)
                .stdout
        }
        name => agent(name).run("meta-data").expect(0).stdout,
    }
}

/// Runs xmllint on a document that it reads from stdin, as ocf-tester does.
#[track_caller]
fn valid(document: &str, options: &[&str]) {
    let directory = scratch();
    let file = directory.path().join("metadata.xml");
    support::write(&file, document, 0o644);
    let mut lint = Command::new(program("xmllint", "libxml2-utils"));
    lint.arg("--noout").args(options).arg("-").current_dir(DTD_DIRECTORY);
    lint.stdin(std::fs::File::open(&file).unwrap());
    run(lint).expect(0);
}

fn schema(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/schemas")
        .join(name)
}

/// Every element with its attributes, in order.
fn elements(document: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(document);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => found.push(read(&element)),
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn read(element: &BytesStart<'_>) -> (String, Vec<(String, String)>) {
    let attributes = element.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
        (attribute.key.as_ref().to_owned(), value.to_string())
    });
    (element.name().as_ref().to_owned(), attributes.collect())
}

/// The attributes of all actions with this name.
fn actions(name: &str, action: &str) -> Vec<Vec<(String, String)>> {
    let all = elements(&metadata(name))
        .into_iter()
        .filter(|(element, _)| element == "action");
    all.map(|(_, attributes)| attributes)
        .filter(|attributes| get(attributes, "name") == Some(action))
        .collect()
}

fn get<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn what_the_binary_prints_is_the_installed_file() {
    for name in AGENTS.into_iter().chain(["fence_baton"]) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("ocf-metadata/{name}.xml"));
        assert_eq!(metadata(name), std::fs::read_to_string(file).unwrap(), "{name}");
    }
}

/// What the tests of servers run with.
#[test]
fn the_documentation_and_the_labs_have_the_privileges_that_the_tests_run_with() {
    let read = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let has = |name: &str, grant: &str| assert!(read(name).contains(grant), "{name} lacks: {grant}");
    for family in support::family::ALL {
        for grant in family.administrator.iter().chain([&family.replication]) {
            has("docs/operations.md", grant);
        }
    }
    let granted: usize = support::family::ALL
        .iter()
        .map(|family| family.administrator.len())
        .sum();
    let listed = read("docs/operations.md");
    let listed = listed
        .lines()
        .filter(|line| line.starts_with("GRANT") && line.contains("TO baton@"));
    assert_eq!(listed.count(), granted, "docs/operations.md lists more");
    let [mariadb, mysql] = support::family::ALL;
    has("vagrant/provision/mariadb.sh", mariadb.replication);
    has("vagrant/provision/mysql.sh", mysql.replication);
}

#[test]
fn the_metadata_passes_the_dtd_of_ocf_tester() {
    let dtd = Path::new(DTD_DIRECTORY).join("ra-api-1.dtd");
    assert!(
        dtd.exists(),
        "{} is missing: tests/setup installs resource-agents",
        dtd.display()
    );
    for name in AGENTS {
        valid(&metadata(name), &["--valid"]);
    }
}

#[test]
fn the_metadata_passes_the_schema_of_ocf_1_1() {
    let schema = schema("ocf-1.1.rng");
    for name in AGENTS {
        valid(&metadata(name), &["--relaxng", schema.to_str().unwrap()]);
    }
}

#[test]
fn the_metadata_of_the_fence_agent_passes_the_schema_of_fence_agents() {
    valid(
        &metadata("fence_baton"),
        &["--relaxng", schema("fence-agents.rng").to_str().unwrap()],
    );
}

#[test]
fn the_metadata_says_1_1_so_that_pacemaker_uses_reload_agent() {
    for name in AGENTS {
        let document = metadata(name);
        assert!(document.contains("<version>1.1</version>"), "{name}");
        assert_eq!(actions(name, "reload-agent").len(), 1);
        // crmsh and pcs read the text, and lxml refuses an encoding declared in a text.
        assert!(!document.lines().next().unwrap().contains("encoding"), "{name}");
        assert!(document.is_ascii(), "{name}");
    }
}

#[test]
fn every_action_has_a_timeout_and_is_implemented() {
    for name in AGENTS {
        let all = elements(&metadata(name))
            .into_iter()
            .filter(|(element, _)| element == "action");
        for (_, attributes) in all {
            let action = get(&attributes, "name").unwrap();
            assert!(get(&attributes, "timeout").is_some(), "{name}: {action}");
            // A parameter that is wrong keeps everything from happening.
            let call = agent(name)
                .param("datadir", "relative")
                .param("socket", "relative")
                .param("ip", "nonsense");
            assert_ne!(call.run(action).code, 3, "{name}: {action} is advertised");
        }
    }
}

/// The key of an operation is its name and interval: a tool that takes them from here must get different ones.
#[test]
fn monitors_of_different_roles_have_different_intervals() {
    for name in AGENTS {
        let monitors = actions(name, "monitor");
        let mut intervals: Vec<&str> = monitors
            .iter()
            .map(|monitor| get(monitor, "interval").unwrap())
            .collect();
        let count = intervals.len();
        intervals.sort_unstable();
        intervals.dedup();
        assert_eq!(intervals.len(), count, "{name}: {monitors:?}");
        for role in monitors.iter().filter_map(|monitor| get(monitor, "role")) {
            assert!(["Promoted", "Unpromoted"].contains(&role), "{name}: {role}");
        }
    }
    let roles: Vec<Vec<(String, String)>> = actions("mysql", "monitor");
    assert!(
        roles.iter().any(|monitor| get(monitor, "role") == Some("Promoted")),
        "{roles:?}"
    );
}

#[test]
fn every_parameter_has_words_for_people() {
    for name in AGENTS {
        let elements = elements(&metadata(name));
        let names: Vec<&str> = elements.iter().map(|(element, _)| element.as_str()).collect();
        let starts = names.iter().enumerate().filter(|(_, element)| **element == "parameter");
        for (start, _) in starts {
            assert_eq!(
                names[start + 1..start + 4],
                ["longdesc", "shortdesc", "content"],
                "{:?}",
                elements[start]
            );
        }
    }
}
