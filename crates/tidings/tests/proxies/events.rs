//! What every proxy must do with streams: each event leaves at once, as it is, and many streams
//! share one connection.

use std::process::Stdio;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidings_server::auth::demo;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::child::find;
use crate::patience::in_time;
use crate::recipe::{Kind, Proxy, Recipe};
use crate::server::Server;
use crate::wire::{Link, NOTIFICATIONS, field, publish};

/// How many streams a browser's tabs may share a connection for.
const STREAMS: usize = 100;

mod at_once {
    of_each!(super::each_event_arrives_before_the_next_is_published:
        nginx Nginx, apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
}

mod shared {
    of_each!(super::a_hundred_streams_share_a_connection: nginx Nginx);

    mod in_full {
        of_each!(super::super::a_hundred_streams_share_a_connection:
            caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
        of_each!(super::super::six_streams_share_a_connection: apache Apache);
    }
}

mod sizes {
    of_each!(super::large_events_and_long_tokens_are_forwarded: nginx Nginx);

    mod in_full {
        of_each!(super::super::large_events_and_long_tokens_are_forwarded:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod leaving {
    of_each!(super::the_server_notices_a_reader_that_leaves: nginx Nginx);

    mod in_full {
        of_each!(super::super::the_server_notices_a_reader_that_leaves:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod by_curl {
    of_each!(super::curl_receives_each_event_before_the_next_is_published: nginx Nginx);

    mod in_full {
        of_each!(super::super::curl_receives_each_event_before_the_next_is_published:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

/// A server, and the committed configuration before it.
async fn running(kind: Kind) -> (Server, Proxy) {
    let server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    (server, proxy)
}

/// Whoever held events back until more of them have come, by whatever measure, would be waited for
/// without end here.
async fn each_event_arrives_before_the_next_is_published(kind: Kind) {
    let (_server, proxy) = running(kind).await;
    let publisher = proxy.link().await;
    let mut numbers = 1..;
    for link in [proxy.link().await, Link::http1(proxy.address()).await] {
        let mut stream = link.connected(NOTIFICATIONS).await;
        for number in numbers.by_ref().take(10) {
            publish(&publisher, number).await;
            assert_eq!(stream.number().await, number);
        }
        // gzip, deflate, br and zstd were offered.
        assert_eq!(field(&stream.head, "content-encoding"), None);
        assert!(
            field(&stream.head, "content-type")
                .unwrap()
                .starts_with("text/event-stream")
        );
        let control = field(&stream.head, "cache-control").unwrap();
        for directive in ["no-store", "no-transform"] {
            assert!(control.contains(directive), "{control}");
        }
    }
}

async fn a_hundred_streams_share_a_connection(kind: Kind) {
    share(kind, STREAMS).await;
}

/// `mod_http2` answers six requests of a connection at a time until some have ended, and streams
/// don't.
async fn six_streams_share_a_connection(kind: Kind) {
    share(kind, 6).await;
}

async fn share(kind: Kind, streams: usize) {
    let (_server, proxy) = running(kind).await;
    let link = proxy.link().await;
    let mut open = Vec::new();
    for _ in 0..streams {
        open.push(link.connected(NOTIFICATIONS).await);
    }
    publish(&proxy.link().await, 1).await;
    for stream in &mut open {
        assert_eq!(stream.number().await, 1);
    }
}

/// An event near the limit of its size, and tokens of as many bytes as those with many claims have,
/// in the URL too.
async fn large_events_and_long_tokens_are_forwarded(kind: Kind) {
    let (_server, proxy) = running(kind).await;
    let link = proxy.link().await;
    // A demo token that is malformed makes its bearer anonymous.
    let token = "x".repeat(6_000);
    let mut stream = link
        .connected(&format!("/realtime/stream?entities=large&token={token}"))
        .await;
    let text = "x".repeat(200_000);
    let authorization = format!("Bearer {}", demo::TOKEN);
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
        ("cookie", &*token),
    ];
    let body = json!({"entity": "large", "action": "update", "data": {"text": text}}).to_string();
    let answer = link
        .ask(Method::POST, "/realtime/update", &headers, body)
        .await;
    assert_eq!(answer.head.status, StatusCode::OK, "{}", answer.body);
    let event = in_time(stream.next()).await.unwrap();
    let data: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data["data"]["text"], text, "{}", event.event);
}

/// A tab that is closed is not known to be for longer than a heartbeat takes: who reads nothing
/// must not count as a reader.
async fn the_server_notices_a_reader_that_leaves(kind: Kind) {
    let server = Server::on_a_port()
        .env("HEARTBEAT_INTERVAL", "500ms")
        .started()
        .await;
    let proxy = Recipe::of(kind).before(&server).await;
    let direct = Link::in_the_clear(server.address()).await;
    // One stream of several on a connection of HTTP/2, and the only one on a connection of
    // HTTP/1.1.
    let shared = proxy.link().await;
    let _stays = shared.connected(NOTIFICATIONS).await;
    let leaves = shared.connected(NOTIFICATIONS).await;
    let alone = Link::http1(proxy.address()).await;
    let leaves_too = alone.connected(NOTIFICATIONS).await;
    assert_eq!(
        direct.get_as_admin("/system/stats").await["totalConnections"],
        3
    );
    drop((leaves, leaves_too, alone));
    in_time(async {
        while direct.get_as_admin("/system/stats").await["totalConnections"] != 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn curl_receives_each_event_before_the_next_is_published(kind: Kind) {
    let (_server, proxy) = running(kind).await;
    let mut curl = tokio::process::Command::new(find("curl", "TIDINGS_CURL"))
        .args([
            "--silent",
            "--show-error",
            "--no-buffer",
            "--http2",
            "--compressed",
            "--cacert",
        ])
        .arg(proxy.certificate())
        .args(["--header", "Accept: text/event-stream"])
        .arg(format!("{}{NOTIFICATIONS}", proxy.url()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let mut data = async || loop {
        let line = in_time(lines.next_line())
            .await
            .unwrap()
            .expect("curl goes on");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str::<Value>(data).unwrap();
        }
    };
    assert!(data().await["connectionId"].is_string());
    let publisher = proxy.link().await;
    for number in 1_u64..=5 {
        publish(&publisher, number).await;
        assert_eq!(data().await["message"], number.to_string());
    }
}
