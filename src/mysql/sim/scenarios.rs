//! The stories in `scenarios/`.

use std::path::Path;

use super::scenario::Story;
use crate::ocf::env::Env;

#[test]
fn every_scenario_is_told_as_it_is_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mysql/sim/scenarios");
    let update = Env::from_process().get("UPDATE").is_some();
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut findings = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let (told, wrong) = Story::tell(&text);
        findings.extend(wrong.into_iter().map(|problem| format!("{name}, {problem}")));
        if told != text && update {
            std::fs::write(&path, &told).unwrap();
        } else if told != text {
            findings.push(format!("{name} is told otherwise:\n{}", difference(&text, &told)));
        }
    }
    assert!(
        findings.is_empty(),
        "\n{}\nUPDATE=1 writes the traces anew",
        findings.join("\n")
    );
}

/// The first lines that differ.
fn difference(old: &str, new: &str) -> String {
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    let shown = |sign: &str, text: &str| -> Vec<String> {
        text.lines()
            .skip(same)
            .take(4)
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    [shown("-", old), shown("+", new)].concat().join("\n")
}
