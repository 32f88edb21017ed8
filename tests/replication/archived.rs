//! What the agent archived on a node, read as an operator does.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::lab::Lab;

/// One directory of the archive.
pub(crate) struct Archived {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Value,
}

/// The archive of a node. Everything in it must be root's alone, whole, and be what its manifest says.
#[track_caller]
pub(crate) fn archived(lab: &Lab, node: usize) -> Vec<Archived> {
    let archive = lab.kept(node, "archive");
    let mut directories: Vec<PathBuf> = entries(&archive);
    directories.retain(|path| path.is_dir());
    directories.sort();
    let read = directories.into_iter().map(|path| {
        let manifest = std::fs::read(path.join("manifest.json")).unwrap();
        let manifest = serde_json::from_slice(&manifest).unwrap();
        let archived = Archived { path, manifest };
        archived.check();
        archived
    });
    read.collect()
}

/// The only directory of the archive.
#[track_caller]
pub(crate) fn only_archived(lab: &Lab, node: usize) -> Archived {
    let mut all = archived(lab, node);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn entries(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

impl Archived {
    #[track_caller]
    fn check(&self) {
        let of_root = |path: &Path, mode: u32| {
            let found = std::fs::symlink_metadata(path).unwrap();
            assert_eq!((found.mode() & 0o7777, found.uid()), (mode, 0), "{}", path.display());
        };
        of_root(self.path.parent().unwrap(), 0o700);
        of_root(&self.path, 0o700);
        for path in entries(&self.path) {
            of_root(&path, 0o600);
        }
        assert!(self.manifest["decoded"]["by"].as_str().unwrap().contains("binlog"));
        let files: Vec<&Value> = self.files().iter().chain(self.decoded()).collect();
        for file in &files {
            let name = file["name"].as_str().unwrap();
            let bytes = std::fs::read(self.path.join(name)).unwrap();
            let sum: String = Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(
                (&file["sha256"], &file["bytes"]),
                (&sum.into(), &bytes.len().into()),
                "{name}"
            );
        }
        // The manifest comes on top.
        assert_eq!(entries(&self.path).len(), files.len() + 1);
    }

    /// What the program wrote that decodes.
    pub(crate) fn decoded(&self) -> &Vec<Value> {
        self.manifest["decoded"]["files"].as_array().unwrap()
    }

    pub(crate) fn files(&self) -> &Vec<Value> {
        self.manifest["files"].as_array().unwrap()
    }

    pub(crate) fn says(&self, name: &str) -> &str {
        self.manifest[name].as_str().unwrap()
    }

    /// The text of the transactions.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.path.join("decoded.sql")).unwrap()
    }

    /// Whether the text, and the copies of the server's files, have the row that [`Lab::write`] writes: its image, or the
    /// statement.
    pub(crate) fn has_row(&self, id: u32) -> bool {
        let statement = format!("({id}, {id})");
        let decoded = self.text();
        let text = decoded.contains(&statement) || decoded.contains(&format!("###   @1={id}\n###   @2={id}"));
        // Both columns, one behind the other.
        let image = [id.to_le_bytes(), id.to_le_bytes()].concat();
        let raw = self.files().iter().any(|file| {
            let bytes = std::fs::read(self.path.join(file["name"].as_str().unwrap())).unwrap();
            let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            has(&image) || has(statement.as_bytes())
        });
        assert_eq!(text, raw, "text and raw, {id}: {}", self.path.display());
        raw
    }
}
