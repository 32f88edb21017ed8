use super::*;

fn values(pairs: &[(&str, &str)]) -> Values {
    let mut values = Values::default();
    for (name, value) in pairs {
        assert!(values.set(name, value), "{name}");
    }
    values
}

fn plugs(pairs: &[(&str, &str)]) -> Vec<String> {
    values(pairs).plugs()
}

#[test]
fn the_plug_wins_over_the_port_and_the_port_over_the_node_name() {
    assert_eq!(plugs(&[("port", "p"), ("plug", "q"), ("nodename", "n")]), ["q"]);
    assert_eq!(plugs(&[("port", "p"), ("nodename", "n")]), ["p"]);
    assert_eq!(plugs(&[("nodename", "n")]), ["n"]);
    assert!(plugs(&[("plug", " ")]).is_empty());
}

#[test]
fn a_validation_does_not_ask_for_the_node_that_pacemaker_made_up() {
    let plugs = |pairs: &[(&str, &str)]| Options::from(&values(pairs)).unwrap().plugs;
    let made_up = [("plug", "node1"), ("nodename", "node1")];
    assert!(plugs(&[&[("action", "validate-all")][..], &made_up].concat()).is_empty());
    assert!(plugs(&[("action", "validate-all"), ("nodename", "node1")]).is_empty());
    assert_eq!(plugs(&[&[("action", "off")][..], &made_up].concat()), ["node1"]);
    let configured = [("action", "validate-all"), ("plug", "db1"), ("nodename", "node1")];
    assert_eq!(plugs(&configured), ["db1"]);
}

#[test]
fn several_plugs_are_separated_and_named_once() {
    assert_eq!(plugs(&[("plug", "a, b,,a")]), ["a", "b"]);
    assert_eq!(plugs(&[("plug", "a;b"), ("plug_separator", ";")]), ["a", "b"]);
}

#[test]
fn defaults_are_those_of_the_table() {
    let options = Options::from(&values(&[("plug", "db1")])).unwrap();
    assert_eq!(options.action, Action::Reboot);
    assert_eq!(options.limits.power, Duration::from_secs(20));
    assert_eq!(options.limits.retry_on, 1);
    assert!(!options.quiet && !options.verbose);
}

#[test]
fn a_wrong_value_is_named() {
    for (name, value) in [
        ("power_timeout", "soon"),
        ("retry_on", "0"),
        ("quiet", "maybe"),
        ("delay", "-1"),
        ("delay", "18446744073709551"),
        ("power_timeout", "3601"),
        ("login_timeout", "99999999h"),
        ("power_wait", "20"),
    ] {
        let error = Options::from(&values(&[("plug", "a"), (name, value)])).unwrap_err();
        assert!(error.to_string().contains(&format!("{name}=\"{value}\"")), "{error}");
    }
}

#[test]
fn zero_is_no_limit_as_elsewhere_but_never_for_ever() {
    let limits = |pairs: &[(&str, &str)]| {
        Options::from(&values(&[&[("plug", "a")][..], pairs].concat()))
            .unwrap()
            .limits
    };
    let none = limits(&[("power_timeout", "0"), ("login_timeout", "0"), ("shell_timeout", "0")]);
    assert_eq!((none.power, none.first, none.exchange), (LONGEST, EXCHANGE, EXCHANGE));
    let short = limits(&[("login_timeout", "9"), ("shell_timeout", "2")]);
    assert_eq!((short.first.as_secs(), short.exchange.as_secs()), (9, 2));
}

#[test]
fn a_level_is_a_yes() {
    let flag = |text: &str| values(&[("verbose", text)]).flag("verbose").unwrap();
    assert!(flag("2") && flag("1") && flag("yes") && !flag("0") && !flag("no"));
}

#[test]
fn switching_needs_a_plug_and_looking_around_does_not() {
    for (name, action) in Action::ALL {
        let result = Options::from(&values(&[("action", name)]));
        assert_eq!(result.is_err(), action.needs_plug(), "{name}");
    }
}

#[test]
fn an_unknown_action_is_said_in_the_words_that_pacemaker_knows() {
    let error = Action::parse("explode").unwrap_err().to_string();
    assert!(error.starts_with("unsupported action \"explode\""), "{error}");
    assert_eq!(Action::parse("meta-data").unwrap(), Action::Metadata);
}
