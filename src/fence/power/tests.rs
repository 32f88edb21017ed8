use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;

/// What one look at a plug shows.
#[derive(Clone, Copy)]
enum Look {
    Is(State),
    Garbage,
    NoSuchPlug,
    /// No answer until the deadline.
    Stalls,
}

use Look::{Garbage, Is, NoSuchPlug, Stalls};
use State::{Off, On};

type Scripts = (Vec<Look>, Vec<Look>);

/// A device that shows a script of looks per plug, the last one for ever, and remembers what it was told. An order
/// moves a plug on to the second script.
struct Fake {
    plugs: BTreeMap<&'static str, RefCell<Scripts>>,
    told: RefCell<Vec<String>>,
    on_fails: bool,
    on_stalls: bool,
    gives_up: bool,
    off_refused: RefCell<u32>,
}

impl Fake {
    fn new<const N: usize>(plugs: [(&'static str, &[Look], &[Look]); N]) -> Fake {
        Fake {
            plugs: plugs
                .iter()
                .map(|(plug, before, after)| (*plug, RefCell::new((before.to_vec(), after.to_vec()))))
                .collect(),
            told: RefCell::new(Vec::new()),
            on_fails: false,
            on_stalls: false,
            gives_up: false,
            off_refused: RefCell::new(0),
        }
    }

    fn told(&self) -> String {
        self.told.borrow().join(" ")
    }

    fn order(&self, word: &str, plug: &str) {
        self.told.borrow_mut().push(format!("{word}:{plug}"));
        let mut scripts = self.plugs[plug].borrow_mut();
        if !scripts.1.is_empty() {
            scripts.0 = std::mem::take(&mut scripts.1);
        }
    }
}

impl Power for Fake {
    fn describe(&self, _: Deadline) -> Result<String> {
        Ok("fake".to_owned())
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let mut scripts = self.plugs[plug].borrow_mut();
        let look = scripts.0[0];
        if scripts.0.len() > 1 {
            scripts.0.remove(0);
        }
        match look {
            Is(state) => Ok(state),
            Garbage => Err(Error::Unexpected {
                from: "fake".to_owned(),
                got: "word \"sleepy\"".to_owned(),
            }),
            Stalls => {
                deadline.pause(deadline.remaining());
                Err(deadline.timeout("an answer"))
            }
            NoSuchPlug => Err(Error::State(format!("no plug {plug}"))),
        }
    }

    fn gave_up(&self, _: &str) -> bool {
        self.gives_up
    }

    fn off(&self, plug: &str, _: Deadline) -> Result<()> {
        let mut refused = self.off_refused.borrow_mut();
        if *refused > 0 {
            *refused -= 1;
            return Err(Error::Connection {
                address: "fake".to_owned(),
                message: "locked".to_owned(),
            });
        }
        self.order("off", plug);
        Ok(())
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.order("on", plug);
        if self.on_stalls {
            deadline.pause(deadline.remaining());
            return Err(deadline.timeout("on"));
        }
        if self.on_fails {
            return Err(deadline.timeout("on"));
        }
        Ok(())
    }

    fn list(&self, _: Deadline) -> Result<Vec<Listed>> {
        Ok(Vec::new())
    }

    fn warnings(&self, _: &str, _: Deadline) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn limits() -> Limits {
    Limits {
        power: Duration::from_millis(250),
        first: Duration::from_millis(100),
        exchange: Duration::from_millis(100),
        wait: Duration::ZERO,
        retry_on: 1,
        steps: (Duration::from_millis(2), Duration::from_millis(4)),
    }
}

fn plugs(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn off_fails(fake: &Fake) -> String {
    let started = Deadline::after(Duration::ZERO);
    let error = off(fake, &plugs(&["a"]), &limits()).unwrap_err();
    assert!(started.age() < Duration::from_millis(1000), "bounded");
    error.to_string()
}

#[test]
fn a_plug_that_is_off_already_is_looked_at_twice_and_not_ordered() {
    let fake = Fake::new([("a", &[Is(Off)], &[])]);
    off(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(fake.told(), "");
}

#[test]
fn off_may_be_seen_late() {
    let fake = Fake::new([("a", &[Is(On)], &[Is(On), Is(On), Is(Off)])]);
    off(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(fake.told(), "off:a", "one accepted order is enough");
}

#[test]
fn off_that_is_never_confirmed_fails_in_time_and_says_what_was_seen() {
    let fake = Fake::new([("a", &[Is(On)], &[])]);
    let text = off_fails(&fake);
    assert!(
        text.starts_with("proof that a is off (last seen: on) did not happen within"),
        "{text}"
    );
}

#[test]
fn an_unknown_state_is_never_off() {
    let fake = Fake::new([("a", &[Is(On)], &[Garbage])]);
    let text = off_fails(&fake);
    assert!(text.contains("sleepy"), "{text}");
    assert!(fake.told().starts_with("off:a"), "it was tried all the same");
}

#[test]
fn a_single_look_at_off_proves_nothing() {
    let flapping: Vec<Look> = [Is(Off), Is(On)].repeat(200);
    let fake = Fake::new([("a", &flapping, &[])]);
    off_fails(&fake);
    let interrupted: Vec<Look> = [Is(Off), Garbage].repeat(200);
    off_fails(&Fake::new([("a", &interrupted, &[])]));
}

#[test]
fn one_look_at_off_before_the_device_falls_silent_proves_nothing() {
    let fake = Fake::new([("a", &[Is(Off), Stalls], &[])]);
    let limits = Limits {
        first: Duration::from_secs(5),
        exchange: Duration::from_secs(5),
        ..limits()
    };
    let error = off(&fake, &plugs(&["a"]), &limits).unwrap_err();
    assert!(matches!(cause(&error), Error::Timeout { .. }), "{error}");
}

#[test]
fn a_plug_that_comes_back_between_two_looks_is_ordered_again() {
    let fake = Fake::new([("a", &[Is(Off), Is(On)], &[Is(Off)])]);
    off(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(fake.told(), "off:a");
}

#[test]
fn a_refused_order_is_given_again() {
    let fake = Fake::new([("a", &[Is(On)], &[Is(Off)])]);
    *fake.off_refused.borrow_mut() = 3;
    off(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(fake.told(), "off:a");
}

/// One that is only slow may begin anew with each order.
#[test]
fn an_order_that_was_accepted_is_not_given_again_soon() {
    let late = [Is(On); 5];
    let fake = Fake::new([("a", &[Is(On)], &[&late[..], &[Is(Off)]].concat())]);
    off(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(fake.told(), "off:a");
}

#[test]
fn an_order_that_came_to_nothing_is_given_again_at_once() {
    let mut fake = Fake::new([("a", &[Is(On)], &[])]);
    fake.gives_up = true;
    off_fails(&fake);
    assert!(fake.told().matches("off:a").count() > 3, "{}", fake.told());
}

#[test]
fn orders_that_come_to_nothing_are_not_given_without_a_pause() {
    let mut fake = Fake::new([("a", &[Is(On)], &[])]);
    fake.gives_up = true;
    let limits = Limits {
        steps: (Duration::from_millis(50), Duration::from_millis(50)),
        ..limits()
    };
    assert!(off(&fake, &plugs(&["a"]), &limits).is_err());
    let orders = fake.told().matches("off:a").count();
    assert!((2..=7).contains(&orders), "{orders} in 250 ms");
}

/// The cluster waits for the answer, and what comes after the proof is no part of it.
#[test]
fn a_device_that_is_slow_to_switch_on_holds_up_no_reboot() {
    let mut fake = Fake::new([("a", &[Is(On)], &[Is(Off)])]);
    fake.on_stalls = true;
    let limits = Limits {
        exchange: Duration::from_secs(60),
        ..limits()
    };
    let since = Deadline::after(Duration::ZERO);
    assert_eq!(reboot(&fake, &plugs(&["a"]), &limits).unwrap().len(), 1);
    assert!(since.age() < Duration::from_secs(20), "{:?}", since.age());
}

#[test]
fn a_device_that_refuses_every_order_is_quoted() {
    let fake = Fake::new([("a", &[Is(On)], &[])]);
    *fake.off_refused.borrow_mut() = u32::MAX;
    let text = off_fails(&fake);
    assert!(text.contains("locked"), "{text}");
}

#[test]
fn a_wrong_name_among_several_switches_nothing_and_ends_at_once() {
    let fake = Fake::new([("a", &[Is(On)], &[Is(Off)]), ("typo", &[NoSuchPlug], &[])]);
    let started = Deadline::after(Duration::ZERO);
    let error = off(&fake, &plugs(&["a", "typo"]), &limits()).unwrap_err();
    assert!(is_final(&error), "{error}");
    assert_eq!(fake.told(), "");
    assert!(started.age() < limits().power);
}

#[test]
fn a_reboot_has_succeeded_when_off_is_proven_whatever_on_did() {
    let mut fake = Fake::new([("a", &[Is(On)], &[Is(Off)])]);
    fake.on_fails = true;
    let remarks = reboot(&fake, &plugs(&["a"]), &limits()).unwrap();
    assert_eq!(remarks.len(), 1);
    assert!(remarks[0].to_string().starts_with("a is off, but"), "{}", remarks[0]);
}

#[test]
fn a_reboot_without_proof_of_off_never_orders_on() {
    let fake = Fake::new([("a", &[Is(On)], &[])]);
    assert!(reboot(&fake, &plugs(&["a"]), &limits()).is_err());
    assert!(!fake.told().contains("on:"), "{}", fake.told());
}

#[test]
fn all_plugs_are_off_at_once_before_any_is_on() {
    let fake = Fake::new([
        ("a", &[Is(On)], &[Is(Off)]),
        ("b", &[Is(On)], &[Is(On), Is(On), Is(Off)]),
    ]);
    let remarks = reboot(&fake, &plugs(&["a", "b"]), &limits()).unwrap();
    assert!(remarks.is_empty());
    assert_eq!(fake.told(), "off:a off:b on:a on:b");
}

#[test]
fn two_plugs_that_are_off_by_turns_are_not_off() {
    let (even, odd): (Vec<Look>, Vec<Look>) = ([Is(Off), Is(On)].repeat(200), [Is(On), Is(Off)].repeat(200));
    let fake = Fake::new([("a", &even, &[]), ("b", &odd, &[])]);
    assert!(off(&fake, &plugs(&["a", "b"]), &limits()).is_err());
}

#[test]
fn on_is_ordered_as_often_as_allowed() {
    let fake = Fake::new([("a", &[Is(Off)], &[])]);
    let limits = Limits {
        retry_on: 3,
        ..limits()
    };
    assert!(on(&fake, &plugs(&["a"]), &limits).is_err());
    assert_eq!(fake.told(), "on:a on:a on:a");
}

#[test]
fn status_is_on_if_any_plug_is_and_unknown_if_any_cannot_be_told() {
    let fake = Fake::new([
        ("off", &[Is(Off)], &[]),
        ("on", &[Is(On)], &[]),
        ("odd", &[Garbage], &[]),
    ]);
    let status = |names: &[&str]| status(&fake, &plugs(names), &limits());
    assert_eq!(status(&["off"]).unwrap(), Off);
    assert_eq!(status(&["off", "on"]).unwrap(), On);
    assert!(status(&["off", "odd"]).is_err());
}
