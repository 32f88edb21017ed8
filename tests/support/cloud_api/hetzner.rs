//! Hetzner Cloud, from its published API description (floating_ips, actions) and the server metadata's reference.

use serde_json::{Value, json};

use super::{Asked, Effect, Reply, World, power};

pub(crate) fn speak(world: &mut World, asked: &Asked) -> Reply {
    if !asked.authorized {
        return refused(401, "unauthorized", "unable to authenticate");
    }
    let parts = asked.parts();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "floating_ips"]) => listed(world, &asked.query),
        ("GET", ["v1", "floating_ips", id]) => match by_id(world, id) {
            Some(ip) => Reply::json(200, &json!({ "floating_ip": address(world, &ip) })),
            None => missing("floating_ip"),
        },
        ("GET", ["v1", "floating_ips", id, "actions"]) => match by_id(world, id) {
            Some(ip) => orders(world, &ip, &asked.query),
            None => missing("floating_ip"),
        },
        ("POST", ["v1", "floating_ips", id, "actions", "assign"]) => assign(world, id, &asked.body),
        ("GET", ["v1", "actions", id]) => match id.parse().ok().and_then(|id| Some((id, world.look(id)?))) {
            Some((id, _)) => Reply::json(200, &json!({ "action": shown(world, id) })),
            None => missing("action"),
        },
        _ => power::servers(world, asked).unwrap_or_else(|| missing("page")),
    }
}

/// One entry on each page, to be sure that all pages are read.
fn listed(world: &World, query: &str) -> Reply {
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page="));
    let page: usize = page.map_or(1, |text| text.parse().unwrap());
    let all: Vec<&String> = world.addresses.keys().collect();
    let found: Vec<Value> = all.iter().skip(page - 1).take(1).map(|ip| address(world, ip)).collect();
    let next = (page < all.len()).then_some(page + 1);
    let meta = json!({ "pagination": {
        "page": page, "per_page": 1, "previous_page": null, "next_page": next, "last_page": all.len(),
        "total_entries": all.len(),
    } });
    Reply::json(200, &json!({ "floating_ips": found, "meta": meta }))
}

fn by_id(world: &World, id: &str) -> Option<String> {
    let id = id.parse::<u64>().ok()?;
    let found = world.addresses.iter().find(|(_, address)| address.id == id);
    found.map(|(ip, _)| ip.clone())
}

fn address(world: &World, ip: &str) -> Value {
    let found = &world.addresses[ip];
    json!({
        "id": found.id,
        "name": "service",
        "description": null,
        // An IPv6 one is a network.
        "ip": if ip.contains(':') { format!("{ip}/64") } else { ip.to_owned() },
        "type": if ip.contains(':') { "ipv6" } else { "ipv4" },
        "server": found.owner,
        "blocked": false,
        "protection": { "delete": false },
        "labels": {},
    })
}

/// Only the running ones are ever asked for.
fn orders(world: &World, ip: &str, query: &str) -> Reply {
    assert_eq!(query, "status=running");
    let of_this = |id: &&u64| {
        let action = &world.actions[id];
        action.looks > 0 && matches!(&action.effect, Effect::Assign { address, .. } if address == ip)
    };
    let found: Vec<Value> = world
        .actions
        .keys()
        .filter(of_this)
        .map(|id| shown(world, *id))
        .collect();
    Reply::json(200, &json!({ "actions": found }))
}

fn assign(world: &mut World, id: &str, body: &Value) -> Reply {
    let Some(address) = by_id(world, id) else {
        return missing("floating_ip");
    };
    match body["server"]
        .as_u64()
        .and_then(|id| Some((id, world.machines.get(&id)?)))
    {
        Some((_, machine)) if machine.busy => refused(423, "locked", "server is locked"),
        Some((to, _)) => {
            let id = world.order("assign_floating_ip", Effect::Assign { address, to });
            Reply::json(201, &json!({ "action": shown(world, id) }))
        }
        None => refused(422, "invalid_input", "invalid input in field 'server'"),
    }
}

pub(crate) fn shown(world: &World, id: u64) -> Value {
    let action = &world.actions[&id];
    let status = match (action.looks, action.failed) {
        (1.., _) => "running",
        (0, true) => "error",
        (0, false) => "success",
    };
    json!({
        "id": id,
        "command": action.kind,
        "status": status,
        "progress": if status == "running" { 0 } else { 100 },
        "started": "2016-01-30T23:50:00+00:00",
        "finished": null,
        "error": if action.failed { json!({ "code": "action_failed", "message": "Action failed" }) } else { json!(null) },
    })
}

pub(crate) fn refused(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message, "details": {} } }),
    )
}

pub(crate) fn missing(what: &str) -> Reply {
    refused(404, "not_found", &format!("{what} not found"))
}

pub(crate) fn metadata_of_101(_: &mut World, asked: &Asked) -> Reply {
    metadata(asked, 101)
}

pub(crate) fn metadata_of_102(_: &mut World, asked: &Asked) -> Reply {
    metadata(asked, 102)
}

fn metadata(asked: &Asked, me: u64) -> Reply {
    match asked.path.as_str() {
        "/hetzner/v1/metadata/instance-id" => Reply::text(me.to_string()),
        _ => Reply {
            status: 404,
            ..Reply::text("not found")
        },
    }
}
