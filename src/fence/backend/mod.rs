//! The devices. Each is one file that implements [`Power`], one name in [`NAMES`] and one arm in [`open`].

mod docker;

use super::options::Options;
use super::power::Power;
use crate::error::{Error, Result};

pub(crate) const NAMES: &[&str] = &["docker"];

/// The device that the options name. Only looks at the options: no exchange with the device yet.
pub(crate) fn open(options: &Options) -> Result<Box<dyn Power>> {
    match options.backend.as_str() {
        "docker" => Ok(Box::new(docker::Docker::new(options)?)),
        other => Err(Error::parameter(
            "backend",
            other,
            format!("must be one of: {}", NAMES.join(", ")),
        )),
    }
}
