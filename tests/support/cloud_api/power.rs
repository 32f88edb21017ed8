//! Power of machines, in the words of both clouds.

use serde_json::{Value, json};

use super::{Asked, Effect, Reply, World, digitalocean, hetzner};

pub(crate) fn droplets(world: &mut World, asked: &Asked) -> Option<Reply> {
    let parts = asked.parts();
    let body = match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "droplets"]) => {
            let (machines, more) = page(world, &asked.query, shown_droplet);
            let next = if more {
                json!({ "next": "https://api.example/v2/droplets?page=2" })
            } else {
                json!({})
            };
            json!({ "droplets": machines, "links": { "pages": next }, "meta": { "total": world.machines.len() } })
        }
        ("GET", ["v2", "droplets", id]) => json!({ "droplet": known(world, id).map(|id| shown_droplet(world, id))? }),
        ("GET", ["v2", "droplets", id, "actions"]) => {
            let machine = known(world, id)?;
            let ids = orders(world, machine);
            json!({ "actions": ids.into_iter().map(|id| digitalocean::shown(world, id)).collect::<Vec<_>>() })
        }
        ("POST", ["v2", "droplets", id, "actions"]) => {
            let machine = known(world, id)?;
            let on = match asked.body["type"].as_str() {
                Some("power_on") => true,
                Some("power_off") => false,
                _ => return Some(digitalocean::refused(422, "unprocessable_entity", "type is invalid")),
            };
            if is_busy(world, machine) {
                return Some(digitalocean::refused(
                    422,
                    "unprocessable_entity",
                    digitalocean::PENDING,
                ));
            }
            let kind = if on { "power_on" } else { "power_off" };
            let id = world.order(kind, Effect::Power { machine, on });
            return Some(Reply::json(201, &json!({ "action": digitalocean::shown(world, id) })));
        }
        _ => return None,
    };
    Some(Reply::json(200, &body))
}

pub(crate) fn servers(world: &mut World, asked: &Asked) -> Option<Reply> {
    let parts = asked.parts();
    let body = match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "servers"]) => {
            let (machines, more) = page(world, &asked.query, shown_server);
            let next = if more { json!(2) } else { json!(null) };
            json!({ "servers": machines, "meta": { "pagination": { "next_page": next } } })
        }
        ("GET", ["v1", "servers", id]) => json!({ "server": known(world, id).map(|id| shown_server(world, id))? }),
        ("GET", ["v1", "servers", id, "actions"]) => {
            let machine = known(world, id)?;
            let ids = orders(world, machine);
            json!({ "actions": ids.into_iter().map(|id| hetzner::shown(world, id)).collect::<Vec<_>>() })
        }
        ("POST", ["v1", "servers", id, "actions", order @ ("poweron" | "poweroff")]) => {
            let (machine, on) = (known(world, id)?, *order == "poweron");
            if is_busy(world, machine) {
                return Some(hetzner::refused(423, "locked", "server is locked"));
            }
            let kind = if on { "start_server" } else { "stop_server" };
            let id = world.order(kind, Effect::Power { machine, on });
            return Some(Reply::json(201, &json!({ "action": hetzner::shown(world, id) })));
        }
        _ => return None,
    };
    Some(Reply::json(200, &body))
}

/// One machine on each page, to be sure that all pages are read; all with a name on one.
fn page(world: &World, query: &str, shown: fn(&World, u64) -> Value) -> (Vec<Value>, bool) {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
    if let Some(name) = value("name=") {
        let named = world.machines.iter().filter(|(_, machine)| machine.name == name);
        return (named.map(|(id, _)| shown(world, *id)).collect(), false);
    }
    let page: usize = value("page=").map_or(1, |text| text.parse().unwrap());
    let found = world.machines.keys().skip(page - 1).take(1);
    (found.map(|id| shown(world, *id)).collect(), page < world.machines.len())
}

/// Time passes with every look at a machine, too.
fn known(world: &mut World, id: &str) -> Option<u64> {
    let id = id.parse().ok().filter(|id| world.machines.contains_key(id))?;
    for order in orders(world, id) {
        world.look(order);
    }
    Some(id)
}

fn orders(world: &World, of: u64) -> Vec<u64> {
    let mine = world
        .actions
        .iter()
        .filter(|(_, action)| matches!(action.effect, Effect::Power { machine, .. } if machine == of));
    mine.map(|(id, _)| *id).collect()
}

fn is_busy(world: &World, machine: u64) -> bool {
    let open = orders(world, machine)
        .into_iter()
        .any(|id| world.actions[&id].looks > 0 && !world.actions[&id].failed);
    world.machines[&machine].busy || open
}

fn shown_droplet(world: &World, id: u64) -> Value {
    let mut shown = digitalocean::droplet(world, id);
    shown["locked"] = json!(is_busy(world, id));
    shown
}

fn shown_server(world: &World, id: u64) -> Value {
    let machine = &world.machines[&id];
    json!({
        "id": id,
        "name": machine.name,
        "status": if machine.on { "running" } else { "off" },
        "locked": is_busy(world, id),
    })
}
