//! Client libraries that other people wrote: what they make of the streams is what counts.

use serde_json::json;
use tidings::Server;
use tokio::task::JoinSet;

use crate::support::client::{Client, Library};
use crate::support::{ADMIN, TestServer, config, demo, in_time, jwt, start, start_on, start_with};

const ALL: [Library; 3] = [Library::EventSource, Library::HttpxSse, Library::Sseclient];

/// Those that come back when a connection ends.
const RECONNECTING: [Library; 2] = [Library::EventSource, Library::HttpxSse];

/// Tells the story of each library, all at the same time: most of it is waiting.
async fn each<S: Future<Output = ()> + Send + 'static>(
    libraries: impl IntoIterator<Item = Library>,
    story: impl Fn(Library) -> S,
) {
    libraries.into_iter().map(story).collect::<JoinSet<()>>().join_all().await;
}

fn url(server: &TestServer, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

/// A client that follows the notifications of `ann`, and is open.
async fn follow(library: Library, server: &TestServer, events: &str) -> Client {
    let token = demo("ann", "user");
    let mut client = library.follow(&url(server, "/notifications/stream"), events, &["--token", &token]);
    client.opened().await;
    client
}

/// Ends the only connection of `ann` by its id.
async fn kick(server: &TestServer) {
    let listed = server.call("GET", "/system/connections?userId=ann", ADMIN, json!(null)).await.json();
    let id = listed["connections"][0]["id"].as_str().unwrap();
    assert_eq!(server.call("DELETE", &format!("/system/connections/{id}"), ADMIN, json!(null)).await.status, 200);
}

/// The client shows the notification with this title, under this id, next.
async fn shows(client: &mut Client, title: &str, id: &str) {
    let event = client.event("notification").await;
    let data: serde_json::Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
    assert_eq!((&event["id"], &data["title"]), (&json!(id), &json!(title)));
}

#[tokio::test]
async fn every_client_gets_events_of_every_name_and_heartbeats() {
    each(ALL, |library| async move {
        let server = start_with(&[("HEARTBEAT_INTERVAL", "300ms")]).await;
        let mut client = follow(library, &server, "connected,notification,heartbeat,message").await;
        client.event("connected").await;
        client.event("heartbeat").await;
        let (title, mut beats) = ("grüße 📣 \u{2028} \n\r end", 0);
        let id = server.notify(title).await;
        let event = loop {
            let line = client.next().await;
            match line["event"].as_str() {
                Some("heartbeat") => beats += 1,
                _ => break line,
            }
        };
        assert!(beats < 10, "{library:?}");
        assert_eq!((&event["event"], &event["id"]), (&json!("notification"), &json!(id)), "{library:?}");
        let data: serde_json::Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["title"], title, "{library:?}");
        client.event("heartbeat").await;
    })
    .await;
}

#[tokio::test]
async fn comment_heartbeats_are_no_events_to_any_client() {
    each(ALL, |library| async move {
        let server = start_with(&[("HEARTBEAT_INTERVAL", "100ms"), ("HEARTBEAT_STYLE", "comment")]).await;
        let mut client = follow(library, &server, "connected,notification,heartbeat,message").await;
        client.event("connected").await;
        for title in ["first", "after more comments"] {
            // As many as this stream has seen, give or take one, the client's has been sent too.
            let mut beside = server.connected("/notifications/stream", "").await;
            beside.read_until(|text| text.ends_with(":\n:\n:\n:\n:\n")).await;
            let id = server.notify(title).await;
            shows(&mut client, title, &id).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reconnects_misses_nothing_when_it_is_kicked_and_gets_nothing_twice() {
    each(RECONNECTING, |library| async move {
        let server = start().await;
        let mut client = follow(library, &server, "notification,message,reset").await;
        let id = server.notify("before").await;
        shows(&mut client, "before", &id).await;
        kick(&server).await;
        client.failed().await;
        let id = server.notify("while it was away").await;
        client.opened().await;
        shows(&mut client, "while it was away", &id).await;
        for title in ["after", "and after"] {
            let id = server.notify(title).await;
            shows(&mut client, title, &id).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_has_seen_no_event_yet_misses_nothing_either() {
    each(RECONNECTING, |library| async move {
        let server = start_with(&[("HEARTBEAT_INTERVAL", "300ms")]).await;
        server.notify("before its time").await;
        let mut client = follow(library, &server, "connected,heartbeat,notification,message,reset").await;
        client.event("connected").await;
        client.event("heartbeat").await;
        kick(&server).await;
        while client.next().await.get("error").is_none() {}
        let id = server.notify("while it was away").await;
        client.opened().await;
        client.event("connected").await;
        shows(&mut client, "while it was away", &id).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_without_a_loop_ends_and_goes_on_where_it_was_when_it_is_started_again() {
    let server = start().await;
    let mut client = follow(Library::Sseclient, &server, "notification").await;
    let id = server.notify("before").await;
    shows(&mut client, "before", &id).await;
    kick(&server).await;
    client.failed().await;
    assert_eq!(client.exit().await, Some(1));
    let missed = server.notify("while it was away").await;
    let url = url(&server, "/notifications/stream");
    let mut client = Library::Sseclient.follow(&url, "notification,reset", &["--last-event-id", &id]);
    client.opened().await;
    shows(&mut client, "while it was away", &missed).await;
    let id = server.notify("after").await;
    shows(&mut client, "after", &id).await;
}

#[tokio::test]
async fn a_client_that_was_told_busy_keeps_its_place() {
    each(RECONNECTING, |library| async move {
        let mut server = start_with(&[("DRAIN_SECONDS", "60s")]).await;
        let id = server.notify("seen").await;
        let _open =
            [server.connected("/notifications/stream", "").await, server.connected("/notifications/stream", "").await];
        server.begin_stop();
        in_time(async { while server.get("/health/ready").await.status != 503 {} }).await;
        let url = url(&server, "/notifications/stream");
        let mut client = library.follow(&url, "busy,connected,message", &["--last-event-id", &id]);
        // The server repeats the cursor that it is asked with, so the second time shows what the client came back with.
        for _ in 0..2 {
            client.opened().await;
            assert_eq!(client.event("busy").await["id"], json!(id), "{library:?}");
            client.failed().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_comes_back_to_the_servers_successor_and_is_told_that_the_log_is_another() {
    each(RECONNECTING, |library| async move {
        // Both listen on one socket, as when a service manager holds it: who comes in between waits.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let builder = || Server::builder().config(config(&[]).unwrap()).listener(listener.try_clone().unwrap());
        let mut server = start_on(builder());
        let mut client = follow(library, &server, "draining,reset,notification,message").await;
        let id = server.notify("seen").await;
        shows(&mut client, "seen", &id).await;
        server.stopped().await.unwrap();
        let successor = start_on(builder());
        let draining = client.event("draining").await;
        assert_eq!(draining["data"], r#"{"reason":"shutdown","reconnect":true}"#);
        client.failed().await;
        client.opened().await;
        let reset = client.event("reset").await;
        let data: serde_json::Value = serde_json::from_str(reset["data"].as_str().unwrap()).unwrap();
        assert_eq!((&data["reason"], &data["requested"]), (&json!("epoch"), &json!(id)));
        assert_eq!(data["resumedFrom"], reset["id"]);
        let id = successor.notify("of the successor").await;
        shows(&mut client, "of the successor", &id).await;
    })
    .await;
}

#[tokio::test]
async fn lasting_refusals_end_every_client() {
    let server = start().await;
    for library in ALL {
        for (path, status) in [("/chat/stream", 401), ("/nope", 404), ("/realtime/stream?entities=a/b", 400)] {
            let mut client = library.follow(&url(&server, path), "message", &[]);
            assert_eq!(client.failed().await["status"], status, "{library:?}");
            assert_eq!(client.exit().await, Some(1), "{library:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_ran_out_ends_every_client() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    // With the leeway of 30 seconds it is good for another four to five: time for the clients to start.
    let token = jwt(SECRET, tidings_hub::Clock::system().now() - std::time::Duration::from_secs(55), 30);
    let url = url(&server, "/notifications/stream");
    let mut clients = ALL.map(|library| (library, library.follow(&url, "expired,message", &["--token", &token])));
    for (_, client) in &mut clients {
        client.opened().await;
    }
    for (library, mut client) in clients {
        assert_eq!(client.event("expired").await["data"], r#"{"reason":"token_expired","reconnect":false}"#);
        client.failed().await;
        if library != Library::Sseclient {
            // It tries once more, as nothing on the wire can stop it, and the refused token is the end.
            assert_eq!(client.failed().await["status"], 401, "{library:?}");
        }
        assert_eq!(client.exit().await, Some(1), "{library:?}");
    }
}
