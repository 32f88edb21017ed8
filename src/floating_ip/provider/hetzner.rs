//! Hetzner Cloud's floating addresses. <https://docs.hetzner.cloud/>, Floating IPs.
//!
//! The server must have the address on its interface. An IPv6 one is a network of which any address may be used.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;

use super::{Cloud, Guest, Metadata, Owner, Settings};
use crate::cloud::{Action, Answer, Api, Dialect, Failure, hetzner};
use crate::error::Error;
use crate::floating_ip::state::contains;
use crate::sys::deadline::Deadline;

/// No project has so many; an answer that never ends does not hold us.
const MOST_PAGES: u64 = 100;

struct Hetzner {
    ip: IpAddr,
    metadata: Metadata,
}

pub(super) fn open(_: &Settings, ip: IpAddr, metadata: Metadata) -> Box<dyn Cloud> {
    Box::new(Hetzner { ip, metadata })
}

#[derive(Deserialize)]
struct Floating {
    id: u64,
    /// An IPv4 address, or an IPv6 network such as `2001:db8::/64`.
    ip: String,
    server: Option<u64>,
}

#[derive(Deserialize)]
struct Page {
    floating_ips: Vec<Floating>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Deserialize, Default)]
struct Pagination {
    #[serde(default)]
    next_page: Option<u64>,
}

impl Floating {
    fn is(&self, ip: IpAddr) -> bool {
        match self.ip.split_once('/') {
            None => self.ip.parse() == Ok(ip),
            Some((network, prefix)) => match (network.parse(), prefix.parse()) {
                (Ok(network), Ok(prefix)) => contains(network, prefix, ip),
                _ => false,
            },
        }
    }
}

impl Hetzner {
    fn find(&self, api: &Api, deadline: Deadline) -> Answer<Floating> {
        let mut page = Some(1);
        while let Some(number) = page.filter(|number| *number <= MOST_PAGES) {
            let Page { floating_ips, meta } = api.get(&format!("/floating_ips?per_page=50&page={number}"), deadline)?;
            if let Some(found) = floating_ips.into_iter().find(|floating| floating.is(self.ip)) {
                return Ok(found);
            }
            page = meta.pagination.next_page;
        }
        Err(Failure::Missing(Error::State(format!("no floating IP is {}", self.ip))))
    }
}

impl Cloud for Hetzner {
    fn dialect(&self) -> &'static Dialect {
        &hetzner::DIALECT
    }

    fn guest(&self) -> Guest {
        Guest::Interface
    }

    fn me(&self, deadline: Deadline) -> Answer<u64> {
        self.metadata.number("/hetzner/v1/metadata/instance-id", deadline)
    }

    fn owner(&self, api: &Api, deadline: Deadline) -> Answer<Owner> {
        let found = self.find(api, deadline)?;
        Ok(found.server.map_or(Owner::Nobody, Owner::Machine))
    }

    fn moving(&self, api: &Api, deadline: Deadline) -> Answer<Option<bool>> {
        #[derive(Deserialize)]
        struct Listed {
            actions: Vec<Action>,
        }
        let id = self.find(api, deadline)?.id;
        let running = api.get(&format!("/floating_ips/{id}/actions?status=running"), deadline);
        running.map(|Listed { actions }| Some(!actions.is_empty()))
    }

    fn assign(&self, api: &Api, machine: u64, deadline: Deadline) -> Answer<Action> {
        let id = self.find(api, deadline)?.id;
        let order = json!({ "server": machine });
        api.order(&format!("/floating_ips/{id}/actions/assign"), &order, deadline)
    }

    /// The metadata of a server does not say which addresses are routed to it.
    fn witness(&self, _: Deadline) -> Answer<Option<bool>> {
        Ok(None)
    }

    fn has_witness(&self) -> bool {
        false
    }

    fn anchor(&self, _: Deadline) -> Answer<Option<IpAddr>> {
        Ok(None)
    }
}
