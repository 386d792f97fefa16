//! Client libraries by other authors: the server is right if they get every event.

mod facts;
mod followers;
mod matrix;
mod ways;

use std::time::Duration;

use serde_json::json;
use tidings_server::Server;
use tokio::task::JoinSet;

use crate::support::checks::SetClock;
use crate::support::client::{Client, Library};
use crate::support::{ADMIN, TestServer, config, demo, in_time, jwt, start, start_on, start_with};

/// The libraries that reconnect when a connection breaks.
const RECONNECTING: [Library; 12] = [
    Library::Browser,
    Library::FetchEventSource,
    Library::EventSource,
    Library::EventSourceClient,
    Library::HttpxSse,
    Library::R3labs,
    Library::Tmaxmax,
    Library::GoEventSource,
    Library::Donovanhide,
    Library::OkHttpEventSource,
    Library::Jersey,
    Library::KtorReconnecting,
];

/// The libraries that always show what came right before a break (`docs/clients.md`), and report
/// the break.
const SHOWING_LAST_WORDS: [Library; 9] = [
    Library::Browser,
    Library::EventSource,
    Library::EventSourceClient,
    Library::HttpxSse,
    Library::R3labs,
    Library::Tmaxmax,
    Library::GoEventSource,
    Library::Donovanhide,
    Library::OkHttpEventSource,
];

/// The libraries that treat a refusal like a break of the connection.
const LOOKING_AT_NO_STATUS: [Library; 4] = [
    Library::FetchEventSource,
    Library::EventSourceClient,
    Library::R3labs,
    Library::OkHttpEventSource,
];

/// The libraries that reconnect without a report of how the connection before ended.
const SILENT: [Library; 2] = [Library::Jersey, Library::KtorReconnecting];

/// The libraries that never reconnect, however the stream ended.
const OF_ONE_CONNECTION: [Library; 6] = [
    Library::Sseclient,
    Library::NetHttp,
    Library::OkHttp,
    Library::WebClient,
    Library::JavaNetHttp,
    Library::Ktor,
];

/// All libraries.
fn all() -> impl Iterator<Item = Library> {
    RECONNECTING.into_iter().chain(OF_ONE_CONNECTION)
}

/// Runs `story` with each library, all at the same time, because they mostly wait.
async fn each<S: Future<Output = ()> + Send + 'static>(
    libraries: impl IntoIterator<Item = Library>,
    story: impl Fn(Library) -> S,
) {
    libraries
        .into_iter()
        .filter(|library| library.is_there())
        .map(story)
        .collect::<JoinSet<()>>()
        .join_all()
        .await;
}

/// Reads the client's report that its connection ended, if its library makes one.
async fn ended(library: Library, client: &mut Client) {
    if !SILENT.contains(&library) {
        client.failed().await;
    }
}

fn url(server: &TestServer, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

/// A client that follows the notifications of `ann`, and is connected.
async fn follow(library: Library, server: &TestServer, events: &str) -> Client {
    let token = demo("ann", "user");
    let mut client = library.follow(&url(server, "/notifications/stream"), events, &token, "");
    client.opened().await;
    client
}

/// Ends the only stream of `ann`.
async fn kick(server: &TestServer) {
    let ended = server
        .call(
            "DELETE",
            "/system/users/ann/connections",
            ADMIN,
            json!(null),
        )
        .await;
    assert_eq!((ended.status, &ended.json()["ended"]), (200, &json!(1)));
}

/// Checks that the client next shows the notification with this title and this id.
async fn shows(client: &mut Client, title: &str, id: &str) {
    let event = client.event("notification").await;
    let data: serde_json::Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
    assert_eq!((&event["id"], &data["title"]), (&json!(id), &json!(title)));
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn every_client_gets_events_of_every_name_and_heartbeats() {
    each(all(), |library| async move {
        let server = start_with(&[("HEARTBEAT_INTERVAL", "300ms")]).await;
        let mut client = follow(library, &server, "connected,notification,heartbeat,message").await;
        client.event("connected").await;
        client.event("heartbeat").await;
        let title = "grüße 📣 \u{2028} \n\r end";
        let id = server.notify(title).await;
        let event = in_time(async {
            loop {
                let line = client.next().await;
                if line["event"] != "heartbeat" {
                    break line;
                }
            }
        })
        .await;
        assert_eq!(
            (&event["event"], &event["id"]),
            (&json!("notification"), &json!(id)),
            "{library:?}"
        );
        let data: serde_json::Value =
            serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["title"], title, "{library:?}");
        client.event("heartbeat").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn no_client_reports_a_comment_heartbeat_as_an_event() {
    each(all(), |library| async move {
        let server = start_with(&[
            ("HEARTBEAT_INTERVAL", "100ms"),
            ("HEARTBEAT_STYLE", "comment"),
        ])
        .await;
        let mut client = follow(library, &server, "connected,notification,heartbeat,message").await;
        client.event("connected").await;
        for title in ["first", "after more comments"] {
            // The client has been sent as many heartbeats as this stream has seen, give or take
            // one.
            let mut beside = server.connected("/notifications/stream", "").await;
            beside
                .read_until(|text| text.ends_with(":\n:\n:\n:\n:\n"))
                .await;
            let id = server.notify(title).await;
            shows(&mut client, title, &id).await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_is_disconnected_receives_each_event_once() {
    each(RECONNECTING, |library| async move {
        let server = start().await;
        let mut client = follow(library, &server, "notification,message,reset").await;
        let id = server.notify("before").await;
        shows(&mut client, "before", &id).await;
        kick(&server).await;
        ended(library, &mut client).await;
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
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_has_seen_no_event_yet_misses_nothing_either() {
    each(RECONNECTING, |library| async move {
        let server = start_with(&[("HEARTBEAT_INTERVAL", "300ms")]).await;
        server.notify("before its time").await;
        let mut client = follow(
            library,
            &server,
            "connected,heartbeat,notification,message,reset",
        )
        .await;
        client.event("connected").await;
        client.event("heartbeat").await;
        kick(&server).await;
        let id = if SILENT.contains(&library) {
            let id = server.notify("while it was away").await;
            while client.next().await["open"] != true {}
            id
        } else {
            while client.next().await.get("error").is_none() {}
            let id = server.notify("while it was away").await;
            client.opened().await;
            id
        };
        client.event("connected").await;
        shows(&mut client, "while it was away", &id).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_is_ended_again_and_again_gets_each_event_once_and_in_order() {
    each(RECONNECTING, |library| async move {
        // Each stream is sent `draining` after a second, give or take a tenth, and its client
        // reconnects half a second later.
        let server = start_with(&[("MAX_CONNECTION_AGE", "1s")]).await;
        let mut client = follow(library, &server, "notification,message,reset").await;
        let (mut published, mut shown, mut endings) = (Vec::new(), Vec::new(), 0);
        let mut publish = tokio::time::interval(Duration::from_millis(50));
        in_time(async {
            while endings < 3 || shown.last() != published.last() {
                tokio::select! {
                    _ = publish.tick(), if endings < 3 => published.push(json!(server.notify("one \
                        of many").await)),
                    line = client.line() => match line.expect("the client is still there") {
                        line if line["error"].is_string() => endings += 1,
                        line if line["open"] == true && SILENT.contains(&library) => endings += 1,
                        line if line["event"] == "notification" => shown.push(line["id"].clone()),
                        line => assert_eq!(line["open"], true, "{library:?}: {line}"),
                    },
                }
            }
        })
        .await;
        assert_eq!(shown, published, "{library:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_without_a_loop_resumes_when_it_is_started_again() {
    each(OF_ONE_CONNECTION, |library| async move {
        let server = start().await;
        let mut client = follow(library, &server, "notification").await;
        let id = server.notify("before").await;
        shows(&mut client, "before", &id).await;
        kick(&server).await;
        client.failed().await;
        assert_eq!(client.exit().await, Some(1), "{library:?}");
        let missed = server.notify("while it was away").await;
        let url = url(&server, "/notifications/stream");
        let mut client = library.follow(&url, "notification,reset", "", &id);
        client.opened().await;
        shows(&mut client, "while it was away", &missed).await;
        let id = server.notify("after").await;
        shows(&mut client, "after", &id).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_got_busy_keeps_its_cursor() {
    each(SHOWING_LAST_WORDS, |library| async move {
        let server = start_with(&[("MAX_CONNECTIONS_PER_USER", "1")]).await;
        let token = demo("ann", "user");
        let id = server.notify("seen").await;
        let _in_the_way = server.connected("/notifications/stream", &token).await;
        let url = url(&server, "/notifications/stream");
        let mut client = library.follow(&url, "busy,connected,message", &token, &id);
        // The server repeats the cursor that the client sends, so the second `busy` shows with
        // which id it reconnected.
        for _ in 0..2 {
            client.opened().await;
            assert_eq!(client.event("busy").await["id"], json!(id), "{library:?}");
            client.failed().await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_got_busy_connects_later_and_misses_nothing() {
    // Ktor's plugin sends both the id that it was given in a header and the id of the last event,
    // joined by a comma.
    let libraries = RECONNECTING
        .into_iter()
        .filter(|library| *library != Library::KtorReconnecting);
    each(libraries, |library| async move {
        let server = start_with(&[("MAX_CONNECTIONS_PER_USER", "1")]).await;
        let token = demo("ann", "user");
        let id = server.notify("seen").await;
        let in_the_way = server.connected("/notifications/stream", &token).await;
        let url = url(&server, "/notifications/stream");
        let mut client = library.follow(&url, "notification,message,reset", &token, &id);
        client.opened().await;
        ended(library, &mut client).await;
        let missed = server.notify("while it was busy").await;
        drop(in_the_way);
        // If the place was not free yet, the client is refused once more.
        let line = loop {
            let line = client.next().await;
            if line["event"].is_string() {
                break line;
            }
        };
        assert_eq!(
            (&line["event"], &line["id"]),
            (&json!("notification"), &json!(missed)),
            "{library:?}"
        );
        let id = server.notify("after").await;
        shows(&mut client, "after", &id).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_client_that_reconnects_to_a_server_with_a_new_log_gets_a_reset() {
    each(RECONNECTING, |library| async move {
        // Both servers listen on one socket, as when a service manager holds it. A client that
        // connects in between waits.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let builder = || {
            Server::builder()
                .config(config(&[]).unwrap())
                .listener(listener.try_clone().unwrap())
        };
        let mut server = start_on(builder());
        let shows_last_words = SHOWING_LAST_WORDS.contains(&library);
        let events = if shows_last_words {
            "draining,reset,notification,message"
        } else {
            "reset,notification,message"
        };
        let mut client = follow(library, &server, events).await;
        let id = server.notify("seen").await;
        shows(&mut client, "seen", &id).await;
        server.stopped().await.unwrap();
        let successor = start_on(builder());
        if shows_last_words {
            let draining = client.event("draining").await;
            let data: serde_json::Value =
                serde_json::from_str(draining["data"].as_str().unwrap()).unwrap();
            assert_eq!(
                (&data["reason"], &data["reconnect"]),
                (&json!("shutdown"), &json!(true))
            );
            assert!(data["retry"].is_u64(), "{data}");
        }
        ended(library, &mut client).await;
        client.opened().await;
        let reset = client.event("reset").await;
        let data: serde_json::Value =
            serde_json::from_str(reset["data"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&data["reason"], &data["requested"]),
            (&json!("epoch"), &json!(id))
        );
        assert_eq!(data["resumedFrom"], reset["id"]);
        let id = successor.notify("of the successor").await;
        shows(&mut client, "of the successor", &id).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_permanent_refusal_ends_every_client_that_checks_the_status() {
    each(all(), |library| async move {
        let server = start().await;
        for (path, status) in [
            ("/chat/stream", 401),
            ("/nope", 404),
            ("/realtime/stream?entities=a/b", 400),
        ] {
            let mut client = library.follow(&url(&server, path), "message", "", "");
            let told = client.failed().await["status"].clone();
            // A browser hides the status.
            assert_eq!(
                told,
                if library == Library::Browser {
                    json!(null)
                } else {
                    json!(status)
                },
                "{library:?}"
            );
            if LOOKING_AT_NO_STATUS.contains(&library) {
                assert_eq!(
                    client.failed().await["status"],
                    status,
                    "{library:?}: it asks again"
                );
            } else {
                assert_eq!(client.exit().await, Some(1), "{library:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn a_stream_ends_when_its_token_expires_and_resumes_with_a_new_one() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    each(all(), |library| async move {
        let clock = SetClock::at("2026-11-23T22:30:15.138Z");
        let config = config(&[("JWT_SECRET", SECRET), ("HEARTBEAT_INTERVAL", "300ms")]).unwrap();
        let server = start_on(Server::builder().config(config).clock(clock.clock()));
        let url = url(&server, "/notifications/stream");
        let token = || jwt(SECRET, clock.now(), 600);
        let mut client = library.follow(&url, "expired,notification,message", &token(), "");
        client.opened().await;
        let id = server.notify("before").await;
        shows(&mut client, "before", &id).await;
        // The server checks this at each heartbeat.
        clock.advance(Duration::from_hours(1));
        assert_eq!(
            client.event("expired").await["data"],
            r#"{"reason":"token_expired","reconnect":false}"#
        );
        ended(library, &mut client).await;
        match library {
            // The last of these reconnects for ever, without a report.
            Library::FetchEventSource | Library::R3labs | Library::KtorReconnecting => {}
            _ if OF_ONE_CONNECTION.contains(&library) => {}
            // Nothing that a server sends can stop a browser, so it tries the refused token once
            // more.
            Library::Browser => assert_eq!(client.failed().await["status"], json!(null)),
            _ => assert_eq!(client.failed().await["status"], 401, "{library:?}"),
        }
        match library {
            Library::EventSourceClient
            | Library::GoEventSource
            | Library::Donovanhide
            | Library::OkHttpEventSource => {
                assert_eq!(
                    client.failed().await["status"],
                    401,
                    "for ever, unless it is closed"
                );
                drop(client);
            }
            Library::KtorReconnecting => drop(client),
            _ => assert_eq!(client.exit().await, Some(1), "{library:?}"),
        }

        let missed = server.notify("while it was away").await;
        let mut client = library.follow(&url, "expired,notification,message,reset", &token(), &id);
        client.opened().await;
        shows(&mut client, "while it was away", &missed).await;
        let id = server.notify("after").await;
        shows(&mut client, "after", &id).await;
    })
    .await;
}
