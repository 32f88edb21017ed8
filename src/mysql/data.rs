//! Tells the data of a server from others in the same place: those of a backup, or of another node.
//!
//! Never opens a file of the server's.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};

/// What a server has from its first start on and never replaces. The first that is there counts: the system tablespace may
/// have another name, or another place.
const LASTING: [&str; 2] = ["ibdata1", "mysql"];

/// A name for the data in this directory; empty where there are none. Whoever puts others there creates new files, which
/// have other numbers or other birthdays. Only a disk that was put back as a whole, from a snapshot, has the old ones.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn identity(datadir: &Path) -> Result<String> {
    for name in LASTING {
        let path = datadir.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(meta) => return Ok(named(name, &meta)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("cannot look at", path, error)),
        }
    }
    Ok(String::new())
}

/// Whether two names are of the same data. A kernel may have learned, or forgotten, to tell birthdays.
pub(super) fn is_same(known: &str, found: &str) -> bool {
    let begins = |name: &str, other: &str| {
        let rest = other.strip_prefix(name);
        !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    begins(known, found) || begins(found, known)
}

/// The number alone is not enough: it is given out again.
fn named(name: &str, meta: &Metadata) -> String {
    let born = meta
        .created()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let birthday = born.map_or_else(String::new, |born| format!(" {}", born.as_nanos()));
    format!("{name} {}{birthday}", meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keep_their_name_while_they_are_written_and_copies_have_another() {
        let directory = tempfile::tempdir().unwrap();
        let identity = || identity(directory.path()).unwrap();
        assert_eq!(identity(), "");
        let file = directory.path().join("ibdata1");
        std::fs::write(&file, "one").unwrap();
        let first = identity();
        std::fs::write(&file, "two").unwrap();
        assert_eq!(identity(), first);
        let copy = directory.path().join("copy");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::rename(&copy, &file).unwrap();
        assert!(!is_same(&identity(), &first));
    }

    #[test]
    fn a_birthday_that_is_not_known_makes_no_difference() {
        assert!(is_same("ibdata1 12 900", "ibdata1 12"));
        assert!(is_same("ibdata1 12", "ibdata1 12 900"));
        for (known, found) in [
            ("ibdata1 12 900", "ibdata1 12 901"),
            ("ibdata1 12", "ibdata1 123"),
            ("", "ibdata1 1"),
        ] {
            assert!(!is_same(known, found) && !is_same(found, known), "{known}, {found}");
        }
    }
}
