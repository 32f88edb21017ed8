//! The backends digitalocean and hetzner against fakes of their published APIs, which can go wrong in every way.

use std::net::TcpListener;
use std::time::Duration;

use tempfile::TempDir;

use super::cloud_api::{Effect, Fake, Machine, Speak, TOKEN, World, Wrong, digitalocean, hetzner, token_file};
use super::harness::{Ended, fence};

struct Cloud {
    name: &'static str,
    fake: Fake,
    directory: TempDir,
    url: String,
    metadata: String,
    off: &'static str,
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl Cloud {
    fn new(name: &'static str) -> Cloud {
        let (speak, metadata, version): (Speak, Speak, &str) = match name {
            "digitalocean" => (digitalocean::speak, digitalocean::metadata_of_101, "v2"),
            _ => (hetzner::speak, hetzner::metadata_of_101, "v1"),
        };
        let fake = Fake::new();
        let url = format!("{}/{version}", fake.serve(listener(), speak));
        Cloud {
            name,
            metadata: fake.serve(listener(), metadata),
            url,
            directory: tempfile::tempdir().unwrap(),
            off: if name == "hetzner" {
                "actions/poweroff"
            } else {
                "POST /v2/droplets/102/actions"
            },
            fake,
        }
    }

    fn both() -> [Cloud; 2] {
        ["digitalocean", "hetzner"].map(Cloud::new)
    }

    fn ask(&self, action: &str, plug: &str, more: &str) -> Ended {
        let token = token_file(self.directory.path());
        let lines = format!(
            "action={action}\nbackend={}\nplug={plug}\ntoken_file={}\napi_url={}\nmetadata_url={}\nstate_dir={}\n\
             power_timeout=20\n{more}\n",
            self.name,
            token.display(),
            self.url,
            self.metadata,
            self.directory.path().join("state").display(),
        );
        let ended = fence(&[], &lines);
        assert!(!ended.stderr.contains(TOKEN) && !ended.stdout.contains(TOKEN));
        ended
    }

    fn is_on(&self, id: u64) -> bool {
        self.fake.world().machines[&id].on
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.fake.world());
    }
}

#[test]
fn machines_are_switched_by_number_and_by_name() {
    for cloud in Cloud::both() {
        for plug in ["102", "db2"] {
            assert_eq!(cloud.ask("status", plug, "").code(), 0, "{}", cloud.name);
            assert_eq!(cloud.ask("off", plug, "").code(), 0, "{}", cloud.name);
            assert!(!cloud.is_on(102) && cloud.is_on(101));
            assert_eq!(cloud.ask("status", plug, "").code(), 2);
            assert_eq!(cloud.ask("on", plug, "").code(), 0);
            assert!(cloud.is_on(102));
        }
        assert_eq!(cloud.ask("reboot", "db2", "").code(), 0);
        let list = cloud.ask("list-status", "", "");
        assert_eq!(list.code(), 0);
        assert!(
            list.stdout.starts_with("101,db1,on\n102,db2,"),
            "all pages: {}",
            list.stdout
        );
    }
}

#[test]
fn an_unknown_machine_or_a_refused_token_is_not_off() {
    for cloud in Cloud::both() {
        for plug in ["999", "nobody", "a/b"] {
            for action in ["off", "status", "reboot"] {
                assert_eq!(cloud.ask(action, plug, "").code(), 1, "{action} {plug}");
            }
        }
        let refused = cloud.ask("off", "102", "token_file=\npassword=wrong");
        assert_eq!(refused.code(), 1);
        assert!(refused.stderr.contains("check the token"), "{}", refused.stderr);
        for option in ["ssl_insecure=1", "ssl_pin=00", "inet4_only=1"] {
            assert_eq!(cloud.ask("off", "102", option).code(), 1, "{option} is not ignored");
        }
        assert!(cloud.is_on(102));
        assert_eq!(
            cloud
                .ask("off", "102", &format!("token_file=\npassword={TOKEN}"))
                .code(),
            0
        );
    }
}

/// What monitor found is enough: no list, and no question for a name.
#[test]
fn a_fencing_needs_no_list_after_a_monitor() {
    for cloud in Cloud::both() {
        assert_eq!(cloud.ask("monitor", "", "").code(), 0);
        cloud.change(|world| world.log.clear());
        assert_eq!(cloud.ask("off", "db2", "").code(), 0);
        let log = cloud.fake.world().log.clone();
        assert!(
            log.iter().all(|line| line.matches('/').count() > 2),
            "a list was asked for: {log:?}"
        );
        // A number that went over to another machine is noticed by its name.
        cloud.change(|world| {
            world.machines.get_mut(&102).unwrap().name = "other".to_owned();
            let machine = Machine {
                name: "db2".to_owned(),
                on: true,
                busy: false,
            };
            world.machines.insert(103, machine);
        });
        assert_eq!(cloud.ask("off", "db2", "").code(), 0);
        assert!(!cloud.is_on(103));
    }
}

fn machine(name: &str, on: bool) -> Machine {
    Machine {
        name: name.to_owned(),
        on,
        busy: false,
    }
}

/// Where names need not be unique, a monitor must not make one of them the right one.
#[test]
fn a_name_of_two_machines_is_no_plug() {
    for cloud in Cloud::both() {
        assert_eq!(cloud.ask("monitor", "", "").code(), 0);
        cloud.change(|world| drop(world.machines.insert(103, machine("db2", false))));
        let monitor = cloud.ask("monitor", "", "");
        assert_eq!(monitor.code(), 0);
        assert!(
            monitor.stderr.contains("several machines have the name db2"),
            "{}",
            monitor.stderr
        );
        for action in ["off", "status", "reboot"] {
            let ended = cloud.ask(action, "db2", "");
            assert_eq!(ended.code(), 1, "{action}");
            assert!(ended.stderr.contains("use the number as plug"), "{}", ended.stderr);
        }
        assert!(cloud.is_on(102));
        assert_eq!(cloud.ask("off", "102", "").code(), 0);
    }
}

/// The machine got another name between the order and the proof, and one that is off got its own.
#[test]
fn a_name_that_moves_while_it_is_switched_proves_nothing() {
    for cloud in Cloud::both() {
        cloud.change(|world| world.latency = 1000);
        let ended = std::thread::scope(|scope| {
            let fencing = scope.spawn(|| cloud.ask("off", "db2", ""));
            let since = std::time::Instant::now();
            while cloud.fake.world().asked(cloud.off) == 0 {
                assert!(since.elapsed() < Duration::from_secs(30), "no order came");
                std::thread::sleep(Duration::from_millis(20));
            }
            cloud.change(|world| {
                world.machines.get_mut(&102).unwrap().name = "old-db2".to_owned();
                world.machines.insert(103, machine("db2", false));
            });
            fencing.join().unwrap()
        });
        assert_eq!(ended.code(), 1, "{}", ended.stdout);
        assert!(ended.stderr.contains("was machine 102"), "{}", ended.stderr);
    }
}

/// The question whether this node is being switched off itself is a courtesy: its trouble is none of the order's.
#[test]
fn a_question_about_oneself_holds_up_no_order() {
    for cloud in Cloud::both() {
        assert_eq!(cloud.ask("monitor", "", "").code(), 0);
        for wrong in [
            Wrong::Silence,
            Wrong::Says(429, vec![("retry-after", "3600".to_owned())], String::new()),
        ] {
            cloud.change(|world| {
                world.machines.get_mut(&102).unwrap().on = true;
                world.log.clear();
                world.fails("101/actions", wrong.clone());
            });
            let ended = cloud.ask("off", "102", "login_timeout=3\npower_timeout=9");
            assert_eq!(ended.code(), 0, "{} {wrong:?}: {}", cloud.name, ended.stderr);
            assert_eq!(cloud.fake.world().asked("101/actions"), 1);
        }
    }
}

/// A name server that is gone, as far as this machine can tell: the API's name exists nowhere.
#[test]
fn a_fencing_needs_no_name_server_after_a_monitor() {
    for cloud in Cloud::both() {
        let state = cloud.directory.path().join("state");
        let url = cloud.url.replace("http://127.0.0.1", "https://api.invalid");
        let fake = cloud.fake.serve_tls(
            listener(),
            if cloud.name == "hetzner" {
                hetzner::speak
            } else {
                digitalocean::speak
            },
        );
        let port = fake.rsplit(':').next().unwrap();
        std::fs::create_dir_all(&state).unwrap();
        let kept = format!(r#"{{"url":"{url}","ids":{{"db2":102}},"addresses":["127.0.0.1:{port}"],"me":null}}"#);
        std::fs::write(state.join(format!("{}.json", cloud.name)), kept).unwrap();
        // The certificate is for another name: that it gets as far as refusing it shows that it was reached.
        let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
        let ended = cloud.ask(
            "status",
            "db2",
            &format!("api_url={url}\nssl_cacert={ca}\nlogin_timeout=3"),
        );
        assert_eq!(ended.code(), 1);
        assert!(ended.stderr.contains("certificate"), "{}", ended.stderr);
    }
}

#[test]
fn an_order_that_another_one_holds_up_is_given_again() {
    for cloud in Cloud::both() {
        cloud.change(|world| {
            let (status, body) = if cloud.name == "hetzner" {
                (
                    423,
                    r#"{"error":{"code":"locked","message":"server is locked","details":null}}"#,
                )
            } else {
                (
                    422,
                    r#"{"id":"unprocessable_entity","message":"Droplet already has a pending event."}"#,
                )
            };
            for _ in 0..3 {
                world.fails(cloud.off, Wrong::Says(status, Vec::new(), body.to_owned()));
            }
        });
        assert_eq!(cloud.ask("off", "102", "").code(), 0, "{}", cloud.name);
        assert_eq!(cloud.fake.world().asked(cloud.off), 4);
        assert!(!cloud.is_on(102));
    }
}

#[test]
fn a_machine_that_is_never_free_is_not_off() {
    for cloud in Cloud::both() {
        cloud.change(|world| world.machines.get_mut(&102).unwrap().busy = true);
        let ended = cloud.ask("off", "102", "power_timeout=3");
        assert_eq!(ended.code(), 1);
        assert!(
            ended.stderr.contains("pending event") || ended.stderr.contains("locked"),
            "{}",
            ended.stderr
        );
        // Off, but something is still being done to it: that may be switching it on.
        cloud.change(|world| world.machines.get_mut(&102).unwrap().on = false);
        assert_eq!(cloud.ask("off", "102", "power_timeout=3").code(), 1);
        assert_eq!(cloud.ask("status", "102", "").code(), 1);
    }
}

#[test]
fn every_accident_on_the_way_is_survived() {
    for cloud in Cloud::both() {
        for wrong in [
            Wrong::ResetBefore,
            Wrong::ResetAfter,
            Wrong::Garbage,
            Wrong::Half,
            Wrong::Silence,
            Wrong::Says(500, Vec::new(), String::new()),
            Wrong::Says(429, vec![("retry-after", "1".to_owned())], String::new()),
        ] {
            cloud.change(|world| {
                world.machines.get_mut(&102).unwrap().on = true;
                world.actions.clear();
                world.fails("GET", wrong.clone());
                world.fails(cloud.off, wrong.clone());
            });
            let ended = cloud.ask("off", "102", "login_timeout=1");
            assert_eq!(ended.code(), 0, "{} {wrong:?}: {}", cloud.name, ended.stderr);
            assert!(!cloud.is_on(102));
        }
    }
}

#[test]
fn too_many_requests_are_not_answered_by_more() {
    for cloud in Cloud::both() {
        cloud.change(|world| {
            let wait = vec![("retry-after", "3600".to_owned())];
            world.fails("GET", Wrong::Says(429, wait, String::new()));
        });
        let ended = cloud.ask("off", "102", "power_timeout=3");
        assert_eq!(ended.code(), 1);
        assert!(ended.stderr.contains("too many requests"), "{}", ended.stderr);
        assert!(cloud.fake.world().log.len() < 3, "{:?}", cloud.fake.world().log);
    }
}

#[test]
fn who_is_being_switched_off_does_not_shoot_back() {
    // Pacemaker monitors the device on one node only.
    let of_another_node = Cloud::both().map(|cloud| (cloud, false));
    for (cloud, monitored) in Cloud::both()
        .map(|cloud| (cloud, true))
        .into_iter()
        .chain(of_another_node)
    {
        if monitored {
            assert_eq!(cloud.ask("monitor", "", "").code(), 0);
        }
        cloud.change(|world| {
            world.latency = 1000;
            let kind = if cloud.name == "hetzner" {
                "stop_server"
            } else {
                "power_off"
            };
            world.order(
                kind,
                Effect::Power {
                    machine: 101,
                    on: false,
                },
            );
        });
        let ended = cloud.ask("off", "102", "");
        assert_eq!(ended.code(), 1);
        assert!(ended.stderr.contains("does not shoot back"), "{}", ended.stderr);
        assert!(ended.took < Duration::from_secs(10));
        assert!(cloud.is_on(102));
        assert_eq!(cloud.fake.world().asked(cloud.off), 0);
    }
}

#[test]
fn an_order_that_ends_badly_is_quoted() {
    for cloud in Cloud::both() {
        cloud.change(|world| world.actions_fail = true);
        let ended = cloud.ask("off", "102", "power_timeout=4\nverbose=1");
        assert_eq!(ended.code(), 1);
        let word = if cloud.name == "hetzner" {
            "\"error\""
        } else {
            "\"errored\""
        };
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[test]
fn diag_says_who_this_node_is() {
    for cloud in Cloud::both() {
        let ended = cloud.ask("diag", "102,db9", "");
        assert_eq!(ended.code(), 1);
        for line in [
            "this node is machine 101 there",
            "list: 2 plugs",
            "102: on",
            "db9: cannot be fenced",
        ] {
            assert!(ended.stdout.contains(line), "{}", ended.stdout);
        }
    }
}
