use super::*;

fn state(json: &str) -> std::result::Result<State, String> {
    meaning(&serde_json::from_str(json).unwrap())
}

fn quiet(word: &str) -> std::result::Result<State, String> {
    state(&format!(
        r#"{{"Status":"{word}","Running":false,"Paused":false,"Restarting":false,"Pid":0}}"#
    ))
}

#[test]
fn only_three_words_mean_off() {
    for word in ["exited", "dead", "created"] {
        assert_eq!(quiet(word), Ok(State::Off), "{word}");
    }
    for word in ["running", "paused", "restarting", "removing"] {
        assert_eq!(quiet(word), Ok(State::On), "{word}");
    }
    for word in ["", "Exited", "stopped", "stopping", "off", "sleepy"] {
        assert!(quiet(word).is_err(), "{word}");
    }
}

#[test]
fn a_process_or_a_flag_contradicts_off() {
    for rest in [
        r#""Running":false,"Paused":false,"Restarting":false,"Pid":42"#,
        r#""Running":true,"Paused":false,"Restarting":false,"Pid":0"#,
        r#""Running":false,"Paused":true,"Restarting":false,"Pid":0"#,
        r#""Running":false,"Paused":false,"Restarting":true,"Pid":0"#,
    ] {
        assert!(state(&format!(r#"{{"Status":"exited",{rest}}}"#)).is_err(), "{rest}");
    }
    let partial = serde_json::from_str::<ContainerState>(r#"{"Status":"exited"}"#);
    assert!(partial.is_err(), "an answer without a pid proves nothing");
}

#[test]
fn the_beginning_of_an_id_is_no_name() {
    let container: Container = serde_json::from_str(
        r#"{"Id":"db15c0ffee00aaaa","Name":"/web",
            "State":{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"Pid":0}}"#,
    )
    .unwrap();
    assert!(container.is_named("web"));
    assert!(container.is_named("db15c0ffee00"));
    assert!(!container.is_named("db1"));
}

#[test]
fn the_version_is_one_that_both_sides_speak() {
    let negotiate = |newest: &str, oldest: &str| {
        let json = format!(r#"{{"ApiVersion":"{newest}","MinAPIVersion":"{oldest}"}}"#);
        negotiated(&serde_json::from_str(&json).unwrap())
    };
    assert_eq!(negotiate("1.41", "1.12"), Ok(Version(1, 41)));
    assert_eq!(negotiate("1.60", "1.44"), Ok(NEWEST));
    assert_eq!(negotiate("1.80", "1.70"), Ok(Version(1, 70)));
    assert_eq!(negotiate("1.41", ""), Ok(Version(1, 41)), "podman");
    assert!(negotiate("1.18", "1.12").is_err());
    assert!(negotiate("latest", "").is_err());
}

#[test]
fn only_a_name_reaches_the_path_of_a_request() {
    for bad in ["", "a/b", "../version", "a?b", "a b", "-a", "a\r\nX: y"] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
    check_name("lab_db-1.example").unwrap();
}

#[test]
fn links_of_others_are_no_names() {
    let entry = Entry {
        names: vec!["/other/alias".to_owned(), "/db1".to_owned()],
        state: "sleepy".to_owned(),
    };
    let listed = entry.listed().unwrap();
    assert_eq!((listed.plug.as_str(), listed.state), ("db1", None));
}
