//! What must outlive a process: this node's own record, and the cluster's epoch.
//!
//! The record is a file of this node, durable when written; the epoch is an option of the cluster's configuration.

use std::path::{Path, PathBuf};

use super::state::{Epoch, Record};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::sys::files;

const DIRECTORY: &str = "/var/lib/baton";

/// The directory of one resource on this node.
pub(crate) fn directory(instance: &str) -> PathBuf {
    Path::new(DIRECTORY).join(instance)
}

fn path(instance: &str) -> PathBuf {
    directory(instance).join("record.json")
}

/// This node's record; the default when it never took a role.
pub(crate) fn load(instance: &str) -> Result<Record> {
    let path = path(instance);
    let Some(bytes) = files::read(&path)? else {
        return Ok(Record::default());
    };
    serde_json::from_slice(&bytes).map_err(|error| Error::Unexpected {
        from: format!(
            "{}: {error}; if it is damaged, move it away and check the data of this node",
            path.display()
        ),
        got: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

pub(crate) fn store(instance: &str, record: &Record) -> Result<()> {
    let path = path(instance);
    files::private_directory(&directory(instance))?;
    let json = serde_json::to_vec(record)
        .map_err(|error| Error::State(format!("cannot write {}: {error}", path.display())))?;
    files::replace(&path, &json)
}

fn property(instance: &str) -> String {
    format!("baton-{instance}-epoch")
}

/// The last epoch of the cluster; none when nobody was ever promoted.
pub(crate) fn epoch(cluster: &Cluster, instance: &str) -> Result<Option<Epoch>> {
    let name = property(instance);
    let Some(text) = cluster.property(&name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::Unexpected {
            from: format!("cluster option {name}: {error}"),
            got: text,
        })
}

pub(crate) fn store_epoch(cluster: &Cluster, instance: &str, epoch: &Epoch) -> Result<()> {
    let json =
        serde_json::to_string(epoch).map_err(|error| Error::State(format!("cannot write the epoch: {error}")))?;
    cluster.set_property(&property(instance), &json)
}

/// The epoch in the cluster option by which an operator accepts that the next election may lose something.
///
/// # Errors
/// When it is not a number: a mistyped consent is none.
pub(crate) fn accepted_loss(cluster: &Cluster, instance: &str) -> Result<Option<u64>> {
    let name = format!("baton-{instance}-accept-loss");
    let Some(text) = cluster.property(&name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.trim().parse().map_err(|_| Error::Unexpected {
        from: format!("cluster option {name}, which must be the number of the epoch whose loss is accepted"),
        got: text,
    })?;
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::state::Role;

    #[test]
    fn a_record_of_another_version_is_still_read() {
        let old: Record = serde_json::from_str(r#"{"role":"primary","epoch":4,"closed":false}"#).unwrap();
        assert_eq!((old.role, old.epoch, old.held), (Role::Primary, 4, false));
        let newer = r#"{"role":"replica","epoch":1,"closed":true,"binlog_base":"","held":true,"later":"x"}"#;
        assert!(serde_json::from_str::<Record>(newer).unwrap().held);
    }
}
