//! DigitalOcean's reserved addresses. <https://docs.digitalocean.com/reference/api/>, tags Reserved IPs and Reserved IPv6.
//!
//! Packets for a reserved IPv4 address arrive at the droplet's anchor address; nothing has to be configured there. A
//! reserved IPv6 address is routed to the droplet, which must have it on its loopback interface.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Cloud, Guest, Metadata, Owner, Settings};
use crate::cloud::{Action, Answer, Api, Dialect, Failure, digitalocean};
use crate::sys::deadline::Deadline;

struct DigitalOcean {
    ip: IpAddr,
    metadata: Metadata,
}

pub(super) fn open(_: &Settings, ip: IpAddr, metadata: Metadata) -> Box<dyn Cloud> {
    Box::new(DigitalOcean { ip, metadata })
}

#[derive(Deserialize)]
struct Droplet {
    id: u64,
}

#[derive(Deserialize)]
struct Reserved {
    droplet: Option<Droplet>,
    /// Only IPv4 addresses have it.
    #[serde(default)]
    locked: bool,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(alias = "reserved_ipv6")]
    reserved_ip: Reserved,
}

/// The part of the metadata that says what is routed here.
#[derive(Deserialize)]
struct Document {
    reserved_ip: Families,
    #[serde(default)]
    interfaces: Interfaces,
}

#[derive(Deserialize)]
struct Families {
    #[serde(default)]
    ipv4: Routed,
    #[serde(default)]
    ipv6: Routed,
}

#[derive(Deserialize, Default)]
struct Routed {
    #[serde(default)]
    active: bool,
    /// Missing or empty where nothing is routed.
    #[serde(default)]
    ip_address: Option<String>,
}

#[derive(Deserialize, Default)]
struct Interfaces {
    #[serde(default)]
    public: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    anchor_ipv4: Option<Anchor>,
}

#[derive(Deserialize)]
struct Anchor {
    ip_address: String,
}

impl DigitalOcean {
    fn target(&self) -> String {
        let kind = if self.ip.is_ipv4() {
            "reserved_ips"
        } else {
            "reserved_ipv6"
        };
        format!("/{kind}/{}", self.ip)
    }

    fn document(&self, deadline: Deadline) -> Answer<Document> {
        let response = self.metadata.get("/metadata/v1.json", deadline)?;
        let document = response.json("the metadata service");
        document.map_err(|error| Failure::Later(Duration::ZERO, error))
    }
}

impl Cloud for DigitalOcean {
    fn dialect(&self) -> &'static Dialect {
        &digitalocean::DIALECT
    }

    fn guest(&self) -> Guest {
        if self.ip.is_ipv4() {
            Guest::Nowhere
        } else {
            Guest::Loopback
        }
    }

    fn me(&self, deadline: Deadline) -> Answer<u64> {
        self.metadata.number("/metadata/v1/id", deadline)
    }

    fn owner(&self, api: &Api, deadline: Deadline) -> Answer<Owner> {
        let Answered { reserved_ip } = api.get(&self.target(), deadline)?;
        Ok(match reserved_ip.droplet {
            _ if reserved_ip.locked => Owner::Moving,
            Some(droplet) => Owner::Machine(droplet.id),
            // Also what a token sees that may not read droplets.
            None => Owner::Nobody,
        })
    }

    /// An IPv4 address says itself that it is locked, which the question for its owner heeds. Of an IPv6 address, nothing
    /// tells.
    fn moving(&self, _: &Api, _: Deadline) -> Answer<Option<bool>> {
        Ok(self.ip.is_ipv4().then_some(false))
    }

    fn assign(&self, api: &Api, machine: u64, deadline: Deadline) -> Answer<Action> {
        let order = json!({ "type": "assign", "droplet_id": machine });
        api.order(&format!("{}/actions", self.target()), &order, deadline)
    }

    fn witness(&self, deadline: Deadline) -> Answer<Option<bool>> {
        let Families { ipv4, ipv6 } = self.document(deadline)?.reserved_ip;
        let routed = if self.ip.is_ipv4() { ipv4 } else { ipv6 };
        let address = routed.ip_address.and_then(|text| text.parse().ok());
        Ok(Some(routed.active && address == Some(self.ip)))
    }

    fn has_witness(&self) -> bool {
        true
    }

    fn anchor(&self, deadline: Deadline) -> Answer<Option<IpAddr>> {
        if self.ip.is_ipv6() {
            return Ok(None);
        }
        // Droplets of custom images have none: there, packets arrive at the public address, with others.
        let public = self.document(deadline)?.interfaces.public;
        let anchor = public.into_iter().find_map(|interface| interface.anchor_ipv4);
        Ok(anchor.and_then(|anchor| anchor.ip_address.parse().ok()))
    }
}
