//! Requests that are too large, too slow, or interrupted.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tidings_server::Server;
use tidings_server::handle::{Handle, PublishError, StreamRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::post_json;
use crate::support::binary::Place;
use crate::support::{
    ADMIN, Answer, TestServer, config, http, in_time, start, start_on, start_with, until,
};

/// The head of a `POST` as an admin, with the header lines `more`.
fn head(server: &TestServer, more: &str) -> String {
    format!(
        "POST /notifications/send HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\n{more}\r\n",
        server.address
    )
}

/// Sends bytes, leaves the socket open, and reads one answer with a `Content-Length`.
async fn exchange(server: &TestServer, bytes: &[u8]) -> Answer {
    in_time(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        read_answer(&mut socket).await
    })
    .await
}

async fn read_answer(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        assert!(
            socket.read_buf(&mut bytes).await.unwrap() > 0,
            "closed before the answer was complete"
        );
        let Some((_, headers, head)) = http::parse_head(&bytes) else {
            continue;
        };
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .expect("a length");
        if bytes.len() >= head + length.1.parse::<usize>().unwrap() {
            return Answer::parse(&bytes);
        }
    }
}

/// The body of a notification, of exactly this many bytes.
pub(super) fn sized(bytes: usize) -> Vec<u8> {
    let frame = r#"{"title":"T","message":"M","pad":""}"#;
    frame
        .replace(
            r#""pad":"""#,
            &format!(r#""pad":"{}""#, "x".repeat(bytes - frame.len())),
        )
        .into_bytes()
}

/// The body in chunks.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(10_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn a_body_of_more_than_max_body_bytes_is_refused_with_and_without_a_declared_length() {
    for (settings, limit) in [
        (&[][..], 250 * 1024),
        (&[("MAX_BODY_BYTES", "2KiB")], 2 * 1024),
    ] {
        let server = start_with(settings).await;
        assert_eq!(
            post_json(&server, "/notifications/send", &sized(limit))
                .await
                .status,
            200
        );
        post_json(&server, "/notifications/send", &sized(limit + 1))
            .await
            .assert_refused(413, "payload_too_large");
        for (bytes, status) in [(limit, 200), (limit + 1, 413)] {
            let head = head(&server, "Transfer-Encoding: chunked\r\n");
            let answer = exchange(
                &server,
                &[head.as_bytes(), &chunked(&sized(bytes))].concat(),
            )
            .await;
            assert_eq!(answer.status, status, "{}", answer.text());
            if status == 413 {
                answer.assert_refused(413, "payload_too_large");
            }
        }
        assert_eq!(server.stored().await, 2);
    }
}

/// 251 KiB: the largest size of the data of an event.
const MOST: usize = 251 << 10;

/// Calls that publish, with bodies in which `…` is replaced to make the event as large as it should
/// be.
const CALLS: [(&str, &str); 6] = [
    (
        "/notifications/send",
        r#"{"title":"T","message":"M","metadata":"…"}"#,
    ),
    (
        "/notifications/broadcast",
        r#"{"title":"T","message":"M","pad":"…"}"#,
    ),
    (
        "/realtime/update",
        r#"{"entity":"order","action":"update","data":"…"}"#,
    ),
    ("/realtime/entity/order/create", r#""…""#),
    (
        "/chat/message",
        r#"{"roomId":"r","message":"M","metadata":"…"}"#,
    ),
    (
        "/system/status/update",
        r#"{"service":"db","status":"online","metrics":"…"}"#,
    ),
];

#[tokio::test]
async fn an_event_larger_than_all_clients_can_read_is_refused_whatever_call_makes_it() {
    let server = start_with(&[("MAX_BODY_BYTES", "1MiB")]).await;
    let page = async |limit: usize| {
        let topics = ["notifications", "realtime", "chat", "system/status"];
        let mut events = Vec::new();
        for topic in topics {
            let path = format!("/events?topic={topic}&limit={limit}");
            let bearer = format!("Bearer {ADMIN}");
            let page = server
                .request("GET", &path, &[("Authorization", &bearer)], b"")
                .await
                .json();
            events.extend(page["events"].as_array().unwrap().clone());
        }
        events
    };
    for (path, body) in CALLS {
        let before = page(1000).await.len();
        let body = |pad: usize| body.replace('…', &"x".repeat(pad)).into_bytes();
        let short = post_json(&server, path, &body(1)).await;
        assert_eq!(short.status, 200, "{path}: {}", short.text());
        let id = short.json()["eventId"].clone();
        let stored = page(1000)
            .await
            .into_iter()
            .find(|event| event["id"] == id)
            .unwrap();
        let pad = MOST - stored["data"].to_string().len() + 1;
        post_json(&server, path, &body(pad + 1))
            .await
            .assert_refused(413, "payload_too_large");
        let most = post_json(&server, path, &body(pad)).await;
        assert_eq!(most.status, 200, "{path}: {}", most.text());
        let after = page(1000).await;
        let id = most.json()["eventId"].clone();
        let stored = after.iter().find(|event| event["id"] == id).unwrap();
        assert_eq!(stored["data"].to_string().len(), MOST, "{path}");
        // only the latest event of a service is stored
        let more = if path.starts_with("/system") { 1 } else { 2 };
        assert_eq!(
            after.len(),
            before + more,
            "{path}: what was refused is not in the log"
        );
    }
}

fn with_a_stream_of_ones_own() -> TestServer {
    let follow = get(async |stream: StreamRequest| stream.open(&["own"], ["own"]).await);
    let routes = |tidings: Handle| {
        Router::new()
            .route("/own/stream", follow)
            .with_state(tidings)
    };
    start_on(
        Server::builder()
            .config(config(&[]).unwrap())
            .routes(routes),
    )
}

#[tokio::test]
async fn the_largest_event_is_one_block_below_256_kib_and_a_larger_one_of_the_library_is_an_error()
{
    let server = with_a_stream_of_ones_own();
    let mut stream = server.connected("/own/stream", "").await;
    let data = "x".repeat(MOST - 2);
    let id = server.handle.publish("own", "own", &data).await.unwrap();
    let block = stream.block("own").await;
    assert_eq!((block.id, block.data.len()), (Some(id.to_string()), MOST));
    assert!(stream.text().rsplit_once("\n\nevent: ").unwrap().1.len() < 256 << 10);
    for data in ["x".repeat(MOST - 1), "\u{1}".repeat(MOST / 6 + 1)] {
        let refused = server
            .handle
            .publish("own", "own", &data)
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused,
                PublishError::Journal(tidings_journal::Error::TooLarge(_))
            ),
            "{} bytes once escaped: {refused}",
            serde_json::to_string(&data).unwrap().len()
        );
    }
    assert_eq!(
        server.head().await,
        id.to_string(),
        "nothing else was stored"
    );
}

#[tokio::test]
async fn what_the_library_publishes_is_one_line_of_compact_json() {
    let server = with_a_stream_of_ones_own();
    let mut stream = server.connected("/own/stream", "").await;
    let raw = serde_json::value::RawValue::from_string("{ \"a\" :\r\n [ 1.5 ,\n2 ] }".to_owned())
        .unwrap();
    server.handle.publish("own", "own", &raw).await.unwrap();
    assert_eq!(stream.block("own").await.data, r#"{"a":[1.5,2]}"#);
    let deep = format!("{}{}", "[".repeat(121), "]".repeat(121));
    let raw = serde_json::value::RawValue::from_string(deep).unwrap();
    let refused = server.handle.publish("own", "own", &raw).await.unwrap_err();
    assert!(matches!(refused, PublishError::Data(_)), "{refused}");
}

#[test]
fn in_development_an_event_above_64_kib_is_warned_of_once() {
    for (mode, warnings) in [("development", 1), ("production", 0)] {
        let place = Place::new()
            .env("APP_ENV", mode)
            .env("HOST", "127.0.0.1")
            .env("AUTH_DEMO", "true");
        let secret = "nJ4vWq81-Zr0xk_Tg7Lm2Yb9Hc5Pd3Ef6";
        let server = place
            .env("JWT_SECRET", secret)
            .env("LOG_FORMAT", "text")
            .start(&[]);
        let publish = |bytes: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let bearer = format!("Bearer {ADMIN}");
            let headers = [
                ("Content-Type", "application/json"),
                ("Authorization", bearer.as_str()),
            ];
            let body = sized(bytes);
            let path = "/notifications/send";
            let call = http::request(server.addresses[0], "POST", path, &headers, &body);
            assert_eq!(runtime.block_on(in_time(call)).status, 200);
        };
        for kib in [60, 65, 66, 200] {
            publish(kib << 10);
        }
        // A thread of its own writes the log.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(until(async || {
            server.said().matches("64 KiB").count() >= warnings
        }));
        let said = server.last_words();
        assert_eq!(said.matches("64 KiB").count(), warnings, "{mode}: {said}");
    }
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_the_body_arrives() {
    let server = start().await;
    for length in ["256001", "1000000000000"] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let head = head(&server, &format!("Content-Length: {length}\r\n{expect}"));
            exchange(&server, head.as_bytes())
                .await
                .assert_refused(413, "payload_too_large");
        }
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let server = start().await;
    let body = sized(100);
    let head = head(&server, "Content-Length: 100\r\nExpect: 100-continue\r\n");
    in_time(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        socket.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(&body).await.unwrap();
        assert_eq!(read_answer(&mut socket).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = start().await;
    let body = sized(4 << 20);
    let declared = head(
        &server,
        &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()),
    );
    let in_chunks = head(
        &server,
        "Connection: close\r\nTransfer-Encoding: chunked\r\n",
    );
    for bytes in [
        [declared.as_bytes(), &body].concat(),
        [in_chunks.as_bytes(), &chunked(&body)].concat(),
    ] {
        in_time(async {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            // The exchange must not be reset while the body is being sent, because that would
            // destroy the answer in flight.
            socket.write_all(&bytes).await.unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer).assert_refused(413, "payload_too_large");
        })
        .await;
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(head(&server, "Content-Length: 100\r\n").as_bytes())
        .await
        .unwrap();
    socket.write_all(b"{\"title\":\"T\"").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_mins(1), read_answer(&mut socket))
        .await
        .unwrap();
    answer.assert_refused(408, "request_timeout");
}

#[tokio::test]
async fn a_body_that_breaks_off_publishes_nothing() {
    let server = start().await;
    let whole = br#"{"title":"T","message":"M"}"#;
    for more in [
        format!("Content-Length: {}\r\n", whole.len() + 1),
        "Transfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let chunk = if more.starts_with("Content") {
            String::new()
        } else {
            format!("{:x}\r\n", whole.len())
        };
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let head = head(&server, &more);
        socket
            .write_all(&[head.as_bytes(), chunk.as_bytes(), whole].concat())
            .await
            .unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = in_time(socket.read_to_end(&mut answer)).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_head_of_more_than_16_kib_is_refused_and_the_connection_closed() {
    let server = start().await;
    let sized = |bytes: usize| {
        let frame = format!(
            "GET /health HTTP/1.1\r\nHost: {}\r\nX-Pad: \r\n\r\n",
            server.address
        );
        frame.replace(
            "X-Pad: ",
            &format!("X-Pad: {}", "x".repeat(bytes - frame.len())),
        )
    };
    let good = exchange(&server, sized(16 * 1024).as_bytes()).await;
    assert_eq!(good.status, 200);
    for bytes in [16 * 1024 + 1, 17 * 1024, 64 * 1024] {
        let answer = in_time(http::raw(server.address, sized(bytes).as_bytes())).await;
        assert!(
            answer.starts_with(b"HTTP/1.1 431 "),
            "{bytes}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_10_seconds_to_arrive() {
    let server = start().await;
    let begun = tokio::time::Instant::now();
    for bytes in [
        &b""[..],
        b"GET",
        b"GET /health HTTP/1.1\r\nHost: x\r\n",
        b"PRI * HTTP/2",
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let (mut answer, from) = (Vec::new(), begun.elapsed());
        tokio::time::timeout(Duration::from_mins(1), socket.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let waited = begun.elapsed().saturating_sub(from).as_secs();
        assert!(
            (9..=12).contains(&waited),
            "{waited} s for {}",
            String::from_utf8_lossy(bytes)
        );
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}
