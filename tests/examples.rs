//! The examples, loaded by the tools of those who will use them: crmsh and pcs, in a container with Pacemaker.
//!
//! Needs Docker and the image of the cluster lab. No cluster runs: the tools work on a file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use support::{BINARY, Ended, run, scratch, unique};

const IMAGE: &str = "baton-lab:trixie";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the tools say without anything being wrong.
const HARMLESS: [&str; 4] = [
    "Cluster is not running, loading the CIB file",
    "Warning: Defaults do not apply to resources which override them with their own defined values",
    "Adding ",
    "CIB updated",
];
/// An operation that pcs adds from the metadata, whether it is asked for or not.
const PCS_ADDS: &str = "reload-agent";

/// A container of the lab's image in which baton is installed.
struct Container(String);

impl Container {
    fn with_baton() -> Container {
        let container = Container(unique("baton-examples"));
        let started = docker(&[
            "run",
            "--detach",
            "--rm",
            "--name",
            &container.0,
            "--entrypoint",
            "sleep",
            IMAGE,
            "900",
        ]);
        assert_eq!(
            started.code, 0,
            "tests/setup makes the image {IMAGE} (vagrant/lab image): {started:#?}"
        );
        let stage = scratch();
        let archive = stage.path().join("stage.tar");
        let tree = stage.path().join("tree");
        let (archive, tree) = (archive.to_str().unwrap(), tree.to_str().unwrap());
        let directory = format!("DESTDIR={tree}");
        let binary = format!("BINARY={BINARY}");
        // The binary is there: make must not build another one.
        program("make", &["-C", ROOT, "install", &directory, &binary, "-o", BINARY]).expect(0);
        program("tar", &["--create", "--file", archive, "--directory", tree, "."]).expect(0);
        container.copy(archive, "/tmp/stage.tar");
        container.copy(&format!("{ROOT}/crm-examples"), "/examples");
        container
            .sh("BATON_TAR=/tmp/stage.tar /opt/baton-lab/provision/baton.sh")
            .expect(0);
        container.copy(&format!("{ROOT}/tests/fixtures/tls"), "/certificates");
        container.sh(FILES).expect(0);
        // Examples name agents of others, whose metadata the tools read.
        container
            .sh("apt-get update >/dev/null && apt-get install --yes --no-install-recommends fence-agents-kdump >/dev/null")
            .expect(0);
        container
    }

    fn copy(&self, from: &str, to: &str) {
        docker(&["cp", from, &format!("{}:{to}", self.0)]).expect(0);
    }

    fn sh(&self, script: &str) -> Ended {
        docker(&["exec", &self.0, "sh", "-ec", script])
    }

    /// Loads an example into an empty configuration; returns the configuration and what the tools said.
    fn load(&self, example: &str) -> (String, Vec<String>) {
        self.sh(EMPTY).expect(0);
        let loaded = match example.rsplit_once('.') {
            Some((_, "crm")) => self.sh(&format!(
                "{CRMSH}crm configure load update /examples/{example}; {CRMSH}crm configure verify"
            )),
            Some((_, "pcs")) => self.sh(&format!("{PCS} sh /examples/{example}")),
            _ => panic!("{example} is neither for crmsh nor for pcs"),
        };
        let verified = self.sh("crm_verify --verbose --xml-file /tmp/cib.xml");
        assert_eq!(
            (loaded.code, verified.code),
            (0, 0),
            "{example}: {loaded:#?} {verified:#?}"
        );
        let said = [loaded.stdout, loaded.stderr, verified.stdout, verified.stderr].join("\n");
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let remarks = said.filter(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless)));
        (
            self.sh("cat /tmp/cib.xml").expect(0).stdout,
            remarks.map(str::to_owned).collect(),
        )
    }
}

/// What the examples name: the tools ask an agent whether its options are right.
const FILES: &str = "
    mkdir -p /etc/baton
    for name in docker-ca boards-ca; do cp /certificates/ca.pem /etc/baton/$name.pem; done
    cp /certificates/client.pem /etc/baton/docker-cert.pem
    cp /certificates/client.key /etc/baton/docker-key.pem
    for name in board.password fence.password pdu.password pdu-priv.password api.token fence.token; do
        echo long-enough >/etc/baton/$name
        chmod 600 /etc/baton/$name
    done";
/// A configuration with three nodes and nothing else.
const EMPTY: &str = r#"
    nodes=
    for node in 1 2 3; do nodes="$nodes<node id=\"$node\" uname=\"n$node\"/>"; done
    cibadmin --empty | sed "s/<cib /<cib have-quorum=\"1\" /; s|<nodes/>|<nodes>$nodes</nodes>|" >/tmp/cib.xml"#;

const CRMSH: &str = "CIB_file=/tmp/cib.xml ";
/// The commands that ask the running cluster for its configuration, or give it back, use a file instead.
const PCS: &str = r#"
    mkdir -p /tmp/bin
    printf '#!/bin/sh\n[ "$1" = cluster ] && set -- -f /tmp/cib.xml "$@"\nexec /usr/sbin/pcs "$@"\n' >/tmp/bin/pcs
    chmod +x /tmp/bin/pcs
    PATH=/tmp/bin:$PATH"#;

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

fn program(name: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new(name);
    command.args(arguments);
    run(command)
}

fn docker(arguments: &[&str]) -> Ended {
    program("docker", arguments)
}

fn examples(extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("crm-examples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    assert!(!found.is_empty());
    found
}

/// An example, the configuration that it makes, and what the tools said.
type Loaded = (String, String, Vec<String>);

/// All examples of one form. pcs takes its time, and two tests want to know.
fn loaded(extension: &'static str) -> &'static [Loaded] {
    static CRM: OnceLock<Vec<Loaded>> = OnceLock::new();
    static PCS: OnceLock<Vec<Loaded>> = OnceLock::new();
    let place = if extension == ".crm" { &CRM } else { &PCS };
    place.get_or_init(|| {
        let container = Container::with_baton();
        let load = |example: String| {
            let (cib, remarks) = container.load(&example);
            (example, cib, remarks)
        };
        examples(extension).into_iter().map(load).collect()
    })
}

fn no_remarks(extension: &'static str) {
    for (example, _, remarks) in loaded(extension) {
        assert_eq!(*remarks, Vec::<String>::new(), "{example}");
    }
}

#[test]
fn crmsh_and_pacemaker_accept_every_example_without_a_remark() {
    no_remarks(".crm");
}

#[test]
fn pcs_and_pacemaker_accept_every_example_without_a_remark() {
    no_remarks(".pcs");
}

#[test]
fn both_forms_of_an_example_configure_the_same() {
    for (example, cib, _) in loaded(".crm") {
        let crmsh = essentials(cib);
        let twin = example.replace(".crm", ".pcs");
        let pcs = loaded(".pcs").iter().find(|(name, _, _)| *name == twin);
        let pcs = essentials(&pcs.expect("both forms").1);
        assert!(crmsh.iter().any(|line| line.contains("primitive")), "{crmsh:#?}");
        let only_crmsh: Vec<_> = crmsh.difference(&pcs).collect();
        let only_pcs: Vec<_> = pcs.difference(&crmsh).collect();
        assert!(
            only_crmsh.is_empty() && only_pcs.is_empty(),
            "{example}: {only_crmsh:#?} {only_pcs:#?}"
        );
    }
}

#[test]
fn the_essentials_of_a_configuration_tell_what_differs() {
    let one = r#"<cib><resources><clone id="c"><meta_attributes id="x"><nvpair id="i" name="notify" value="true"/>
        </meta_attributes><primitive id="p" class="ocf" provider="baton" type="mysql"/></clone></resources></cib>"#;
    let elsewhere = r#"<cib><resources><clone id="c"><primitive id="p" type="mysql" class="ocf" provider="baton">
        <meta_attributes id="y"><nvpair id="j" name="notify" value="true"/></meta_attributes></primitive></clone>
        </resources></cib>"#;
    assert_ne!(essentials(one), essentials(elsewhere));
    assert_eq!(
        essentials(one),
        essentials(&one.replace("\"x\"", "\"z\"").replace("\"i\"", "\"k\""))
    );
}

/// A line for every element that means something: where it stands, and its attributes without generated ids.
fn essentials(cib: &str) -> BTreeSet<String> {
    let mut reader = Reader::from_str(cib);
    let mut path: Vec<String> = Vec::new();
    let mut found = BTreeSet::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                let (place, line) = describe(&element, &path);
                found.extend(line);
                path.push(place);
            }
            Event::Empty(element) => found.extend(describe(&element, &path).1),
            Event::End(_) => drop(path.pop()),
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// What the element is called in the places of its children, and its own line.
fn describe(element: &BytesStart<'_>, path: &[String]) -> (String, Option<String>) {
    let tag = element.name().as_ref().to_owned();
    let mut attributes: Vec<(String, String)> = element
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().to_string();
            (attribute.key.as_ref().to_owned(), value)
        })
        .collect();
    attributes.sort();
    // The ids of resources are chosen by people; all others are generated, or names of a constraint.
    let resource = ["primitive", "clone", "group", "template"].contains(&tag.as_str());
    let defaults = [("rsc-role", "Started"), ("kind", "Mandatory")];
    attributes
        .retain(|(name, value)| (name != "id" || resource) && !defaults.contains(&(name.as_str(), value.as_str())));
    let shown: Vec<String> = attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let place = if resource {
        format!("{tag}[{}]", shown.join(" "))
    } else {
        tag.clone()
    };
    let added = tag == "op" && shown.contains(&format!("name={PCS_ADDS}"));
    let bare = shown.is_empty() || tag == "cib";
    let line = (!added && !bare).then(|| format!("{} / {tag} {}", path.join(" / "), shown.join(" ")));
    (place, line)
}
