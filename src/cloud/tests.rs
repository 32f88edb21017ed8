//! What each refusal means, and when to come again.

use super::*;

fn api(dialect: &'static Dialect) -> Api {
    Api {
        dialect,
        server: Server::unix(Path::new("/nowhere")),
        authorization: String::new(),
        scarce: Cell::new(false),
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    Response {
        status,
        headers: headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

const NOW: Duration = Duration::from_secs(1_000_000);
const PENDING: &str = r#"{"id":"unprocessable_entity","message":"Droplet already has a pending event."}"#;
const LOCKED: &str = r#"{"error":{"code":"locked","message":"server is locked","details":null}}"#;

fn word(failure: &Failure) -> &'static str {
    match failure {
        Failure::Later(..) => "later",
        Failure::Missing(_) => "missing",
        Failure::Final(_) => "final",
    }
}

#[test]
fn every_refusal_is_final_or_passes_or_says_that_nothing_is_there() {
    let clouds = [&digitalocean::DIALECT, &hetzner::DIALECT];
    let table = [
        (400, "", "final"),
        (401, "", "final"),
        (403, "", "final"),
        (404, "", "missing"),
        (409, "", "later"),
        (
            422,
            r#"{"id":"unprocessable_entity","message":"droplet_id is invalid"}"#,
            "final",
        ),
        (
            422,
            r#"{"error":{"code":"invalid_input","message":"no such server"}}"#,
            "final",
        ),
        (423, LOCKED, "later"),
        (429, "", "later"),
        (500, "", "later"),
        (503, "<html>", "later"),
        (302, "", "final"),
    ];
    for cloud in clouds {
        for (status, body, expected) in table {
            let failure = api(cloud).failure("x", &response(status, &[], body), NOW);
            assert_eq!(word(&failure), expected, "{} {status} {body}", cloud.name);
        }
    }
    let pending = api(clouds[0]).failure("x", &response(422, &[], PENDING), NOW);
    assert_eq!(word(&pending), "later");
    assert!(Error::from(pending).to_string().contains("pending event"));
    let locked = api(clouds[1]).failure("x", &response(422, &[], LOCKED), NOW);
    assert_eq!(word(&locked), "later");
}

#[test]
fn a_token_that_is_refused_is_a_matter_of_permission() {
    let failure = api(&digitalocean::DIALECT).failure("asking", &response(401, &[], ""), NOW);
    let error = Error::from(failure);
    assert!(
        matches!(error, Error::NoPermission { .. }) && error.to_string().contains("token_file"),
        "{error}"
    );
}

#[test]
fn too_many_requests_are_repeated_when_the_cloud_says() {
    let wait = |headers: &[(&str, &str)]| wait(&response(429, headers, ""), NOW).as_secs();
    assert_eq!(wait(&[("retry-after", "7")]), 7);
    assert_eq!(wait(&[("ratelimit-reset", "1000030")]), 30);
    assert_eq!(wait(&[("ratelimit-reset", "999999")]), 1);
    assert_eq!(wait(&[("retry-after", "soon")]), 1);
    assert_eq!(wait(&[("retry-after", "18446744073709551615")]), 3600);
    assert_eq!(wait(&[]), 1);
}

#[test]
fn the_last_tenth_of_the_allowance_is_spared() {
    let headers = |remaining| [("ratelimit-limit", "5000"), ("ratelimit-remaining", remaining)];
    assert!(!scarce(&response(200, &headers("500"), "")));
    assert!(scarce(&response(200, &headers("499"), "")));
    assert!(!scarce(&response(200, &[], "")));
}

#[test]
fn what_passes_is_asked_again_and_what_is_final_is_not() {
    let api = api(&hetzner::DIALECT);
    let deadline = Deadline::after(Duration::from_secs(30));
    let mut looks = 0;
    let found = api.patiently("it", deadline, |_| {
        looks += 1;
        match looks {
            1 => Err(Failure::Later(Duration::ZERO, Error::State("busy".to_owned()))),
            2 => Ok(None),
            _ => Ok(Some(looks)),
        }
    });
    assert_eq!(found.unwrap(), 3);
    let refused: Result<()> = api.patiently("it", deadline, |_| Err(Failure::Final(Error::State("no".to_owned()))));
    assert_eq!(refused.unwrap_err().to_string(), "no");
}

#[test]
fn nobody_waits_for_a_time_after_the_deadline() {
    let deadline = Deadline::after(Duration::from_secs(10));
    let result: Result<()> = api(&hetzner::DIALECT).patiently("it", deadline, |_| {
        Err(Failure::Later(
            Duration::from_secs(60),
            Error::State("too many requests".to_owned()),
        ))
    });
    assert_eq!(result.unwrap_err().to_string(), "too many requests");
    assert!(deadline.age() < Duration::from_secs(5));
}

#[test]
fn a_token_never_goes_over_an_open_line() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let open = |url| {
        let access = Access {
            token: None,
            token_file: Some(&token),
            url: Some(url),
            authorities: None,
        };
        Api::open(&hetzner::DIALECT, &access).map(|api| api.authorization)
    };
    assert_eq!(open("http://127.0.0.1:1").unwrap(), "Bearer s3cret");
    let error = open("http://192.0.2.1/v1").unwrap_err().to_string();
    assert!(error.contains("api_url") && !error.contains("s3cret"), "{error}");
    let without = Access::default();
    assert!(
        Api::open(&hetzner::DIALECT, &without)
            .map(|_| ())
            .unwrap_err()
            .to_string()
            .contains("token_file")
    );
}
