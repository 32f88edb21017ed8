//! Network namespaces with names, and what a stop does about one that has lost its name while it lives on.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::observe;
use crate::error::Result;
use crate::ocf::log;
use crate::sys::files::{self, RUN_DIRECTORY};
use crate::sys::process;

const KIND: &str = "namespace";

/// Records in which namespace this name's address is started: the inode, which the file's name has, outlives the name.
pub(super) fn remember(namespace: Option<&Path>, ip: IpAddr) {
    let Some(path) = namespace else { return };
    let written = files::private_directory(Path::new(RUN_DIRECTORY))
        .and_then(|()| files::replace(&observe::run_file(KIND, ip)?, path.as_os_str().as_encoded_bytes()));
    if let Err(error) = written {
        log::warning(&format!(
            "should namespace {} lose its name, a stop will not find it: {error}",
            path.display()
        ));
    }
}

/// What is left of it misleads nobody for long: it is looked at only when the name is gone.
pub(super) fn forget(namespace: Option<&Path>, ip: IpAddr) {
    if namespace.is_some()
        && let Ok(path) = observe::run_file(KIND, ip)
    {
        let _ = std::fs::remove_file(path);
    }
}

/// Enters the namespace that had this name when the address was started, by way of a process that still lives in it, such
/// as the announcer. None when nobody does.
pub(super) fn enter_nameless(namespace: Option<&Path>, ip: IpAddr) -> Result<Option<()>> {
    let Some(name) = namespace else { return Ok(None) };
    for inode in recorded(name, ip) {
        if let Some(pid) = process::in_network(inode) {
            log::warning(&format!(
                "namespace {} has lost its name, but process {pid} lives in it: entering by that",
                name.display()
            ));
            return observe::enter(Some(&PathBuf::from(format!("/proc/{pid}/ns/net"))));
        }
    }
    Ok(None)
}

fn recorded(name: &Path, ip: IpAddr) -> Vec<u64> {
    let prefix = format!("{KIND}-{ip}@");
    let entries = std::fs::read_dir(RUN_DIRECTORY).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let content = files::read(&entry.path()).ok().flatten();
            content.is_some_and(|content| content == name.as_os_str().as_encoded_bytes())
        })
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(&prefix)?.parse().ok())
        .collect()
}
