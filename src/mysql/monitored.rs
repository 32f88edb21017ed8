//! Notices that Pacemaker looks at this instance no more, which is a fault of Pacemaker's (docs/operations.md, Pacemaker),
//! when it is called for something else. Only says so: what mends it concerns the whole cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ocf::env::Context;
use crate::ocf::log;
use crate::sys::files::{self, RUN_DIRECTORY};

/// Much longer than the interval of any monitor that is of use.
const LONG: Duration = Duration::from_secs(120);

fn path(context: &Context) -> PathBuf {
    Path::new(RUN_DIRECTORY).join(format!("{}.monitored", context.instance))
}

/// Notes that Pacemaker looks now, or that it is about to begin. That this fails is no reason for a monitor to fail.
pub(super) fn note(context: &Context) {
    let noted = files::private_directory(RUN_DIRECTORY.as_ref()).and_then(|()| files::replace(&path(context), b""));
    if let Err(error) = noted {
        log::debug(&format!(
            "nobody will notice when Pacemaker does not look any more: {error}"
        ));
    }
}

/// Complains where Pacemaker has not looked for long.
pub(super) fn complain(context: &Context) {
    let noted = std::fs::metadata(path(context)).and_then(|meta| meta.modified());
    let age = noted.ok().and_then(|noted| noted.elapsed().ok());
    if let Some(age) = age.filter(|age| *age > LONG) {
        log::error(&format!(
            "Pacemaker has not monitored this instance for {} s: crm_resource --refresh --resource {} --node {}",
            age.as_secs(),
            context.instance,
            context.node().unwrap_or("NODE")
        ));
    }
}
