//! File systems that are mounted over a directory of a test.

use std::path::PathBuf;
use std::process::Command;

use crate::support::server::shell;

/// What is mounted here goes with the test.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// `options` as mount(8) takes them, before the directory.
    pub(crate) fn at(directory: PathBuf, options: &[&str]) -> Mount {
        let mount = Mount(directory);
        mount.change(options);
        mount
    }

    pub(crate) fn change(&self, options: &[&str]) {
        let directory = self.0.to_str().unwrap();
        let words: Vec<&str> = options.iter().copied().chain([directory]).collect();
        shell("mount", &words);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
