//! Where a device on the network is, and how far it is believed.

use std::net::SocketAddr;

use crate::error::{Error, Result};
use crate::fence::options::{Options, Values};
use crate::sys::deadline::Deadline;
use crate::sys::http::Server;
use crate::sys::resolve;
use crate::sys::tls::{Fingerprint, Trust};

/// The device's address or name, as configured; none when no option names one.
///
/// # Errors
/// [`Error::Parameter`] when several plugs would each be an address.
fn given(options: &Options) -> Result<Option<String>> {
    let values = &options.values;
    match (values.text("ip"), options.plugs.as_slice()) {
        (Some(host), _) => Ok(Some(host.to_owned())),
        (None, _) if !values.flag("port_as_ip")? => Ok(None),
        (None, [plug]) => Ok(Some(plug.clone())),
        (None, plugs) => Err(Error::parameter(
            "port_as_ip",
            "1",
            format!(
                "needs one plug, which is the device's address; there are {}",
                plugs.len()
            ),
        )),
    }
}

pub(crate) fn host(options: &Options) -> Result<String> {
    given(options)?.ok_or_else(|| Error::parameter("ip", "", "must be the device's address or name"))
}

/// The one address to talk to.
pub(crate) fn resolved(values: &Values, host: &str, port: u16, deadline: Deadline) -> Result<SocketAddr> {
    let keep = families(values)?;
    let found = resolve::addresses(host, port, deadline)?;
    found.into_iter().find(keep).ok_or_else(|| {
        let allowed = "has no address of the family that inet4_only or inet6_only asks for";
        Error::parameter("ip", host, allowed)
    })
}

fn families(values: &Values) -> Result<fn(&SocketAddr) -> bool> {
    Ok(match (values.flag("inet4_only")?, values.flag("inet6_only")?) {
        (true, _) => SocketAddr::is_ipv4,
        (_, true) => SocketAddr::is_ipv6,
        (false, false) => |_| true,
    })
}

/// A device that speaks HTTP, encrypted unless `ssl` says otherwise; none when no option says where it is.
pub(crate) fn server(options: &Options, secure_port: u16, plain_port: u16) -> Result<Option<Server>> {
    let values = &options.values;
    let Some(host) = given(options)? else {
        return Ok(None);
    };
    let secure = values.text("ssl").is_none() || values.flag("ssl")?;
    let (scheme, usual) = if secure {
        ("https", secure_port)
    } else {
        ("http", plain_port)
    };
    let port = values.number("ipport", 1)?.unwrap_or(usual);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let server = Server::at("ip", &format!("{scheme}://{host}:{port}"), &trust(values)?)?;
    Ok(Some(server.only(families(values)?)))
}

pub(crate) fn trust(values: &Values) -> Result<Trust> {
    let identity = match (values.path("ssl_cert"), values.path("ssl_key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (_, _) => return Err(Error::parameter("ssl_cert", "", "goes with ssl_key: set both or none")),
    };
    let pin = values.text("ssl_pin");
    Ok(Trust {
        ca: values.path("ssl_cacert"),
        pin: pin.map(|pin| Fingerprint::parse("ssl_pin", pin)).transpose()?,
        anybody: values.flag("ssl_insecure")? && !values.flag("ssl_secure")?,
        identity,
    })
}

/// What is wrong with how the device is reached, in sentences for the administrator.
pub(crate) fn risks(values: &Values, server: &Server) -> Vec<String> {
    let mut risks = Vec::new();
    if !server.is_private() {
        risks.push("ssl=0: whoever is on the way reads the password, and can switch every node".to_owned());
    }
    if values.flag("ssl_insecure").unwrap_or(false) && values.text("ssl_pin").is_none() {
        let text =
            "ssl_insecure believes everybody on the way: set ssl_pin to the fingerprint of the device's certificate";
        risks.push(text.to_owned());
    }
    risks
}
