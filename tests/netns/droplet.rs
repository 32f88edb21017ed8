//! A machine of a cloud in a namespace of its own, where a fake of that cloud listens.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::lab::{Net, Run};
use crate::support;
use crate::support::cloud_api::{self, Address, Fake, digitalocean, hetzner};

/// A machine of a cloud, number 101, with one address that belongs to another machine.
pub(crate) struct Droplet {
    pub(crate) net: Net,
    pub(crate) fake: Fake,
    pub(crate) directory: TempDir,
    pub(crate) ip: &'static str,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

impl Droplet {
    pub(crate) fn new(provider: &'static str, ip: &'static str) -> Droplet {
        Droplet::over(provider, ip, false)
    }

    pub(crate) fn over(provider: &'static str, ip: &'static str, tls: bool) -> Droplet {
        let net = Net::new();
        net.ip("link add eth0 type veth peer name outside");
        net.ip("link set outside up");
        net.ip("addr add 192.0.2.1/24 dev eth0");
        net.ip("link set eth0 up");
        net.ip("route add default via 192.0.2.254");
        net.ip("-6 route add default dev eth0");
        let fake = Fake::new();
        let owner = Address {
            id: 42,
            owner: Some(102),
        };
        fake.world().addresses.insert(ip.to_owned(), owner);
        let listen = || net.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let (speak, metadata, version): (cloud_api::Speak, cloud_api::Speak, _) = match provider {
            "digitalocean" => (digitalocean::speak, digitalocean::metadata_of_101, "v2"),
            _ => (hetzner::speak, hetzner::metadata_of_101, "v1"),
        };
        let api = if tls {
            fake.serve_tls(listen(), speak)
        } else {
            fake.serve(listen(), speak)
        };
        let metadata = fake.serve(listen(), metadata);
        let directory = support::scratch();
        let token = cloud_api::token_file(directory.path());
        let parameters = vec![
            ("ip", ip.to_owned()),
            ("provider", provider.to_owned()),
            ("token_file", token.display().to_string()),
            ("api_url", format!("{api}/{version}")),
            ("metadata_url", metadata),
        ];
        Droplet {
            net,
            fake,
            directory,
            ip,
            parameters,
        }
    }

    pub(crate) fn run(&self, action: &str, more: &[(&str, &str)]) -> Run {
        let own = self.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        self.net.agent(action, &all)
    }

    pub(crate) fn owner(&self) -> Option<u64> {
        self.fake.world().addresses[self.ip].owner
    }
}

/// The same story for all of them, at the same time: most of it is waiting.
pub(crate) fn each(story: impl Fn(&Droplet) + Sync) {
    let droplets = every();
    std::thread::scope(|scope| {
        for droplet in &droplets {
            scope.spawn(|| story(droplet));
        }
    });
}

/// Both clouds, and both families of the one.
pub(crate) fn every() -> [Droplet; 4] {
    [
        Droplet::new("digitalocean", "203.0.113.7"),
        Droplet::new("digitalocean", "2001:db8:7::7"),
        Droplet::new("hetzner", "203.0.113.7"),
        Droplet::new("hetzner", "2001:db8:7::"),
    ]
}
