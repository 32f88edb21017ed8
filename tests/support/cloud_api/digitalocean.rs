//! DigitalOcean, from its published OpenAPI description (digitalocean/openapi: reserved_ips, reserved_ipv6, actions,
//! droplets) and the metadata service's reference.

use serde_json::{Value, json};

use super::{Asked, Effect, Reply, World, power};

pub(crate) const PENDING: &str = "Droplet already has a pending event.";
const ANCHOR: &str = "10.20.0.5";

pub(crate) fn speak(world: &mut World, asked: &Asked) -> Reply {
    if !asked.authorized {
        return refused(401, "unauthorized", "Unable to authenticate you");
    }
    let parts = asked.parts();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "reserved_ips", ip]) => owner(world, "reserved_ip", ip),
        ("GET", ["v2", "reserved_ipv6", ip]) => owner(world, "reserved_ipv6", ip),
        ("POST", ["v2", kind @ ("reserved_ips" | "reserved_ipv6"), ip, "actions"]) => {
            assign(world, kind, ip, &asked.body)
        }
        ("GET", ["v2", "actions", id]) => match id.parse().ok().and_then(|id| Some((id, world.look(id)?))) {
            Some((id, _)) => Reply::json(200, &json!({ "action": shown(world, id) })),
            None => missing(),
        },
        _ => power::droplets(world, asked).unwrap_or_else(missing),
    }
}

fn owner(world: &World, kind: &str, ip: &str) -> Reply {
    let Some(address) = world.addresses.get(ip) else {
        return missing();
    };
    let droplet = address.owner.map_or(json!(null), |id| droplet(world, id));
    let mut found = json!({ "ip": ip, "droplet": droplet });
    if kind == "reserved_ip" {
        found["locked"] = json!(world.under_way(ip));
        found["region"] = json!({ "name": "New York 3", "slug": "nyc3" });
    } else {
        found["region_slug"] = json!("nyc3");
        found["reserved_at"] = json!("2024-11-20T11:08:30Z");
    }
    Reply::json(200, &json!({ kind: found }))
}

fn assign(world: &mut World, kind: &str, ip: &str, body: &Value) -> Reply {
    if !world.addresses.contains_key(ip) {
        return missing();
    }
    let machine = body["droplet_id"]
        .as_u64()
        .and_then(|id| Some((id, world.machines.get(&id)?)));
    match (body["type"].as_str(), machine) {
        (Some("assign"), Some((_, machine))) if machine.busy => refused(422, "unprocessable_entity", PENDING),
        (Some("assign"), Some((to, _))) => {
            let address = ip.to_owned();
            let id = world.order("assign_ip", Effect::Assign { address, to });
            let mut action = shown(world, id);
            action["resource_type"] = json!(kind.trim_end_matches('s'));
            Reply::json(201, &json!({ "action": action }))
        }
        _ => refused(422, "unprocessable_entity", "droplet_id is invalid"),
    }
}

pub(crate) fn droplet(world: &World, id: u64) -> Value {
    let machine = &world.machines[&id];
    json!({
        "id": id,
        "name": machine.name,
        "status": if machine.on { "active" } else { "off" },
        "locked": machine.busy,
    })
}

pub(crate) fn shown(world: &World, id: u64) -> Value {
    let action = &world.actions[&id];
    let status = match (action.looks, action.failed) {
        (1.., _) => "in-progress",
        (0, true) => "errored",
        (0, false) => "completed",
    };
    json!({
        "id": id,
        "status": status,
        "type": action.kind,
        "started_at": "2015-11-12T17:51:03Z",
        "completed_at": if status == "in-progress" { json!(null) } else { json!("2015-11-12T17:51:14Z") },
        "region_slug": "nyc3",
    })
}

pub(crate) fn refused(status: u16, id: &str, message: &str) -> Reply {
    let body = json!({ "id": id, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9" });
    let mut reply = Reply::json(status, &body);
    reply.headers.push(("ratelimit-limit", "5000".to_owned()));
    reply
}

pub(crate) fn missing() -> Reply {
    refused(404, "not_found", "The resource you were accessing could not be found.")
}

/// The metadata service as droplet 101 sees it; 102 has its own.
pub(crate) fn metadata_of_101(world: &mut World, asked: &Asked) -> Reply {
    metadata(world, asked, 101)
}

pub(crate) fn metadata_of_102(world: &mut World, asked: &Asked) -> Reply {
    metadata(world, asked, 102)
}

fn metadata(world: &World, asked: &Asked, me: u64) -> Reply {
    let mine = |v6: bool| {
        let found = world
            .addresses
            .iter()
            .find(|(ip, it)| ip.contains(':') == v6 && it.owner == Some(me));
        found.map(|(ip, _)| ip.clone())
    };
    let reserved = |v6| match mine(v6) {
        Some(ip) => json!({ "active": true, "ip_address": ip }),
        // As a droplet whose address was taken away may see it.
        None if v6 => json!({ "active": false, "ip_address": "" }),
        None => json!({ "active": false }),
    };
    match asked.path.as_str() {
        "/metadata/v1/id" => Reply::text(me.to_string()),
        "/metadata/v1.json" => Reply::json(
            200,
            &json!({
                "droplet_id": me,
                "hostname": world.machines[&me].name,
                "region": "nyc3",
                "interfaces": { "public": [{
                    "anchor_ipv4": { "ip_address": ANCHOR, "netmask": "255.255.0.0", "gateway": "10.20.0.1" },
                    "type": "public",
                }] },
                "floating_ip": { "ipv4": reserved(false) },
                "reserved_ip": { "ipv4": reserved(false), "ipv6": reserved(true) },
            }),
        ),
        _ => Reply {
            status: 404,
            ..Reply::text("not found")
        },
    }
}
