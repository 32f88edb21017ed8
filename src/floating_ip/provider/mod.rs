//! Addresses that a cloud routes to one of its machines at a time. What the clouds have in common is here; each has a file
//! with its own words.
//!
//! An assignment is done when the cloud says so of its own address, not when it accepts the order. Nothing is taken away at
//! stop: the next owner's order moves the address, and a node that is gone could not give it back anyway.

mod bring;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::config::Config;
use crate::cloud::{Access, Action, Answer, Api, Dialect, Failure};
use crate::error::{During, Error, Result};
use crate::ocf::log;
use crate::sys::deadline::Deadline;
use crate::sys::http::{Method, Request, Response, Server};
use crate::sys::tls::Trust;

pub(crate) use bring::bring;

/// A cloud is one file, and one name here.
macro_rules! providers {
    ($($name:ident)*) => {
        $(mod $name;)*
        const PROVIDERS: &[(&str, Open)] = &[$((stringify!($name), $name::open)),*];
    };
}

providers! {
    digitalocean
    hetzner
}

type Open = fn(&Settings, IpAddr, Metadata) -> Box<dyn Cloud>;

/// The parameters that only a cloud needs, as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) provider: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) api_url: Option<String>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) authorities: Option<PathBuf>,
    /// This machine's number at the cloud, if its metadata service is not to be asked.
    pub(crate) machine: Option<u64>,
}

/// Where the operating system of the machine must have the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Nowhere: packets arrive for another address of the machine.
    Nowhere,
    Loopback,
    /// The interface of the default route.
    Interface,
}

/// Whose an address is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Machine(u64),
    Nobody,
    /// An order is being carried out, and others are refused meanwhile.
    Moving,
}

/// One cloud and one of its addresses. Each method is one exchange: no loop, no pause, no retry.
pub(crate) trait Cloud {
    fn dialect(&self) -> &'static Dialect;

    fn guest(&self) -> Guest;

    /// This machine's number.
    fn me(&self, deadline: Deadline) -> Answer<u64>;

    fn owner(&self, api: &Api, deadline: Deadline) -> Answer<Owner>;

    /// Whether an order for the address is being carried out; none where nobody can say.
    fn moving(&self, api: &Api, deadline: Deadline) -> Answer<Option<bool>>;

    /// Orders the address to a machine, whoever has it.
    fn assign(&self, api: &Api, machine: u64, deadline: Deadline) -> Answer<Action>;

    /// Whether the machine has the address as far as it can tell itself, without the API and its limits; none where it
    /// cannot.
    fn witness(&self, deadline: Deadline) -> Answer<Option<bool>>;

    /// Whether [`Cloud::witness`] can tell.
    fn has_witness(&self) -> bool;

    /// The address of the machine that packets for the floating one arrive at, if it is another one.
    fn anchor(&self, deadline: Deadline) -> Answer<Option<IpAddr>>;
}

pub(crate) fn names() -> Vec<&'static str> {
    PROVIDERS.iter().map(|(name, _)| *name).collect()
}

/// The cloud that the address belongs to; none for an address of the local network.
pub(crate) fn open(config: &Config) -> Result<Option<Box<dyn Cloud>>> {
    let Some(settings) = &config.cloud else { return Ok(None) };
    let found = PROVIDERS.iter().find(|(name, _)| *name == settings.provider);
    let Some((_, open)) = found else { return Ok(None) };
    let metadata = Metadata::at(settings.metadata_url.as_deref())?;
    Ok(Some(open(settings, config.ip, metadata)))
}

/// Whether the API says that the address is here.
pub(crate) fn owned(cloud: &dyn Cloud, settings: &Settings, deadline: Deadline) -> Result<bool> {
    let api = api(cloud, settings)?;
    let me = me(cloud, settings, &api, deadline)?;
    let owner = api.patiently("the owner of the address", deadline, |exchange| {
        let owner = match cloud.owner(&api, exchange) {
            // An address that was given back to the cloud is nobody's.
            Err(Failure::Missing(_)) => Owner::Nobody,
            other => other?,
        };
        Ok((owner != Owner::Moving).then_some(owner))
    })?;
    Ok(owner == Owner::Machine(me))
}

/// Whether this node could order the address: the token can be read, and the machine knows its number.
pub(crate) fn check(cloud: &dyn Cloud, settings: &Settings, deadline: Deadline) -> Result<()> {
    me(cloud, settings, &api(cloud, settings)?, deadline).map(|_| ())
}

/// The anchor, if there is one and the machine can tell: worth a second, not a failed stop.
pub(crate) fn anchor(cloud: &dyn Cloud, deadline: Deadline) -> Option<IpAddr> {
    let found = cloud
        .anchor(deadline.within(Duration::from_secs(1)))
        .map_err(Error::from);
    found
        .inspect_err(|error| log::warning(&format!("clients' connections are not reset: {error}")))
        .ok()
        .flatten()
}

fn api(cloud: &dyn Cloud, settings: &Settings) -> Result<Api> {
    let access = Access {
        token_file: settings.token_file.as_deref(),
        token: None,
        url: settings.api_url.as_deref(),
        authorities: settings.authorities.as_deref(),
    };
    Api::open(cloud.dialect(), &access)
}

fn me(cloud: &dyn Cloud, settings: &Settings, api: &Api, deadline: Deadline) -> Result<u64> {
    match settings.machine {
        Some(machine) => Ok(machine),
        None => api
            .patiently("this machine's number", deadline, |exchange| {
                cloud.me(exchange).map(Some)
            })
            .during("asking the metadata service; server_id makes that unnecessary"),
    }
}

/// What a cloud tells its machines about themselves, on a link-local address.
pub(crate) struct Metadata {
    server: Server,
}

impl Metadata {
    const URL: &str = "http://169.254.169.254";

    fn at(url: Option<&str>) -> Result<Metadata> {
        let url = url.unwrap_or(Metadata::URL);
        let server = Server::at("metadata_url", url, &Trust::default())?;
        Ok(Metadata { server })
    }

    fn get(&self, target: &str, deadline: Deadline) -> Answer<Response> {
        let passing = |error| Failure::Later(Duration::ZERO, error);
        let request = Request::new(Method::Get, target);
        let response = self.server.send(&request, deadline).map_err(passing)?;
        let error = || Error::Unexpected {
            from: format!("the metadata service at {} to GET {target}", self.server.name()),
            got: format!("status {}: {}", response.status, response.excerpt()),
        };
        match response.status {
            200 => Ok(response),
            404 => Err(Failure::Missing(error())),
            _ => Err(passing(error())),
        }
    }

    fn number(&self, target: &str, deadline: Deadline) -> Answer<u64> {
        let response = self.get(target, deadline)?;
        let number = std::str::from_utf8(&response.body)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| {
            let error = Error::Unexpected {
                from: format!("the metadata service at {} to GET {target}", self.server.name()),
                got: format!("no number: {}", response.excerpt()),
            };
            Failure::Later(Duration::ZERO, error)
        })
    }
}
