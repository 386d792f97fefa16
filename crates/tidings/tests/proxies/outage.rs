//! While no server is there: whoever asks for an event stream is told in band to come back, and
//! nobody else is.

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::browser::Followed;
use crate::patience::in_time;
use crate::recipe::{Kind, Proxy, Recipe};
use crate::server::Server;
use crate::wire::{Answer, EVENT_STREAM, Link, NOTIFICATIONS, field, publish};

/// How long the server is not there at least: longer than a `retry:` that it has given out, or the
/// proxy.
const OUTAGE: Duration = Duration::from_secs(3);

mod in_band {
    of_each!(super::without_a_server_streams_get_busy_and_calls_a_status:
        nginx Nginx, apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
}

mod broken {
    of_each!(super::a_server_that_closes_its_connections_counts_as_unreachable: nginx Nginx);

    mod in_full {
        // Apache answers with a 500: its standby is asked only where the server was not reached.
        of_each!(super::super::a_server_that_closes_its_connections_counts_as_unreachable:
            caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod refusals {
    of_each!(super::refusals_of_the_server_are_forwarded: nginx Nginx);

    mod in_full {
        of_each!(super::super::refusals_of_the_server_are_forwarded:
            apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
    }
}

mod chromium {
    of_each!(super::chromium_reconnects_by_itself: nginx Nginx, haproxy Haproxy);

    mod in_full {
        of_each!(super::super::chromium_reconnects_by_itself:
            apache Apache, caddy Caddy, traefik Traefik, envoy Envoy);
    }
}

fn busy() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/proxies/busy.sse");
    std::fs::read_to_string(path).unwrap()
}

fn is_in_band(answer: &Answer) -> bool {
    answer.head.status == StatusCode::OK
        && field(&answer.head, "content-type") == Some("text/event-stream")
}

fn is_refused(answer: &Answer) -> bool {
    [
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ]
    .contains(&answer.head.status)
}

async fn without_a_server_streams_get_busy_and_calls_a_status(kind: Kind) {
    let mut server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    let link = proxy.link().await;
    // The proxy has connections to the server that it would use again.
    assert_eq!(link.get("/health", &[]).await.head.status, StatusCode::OK);
    server.kill().await;

    judge(async || proxy.link().await).await;
    judge(async || Link::http1(proxy.address()).await).await;

    server.start().await;
    // Some proxies have closed the one from before.
    let link = proxy.link().await;
    in_time(async {
        while link.get("/health", &[]).await.head.status != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // For streams too, which some proxies ask for elsewhere.
        loop {
            let mut stream = link.stream(NOTIFICATIONS, "").await.unwrap();
            if stream
                .next()
                .await
                .is_ok_and(|message| message.event == "connected")
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// What is answered while no server is there. Each request has a connection of its own, as some
/// answers end theirs.
async fn judge(link: impl AsyncFn() -> Link) {
    let origin = ("origin", "https://app.example.com");
    for accept in [
        EVENT_STREAM.1,
        "text/event-stream, */*;q=0.1",
        "application/json, text/event-stream",
    ] {
        for path in [
            NOTIFICATIONS,
            "/realtime/stream?entities=a%2Fb&token=x",
            "/events/stream?topic=a",
        ] {
            let answer = link()
                .await
                .get(
                    path,
                    &[("accept", accept), ("accept-encoding", "gzip, br"), origin],
                )
                .await;
            assert!(
                is_in_band(&answer),
                "{accept}: {:?}\n{}",
                answer.head,
                answer.body
            );
            assert_eq!(answer.body, busy(), "{accept}");
            assert_eq!(field(&answer.head, "cache-control"), Some("no-store"));
            // A page of another origin reads it, with credentials or without.
            assert_eq!(
                field(&answer.head, "access-control-allow-origin"),
                Some(origin.1)
            );
            assert_eq!(
                field(&answer.head, "access-control-allow-credentials"),
                Some("true")
            );
            for name in ["etag", "last-modified", "content-encoding"] {
                assert_eq!(
                    field(&answer.head, name),
                    None,
                    "{name} makes something that can be kept of it"
                );
            }
        }
    }
    for accept in ["*/*", "application/json", "text/*"] {
        let answer = link().await.get(NOTIFICATIONS, &[("accept", accept)]).await;
        assert!(
            is_refused(&answer),
            "{accept}: {:?}\n{}",
            answer.head,
            answer.body
        );
    }
    assert!(is_refused(&link().await.get(NOTIFICATIONS, &[]).await));
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
    ] {
        let answer = link()
            .await
            .ask(method.clone(), "/notifications/send", &[EVENT_STREAM], "")
            .await;
        assert!(
            is_refused(&answer),
            "{method}: {:?}\n{}",
            answer.head,
            answer.body
        );
    }
    let answer = link()
        .await
        .ask(
            Method::POST,
            "/notifications/send",
            &[EVENT_STREAM],
            "{\"title\":\"x\"}",
        )
        .await;
    assert!(is_refused(&answer), "{:?}\n{}", answer.head, answer.body);
}

/// Something listens where the server should, and closes what connects, as a machine does that runs
/// out of something.
async fn a_server_that_closes_its_connections_counts_as_unreachable(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _closing = AbortOnDropHandle::new(tokio::spawn(async move {
        while listener.accept().await.is_ok() {}
    }));
    let proxy = Recipe::of(kind).before_address(address).await;
    let link = proxy.link().await;
    if kind == Kind::Haproxy {
        // It answers nothing: over HTTP/2 the code says that the request was not processed, and
        // clients send it again.
        assert!(
            link.send(Method::GET, NOTIFICATIONS, &[EVENT_STREAM], "")
                .await
                .is_err()
        );
        assert!(link.send(Method::GET, "/health", &[], "").await.is_err());
        return;
    }
    let answer = link.get(NOTIFICATIONS, &[EVENT_STREAM]).await;
    assert!(
        is_in_band(&answer),
        "{:?}\n{}\n{}",
        answer.head,
        answer.body,
        proxy.said()
    );
    let answer = link.get("/health", &[]).await;
    assert!(is_refused(&answer), "{:?}\n{}", answer.head, answer.body);
}

/// A status of the server's own is none of an outage, whatever it is.
async fn refusals_of_the_server_are_forwarded(kind: Kind) {
    let server = Server::on_a_port()
        .env("MAX_CONNECTIONS", "1")
        .env("STREAM_REFUSAL", "status")
        .started()
        .await;
    let proxy = Recipe::of(kind).before(&server).await;
    let link = proxy.link().await;
    let _the_only_one = link.connected(NOTIFICATIONS).await;
    let answer = link.get(NOTIFICATIONS, &[EVENT_STREAM]).await;
    assert_eq!(
        answer.head.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("\"too_many_connections\""),
        "{}",
        answer.body
    );
    assert!(field(&answer.head, "retry-after").is_some());
}

/// Follows by the browser's own `EventSource`, which gives up for good where it is answered with
/// any status but 200.
async fn chromium_reconnects_by_itself(kind: Kind) {
    let mut server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    let url = format!("{}{NOTIFICATIONS}", proxy.url());
    let mut page = Followed::start(&url, &["connected", "notification", "busy", "reset"]).await;

    assert_eq!(page.event().await["event"], "connected");
    publish(&proxy.link().await, 1).await;
    let first = page.event().await;
    assert_eq!(number(&first), 1);

    let killed = Instant::now();
    server.kill().await;
    let mut told = 0;
    while told == 0 || killed.elapsed() < OUTAGE {
        let busy = page.event().await;
        assert_eq!(busy["event"], "busy", "{busy}");
        // The id of the last event that it had, with which it comes back.
        assert_eq!(busy["id"], first["id"], "{busy}");
        told += 1;
    }
    server.start().await;
    missed_events_arrive_once(&server, &proxy, &mut page).await;
}

/// Publishes before the browser is back, and once it is.
async fn missed_events_arrive_once(server: &Server, proxy: &Proxy, page: &mut Followed) {
    let direct = Link::in_the_clear(server.address()).await;
    for number in 2..=4 {
        publish(&direct, number).await;
    }
    let back = loop {
        let event = page.event().await;
        if event["event"] != "busy" {
            break event;
        }
    };
    assert_eq!(back["event"], "connected", "{back}");
    let connected: Value = serde_json::from_str(back["data"].as_str().unwrap()).unwrap();
    assert_eq!(connected["resumed"], true, "{connected}");
    for expected in 2..=4 {
        assert_eq!(number(&page.event().await), expected);
    }
    publish(&proxy.link().await, 5).await;
    assert_eq!(number(&page.event().await), 5);
}

/// The number of a notification.
#[track_caller]
fn number(event: &Value) -> u64 {
    assert_eq!(event["event"], "notification", "{event}");
    let data: Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
    data["message"].as_str().unwrap().parse().unwrap()
}
