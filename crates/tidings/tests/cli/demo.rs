//! `tidings demo`: events of all groups, the same ones by the same seed, and a good end whatever
//! the server does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::proxy::Proxy;
use crate::support::{Place, Server, stderr};

const FAST: &str = "--per-minute=60000";

/// The data of all that a topic holds.
async fn kept(server: &Server, topic: &str) -> Vec<Value> {
    let (status, page) = server
        .call("GET", &format!("/events?topic={topic}&limit=1000"))
        .await;
    assert_eq!(status, 200, "{page}");
    page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["data"].clone())
        .collect()
}

#[tokio::test]
async fn the_demo_publishes_to_every_group_of_streams() {
    let server = Place::new().serve().await;
    let url = format!("http://{}", server.address);
    let output = Place::new()
        .run(&["demo", &url, FAST, "--count=300", "--seed=1"])
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).ends_with("tidings: stopped after 300 events\n"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().count(),
        300
    );

    assert!(!kept(&server, "notifications").await.is_empty());
    assert!(!kept(&server, "realtime/entity/order").await.is_empty());
    let talk = kept(&server, "chat/room/general").await;
    let who: BTreeSet<_> = talk
        .iter()
        .filter(|one| one["type"] == "text")
        .map(|one| one["userId"].to_string())
        .collect();
    assert!(who.len() > 2, "{who:?} talk");
    let (_, status) = server.call("GET", "/system/status").await;
    let services = status["services"].as_array().unwrap();
    assert!(
        services.len() == 4 && services.iter().all(|service| service["status"] == "online"),
        "{status}"
    );
    let (_, members) = server.call("GET", "/chat/room/general/members").await;
    assert_eq!(members["members"], Value::Array(Vec::new()), "{members}");
}

#[tokio::test]
async fn the_same_seed_publishes_the_same_events() {
    let mut stories = Vec::new();
    for seed in ["--seed=5", "--seed=5", "--seed=6"] {
        let server = Place::new().serve().await;
        let place = Place::new().calling(server.address);
        stories.push(place.succeed(&["demo", FAST, "--count=60", seed]).await);
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
}

#[tokio::test]
async fn the_demo_waits_for_a_server_that_is_not_running() {
    let server = Place::new().serve().await;
    let proxy = Proxy::new(None, 0).await;
    let mut demo = Place::new()
        .calling(proxy.address)
        .start(&["demo", FAST, "--count=20"]);
    demo.note_that("tidings: publishing to ").await;
    let said = demo.note().await;
    assert!(
        said.starts_with("tidings: ") && said.contains("; trying again in "),
        "{said}"
    );
    proxy.redirect(Some(server.address));
    let (status, said) = demo.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped after 20 events"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_the_demo_with_0_with_and_without_a_server() {
    let server = Place::new().serve().await;
    let mut demo = Place::new().calling(server.address).start(&["demo"]);
    demo.line().await;
    demo.interrupt();
    let (status, said) = demo.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("tidings: stopped after "), "{said}");

    let proxy = Proxy::new(None, 0).await;
    let mut demo = Place::new().calling(proxy.address).start(&["demo"]);
    demo.note_that("tidings: publishing to ").await;
    demo.note().await;
    demo.interrupt();
    let (status, said) = demo.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.ends_with("tidings: stopped after 0 events"), "{said}");
}

/// `timeout` sends a signal to the command and then to its group, so that the command gets it
/// twice.
#[cfg(unix)]
#[tokio::test]
async fn two_signals_at_the_same_time_count_as_one() {
    let server = Place::new().serve().await;
    let mut demo = Place::new().calling(server.address).start(&["demo"]);
    demo.line().await;
    demo.interrupt();
    // Two that come together are one for the system already.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    demo.interrupt();
    let (status, said) = demo.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    let (_, members) = server.call("GET", "/chat/room/general/members").await;
    assert_eq!(members["members"], Value::Array(Vec::new()), "{members}");
}

#[tokio::test]
async fn a_refused_token_ends_the_demo_and_the_error_says_how_to_get_one() {
    let secret = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";
    let strict = || {
        Place::new()
            .env("JWT_SECRET", secret)
            .env("AUTH_DEMO", "false")
    };
    let server = strict().serve().await;
    let url = format!("http://{}", server.address);
    let (said, code) = Place::new().fail(&["demo", &url]).await;
    assert!(
        said.contains("tidings token --sub demo --role admin") && said.contains("(401)"),
        "{said}"
    );
    assert_eq!(code, Some(1));

    let token = strict().succeed(&["token", "--sub", "demo"]).await;
    let (said, code) = Place::new()
        .env("TIDINGS_TOKEN", token.trim_end())
        .fail(&["demo", &url])
        .await;
    assert!(
        said.contains("needs the token of an administrator") && said.contains("(403)"),
        "{said}"
    );
    assert_eq!(code, Some(1));

    let token = strict()
        .succeed(&["token", "--sub", "demo", "--role", "admin"])
        .await;
    Place::new()
        .env("TIDINGS_TOKEN", token.trim_end())
        .succeed(&["demo", &url, FAST, "--count=30"])
        .await;
}

#[tokio::test]
async fn a_closed_output_is_not_a_failure() {
    let server = Place::new().serve().await;
    let mut demo = Place::new().calling(server.address).start(&["demo", FAST]);
    demo.line().await;
    demo.close_output();
    assert_eq!(demo.end().await.0.code(), Some(0));
}
