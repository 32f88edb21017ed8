//! The same as text, by the program that comes with the server.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::mysql::dialect::Family;
use crate::sys::command::Command;
use crate::sys::deadline::Deadline;

/// More is left to who wants to read it: the text is several times as long.
const MOST: u64 = 64 << 20;
const TEXT: &str = "decoded.sql";

/// What the program is called; the first one that is installed is taken.
pub(super) fn programs(family: Family) -> &'static [&'static str] {
    match family {
        Family::MariaDb => &["mariadb-binlog", "mysqlbinlog"],
        Family::MySql => &["mysqlbinlog"],
    }
}

/// Writes the text of these files, of `bytes` in all, to the directory that they are in; returns the program's version.
///
/// # Errors
/// Why there is no text, or only a part of it.
pub(super) fn decode(
    programs: &[&str],
    directory: &Path,
    files: &[PathBuf],
    bytes: u64,
    deadline: Deadline,
) -> Result<String> {
    if bytes > MOST {
        return Err(Error::State(format!("more than {} MiB", MOST >> 20)));
    }
    let (program, version) = first(programs, deadline)?;
    let options = [
        "--no-defaults".to_owned(),
        "--base64-output=decode-rows".to_owned(),
        "--verbose".to_owned(),
        format!("--result-file={}", directory.join(TEXT).display()),
        // What LOAD DATA loaded would go to a directory that everybody reads.
        format!("--local-load={}", directory.display()),
    ];
    let paths = files.iter().map(|file| file.display().to_string());
    let decoded = Command::new(program)
        .args(options.into_iter().chain(paths))
        .output(deadline);
    decoded.map(|_| version)
}

/// Closes what a program wrote to a directory to everybody else, and makes it durable; returns the files.
pub(super) fn close(directory: &Path, known: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::file("cannot close to others", directory, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if known.contains(&path) {
            continue;
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))
            .and_then(|()| std::fs::File::open(&path)?.sync_all())
            .map_err(failed)?;
        files.push(path);
    }
    files.sort();
    Ok(files)
}

fn first<'a>(programs: &[&'a str], deadline: Deadline) -> Result<(&'a str, String)> {
    let mut missing = Error::State("no program for it is known".to_owned());
    for program in programs {
        match Command::new(*program).args(["--version"]).output(deadline) {
            Ok(version) => return Ok((program, version.trim().to_owned())),
            Err(error) => missing = error,
        }
    }
    Err(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(programs: &[&str], bytes: u64) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("binlog.000001");
        std::fs::write(&file, "").unwrap();
        let soon = Deadline::after(std::time::Duration::from_secs(10));
        match decode(programs, directory.path(), &[file], bytes, soon) {
            Ok(version) => version,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn without_a_program_there_is_no_text_and_a_reason() {
        let why = decoded(&["no-such-program"], 10);
        assert!(why.contains("no-such-program is not installed"), "{why}");
        assert_eq!(decoded(&["true"], MOST + 1), "more than 64 MiB");
        let why = decoded(&["false"], 10);
        assert!(why.contains("`false --version`"), "{why}");
    }

    #[test]
    fn the_first_program_that_answers_is_taken() {
        let version = decoded(&["no-such-program", "echo"], 10);
        assert!(version.starts_with("echo "), "{version}");
    }
}
