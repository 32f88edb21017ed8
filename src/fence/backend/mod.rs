//! The devices. Each is one file that implements [`Power`], one name in [`NAMES`] and one arm in [`open`].

mod address;
mod cloud;
mod docker;
mod libvirt;
mod redfish;
mod snmp;
mod snmp_pdu;

use super::options::Options;
use super::power::Power;
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

pub(crate) const NAMES: &[&str] = &["digitalocean", "docker", "hetzner", "libvirt", "redfish", "snmp_pdu"];

/// The device that the options name. No exchange with the device yet; the deadline is for finding its address and for
/// programs that print a password.
pub(crate) fn open(options: &Options, deadline: Deadline) -> Result<Box<dyn Power>> {
    match options.backend.as_str() {
        "digitalocean" => Ok(Box::new(cloud::Cloud::new(&cloud::DIGITALOCEAN, options, deadline)?)),
        "hetzner" => Ok(Box::new(cloud::Cloud::new(&cloud::HETZNER, options, deadline)?)),
        "docker" => Ok(Box::new(docker::Docker::new(options)?)),
        "libvirt" => Ok(Box::new(libvirt::Libvirt::new(options)?)),
        "redfish" => Ok(Box::new(redfish::Redfish::new(options, deadline)?)),
        "snmp_pdu" => Ok(Box::new(snmp_pdu::SnmpPdu::new(options, deadline)?)),
        other => Err(Error::parameter(
            "backend",
            other,
            format!("must be one of: {}", NAMES.join(", ")),
        )),
    }
}
