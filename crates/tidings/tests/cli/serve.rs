//! `tidings serve` and `tidings config`: how they end, and what they say.

use crate::support::Place;

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_well() {
    let server = Place::new().serve().await;
    assert_eq!(server.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_server_on_one_port_says_so_in_one_line() {
    let server = Place::new().serve().await;
    let port = server.address.port().to_string();
    for command in [&[][..], &["serve"]] {
        let (said, code) = Place::new().fail(&[command, &["--host", "127.0.0.1", "--port", &port]].concat()).await;
        assert!(said.starts_with("tidings: ") && said.contains(&port), "{said}");
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
}

#[tokio::test]
async fn a_flag_that_is_none_is_refused_in_one_line() {
    for command in [&[][..], &["serve"], &["config"], &["token"], &["publish", "raw"], &["tail"]] {
        let (said, code) = Place::new().fail(&[command, &["--colour"]].concat()).await;
        assert!(said.starts_with("tidings: --colour (command line) is no flag; "), "{said}");
        assert_eq!((said.lines().count(), code), (1, Some(2)), "{said}");
    }
}

#[tokio::test]
async fn the_effective_settings_show_their_origin_and_no_secret() {
    let secret = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";
    let place = Place::new().env("JWT_SECRET", secret).env("HEARTBEAT_INTERVAL", "2s");
    let settings = place.succeed(&["config", "--port", "4000"]).await;
    for line in
        ["PORT = 4000  # flag --port", "HEARTBEAT_INTERVAL = 2s  # environment", "BASE_PATH = (none)  # default"]
    {
        assert!(settings.lines().any(|shown| shown == line), "{settings}");
    }
    assert!(settings.contains("JWT_SECRET = (hidden, "), "{settings}");
    assert!(!settings.contains(secret), "{settings}");
}
