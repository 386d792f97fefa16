//! Peers that shut down their sending side and wait for the answer; and peers that have closed
//! their socket, which look the same at first.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::parse_head;
use crate::support::stalled::publish_big;
use crate::support::stream::End;
use crate::support::{ADMIN, Stream, TestServer, demo, in_time, start, start_with, until};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends bytes, shuts down the sending side, and reads to the end.
async fn say_and_shut(server: &TestServer, said: &str) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(said.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    in_time(socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The request that publishes a notification to all users, in one minor version of HTTP/1.
fn publish(minor: u8, title: &str) -> String {
    let body = json!({"title": title, "message": "m"}).to_string();
    format!(
        "POST /notifications/broadcast HTTP/1.{minor}\r\nHost: x\r\nAuthorization: Bearer \
         {ADMIN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_complete_call_is_answered_although_its_sender_shut_its_side() {
    let server = start().await;
    let calls = [
        (LIVE.to_owned(), "200", r#"{"status":"ok"}"#),
        (
            "GET /health/live HTTP/1.0\r\n\r\n".to_owned(),
            "200",
            r#"{"status":"ok"}"#,
        ),
        (
            "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "404",
            "not_found",
        ),
        (
            "GET /chat/stream HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "401",
            "token_missing",
        ),
        (
            "GET /events?topic=notifications HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "200",
            "\"events\"",
        ),
        (
            "HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "200",
            "",
        ),
        (publish(1, "whole"), "200", "eventId"),
        (publish(0, "whole"), "200", "eventId"),
    ];
    for (said, status, body) in calls {
        for _ in 0..20 {
            let answer = say_and_shut(&server, &said).await;
            let (came, _, length) =
                parse_head(answer.as_bytes()).unwrap_or_else(|| panic!("{said}: {answer:?}"));
            assert_eq!(came.to_string(), status, "{said}");
            assert!(answer[length..].contains(body), "{said}: {answer}");
        }
    }
    let kept = server
        .get("/events?topic=notifications&limit=1000")
        .await
        .json();
    assert_eq!(
        kept["events"].as_array().unwrap().len(),
        40,
        "each was published once"
    );
}

#[tokio::test]
async fn complete_pipelined_calls_are_answered_and_an_incomplete_one_does_nothing() {
    let server = start().await;
    let answers = say_and_shut(
        &server,
        &[LIVE, &publish(1, "a"), LIVE, &publish(1, "b")].concat(),
    )
    .await;
    assert_eq!(
        answers.matches("HTTP/1.1 200 OK\r\n").count(),
        4,
        "{answers}"
    );
    let torn = publish(1, "torn");
    for length in [torn.len() - 1, torn.len() - 20, 60] {
        let answers = say_and_shut(&server, &[LIVE, &torn[..length]].concat()).await;
        assert_eq!(
            answers.matches("HTTP/1.1 200 OK\r\n").count(),
            1,
            "{answers}"
        );
    }
    let kept = server.get("/events?topic=notifications").await.json();
    let titles: Vec<_> = kept["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["data"]["title"])
        .collect();
    assert_eq!(titles, ["a", "b"]);
}

#[tokio::test]
async fn a_stream_whose_client_shut_its_side_sends_missed_events_and_ends() {
    let server = start().await;
    publish_big(&server, 60).await;
    // If its connection has carried another request before, the stream stays in hyper's lane.
    for before in ["", LIVE] {
        for minor in [1, 0] {
            let said = format!(
                "{before}GET /notifications/stream?lastEventId=earliest HTTP/1.{minor}\r\nHost: \
                 x\r\n\r\n"
            );
            let said = say_and_shut(&server, &said).await;
            assert_eq!(
                said.matches("event: notification\n").count(),
                60,
                "{before}{minor}"
            );
            assert!(said.contains("event: connected\n") && !said.contains("event: reset"));
            assert_eq!(
                said.ends_with("\r\n0\r\n\r\n"),
                minor == 1,
                "{before}{minor}"
            );
        }
    }
    server.until_nobody_is_left().await;
}

#[tokio::test]
async fn a_live_stream_whose_client_shuts_its_side_is_completed() {
    let server = start().await;
    for path in [
        "/notifications/stream",
        "/system/heartbeat",
        "/realtime/stream",
    ] {
        let mut stream = server.connected(path, ADMIN).await;
        server.notify("seen").await;
        stream.shut().await;
        assert_eq!(stream.end().await, End::Finished, "{path}");
        server.until_nobody_is_left().await;
    }
}

#[tokio::test]
async fn a_client_that_closed_is_noticed_at_once_despite_unsent_events() {
    let server = start().await;
    publish_big(&server, 100).await;
    for before in ["", LIVE] {
        for path in [
            "/notifications/stream?lastEventId=earliest",
            "/notifications/stream",
        ] {
            for _ in 0..10 {
                let mut socket = TcpStream::connect(server.address).await.unwrap();
                let said = format!("{before}GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
                socket.write_all(said.as_bytes()).await.unwrap();
                drop(socket);
            }
            server.until_nobody_is_left().await;
        }
    }
}

#[tokio::test]
async fn a_page_that_is_reloaded_repeatedly_never_gets_busy() {
    let server = start_with(&[("MAX_CONNECTIONS_PER_USER", "20")]).await;
    publish_big(&server, 20).await;
    let token = demo("reloader", "user");
    for nth in 0..40 {
        let mut page = Vec::new();
        for path in [
            "/notifications/stream?lastEventId=earliest",
            "/notifications/stream",
            "/realtime/stream",
        ] {
            let mut stream = server.stream(path, &token).await;
            let first = stream.next().await;
            assert_eq!(first.event, "connected", "reload {nth}");
            page.push(stream);
        }
    }
    server.until_nobody_is_left().await;
}

/// Opens a stream on a connection that has carried a call.
async fn second_on_its_connection(server: &TestServer) -> Stream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(LIVE.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    in_time(async {
        while !answer.ends_with(br#"{"status":"ok"}"#) {
            socket.read_buf(&mut answer).await.unwrap();
        }
    })
    .await;
    Stream::open_on(socket, "/notifications/stream", &[]).await
}

#[tokio::test]
async fn the_second_request_of_a_connection_may_be_a_stream_and_notices_its_client_leave() {
    let server = start().await;
    let mut stream = second_on_its_connection(&server).await;
    stream.expect("connected").await;
    server.notify("seen").await;
    stream.expect("notification").await;
    stream.shut().await;
    assert_eq!(stream.end().await, End::Finished);
    server.until_nobody_is_left().await;
    let mut stream = second_on_its_connection(&server).await;
    stream.expect("connected").await;
    drop(stream);
    until(async || server.stats().await["totalConnections"] == 0).await;
}

/// An HTTP/2 frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field with its name and value written out and not indexed (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The beginning of an HTTP/2 connection whose windows are larger than the 65,535 bytes of the
/// default.
fn preface(window: u32) -> Vec<u8> {
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
    let widened = (window - 65_535).to_be_bytes();
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &settings),
        frame(8, 0, 0, &widened),
    ]
    .concat()
}

fn head(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", "x"),
        field("authorization", &format!("Bearer {ADMIN}")),
        field("content-type", "application/json"),
    ]
    .concat()
}

/// Reads an HTTP/2 connection to its end. Returns how many answers had status 200, how many streams
/// ended completely, and the data of all streams.
async fn read_frames(socket: &mut TcpStream) -> (u32, u32, String) {
    let mut answer = Vec::new();
    in_time(socket.read_to_end(&mut answer)).await.unwrap();
    let (mut rest, mut good, mut ended, mut text) = (&answer[..], 0, 0, Vec::new());
    while let Some((head, behind)) = rest.split_first_chunk::<9>() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (payload, behind) = behind.split_at(length);
        // `:status: 200` of the static table
        good += u32::from(head[3] == 1 && payload.first() == Some(&0x88));
        ended += u32::from(head[3] == 0 && head[4] & 1 == 1);
        if head[3] == 0 {
            text.extend_from_slice(payload);
        }
        rest = behind;
    }
    (good, ended, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_complete_call_over_http2_is_answered_although_its_sender_shut_its_side() {
    const CALLS: u32 = 20;
    let server = start().await;
    let body = json!({"title": "over HTTP/2", "message": "m"}).to_string();
    let mut said = preface(1 << 20);
    for nth in 0..CALLS {
        said.extend(frame(
            1,
            4,
            2 * nth + 1,
            &head("POST", "/notifications/broadcast"),
        ));
        said.extend(frame(0, 1, 2 * nth + 1, body.as_bytes()));
    }
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&said).await.unwrap();
    socket.shutdown().await.unwrap();
    let (good, ended, _) = read_frames(&mut socket).await;
    assert_eq!((good, ended), (CALLS, CALLS));
    let events = server
        .get("/events?topic=notifications&limit=1000")
        .await
        .json();
    assert_eq!(
        events["events"].as_array().unwrap().len(),
        usize::try_from(CALLS).unwrap()
    );
}

#[tokio::test]
async fn a_stream_over_http2_whose_client_shut_its_side_sends_missed_events_and_ends() {
    let server = start().await;
    publish_big(&server, 60).await;
    let mut said = preface(1 << 30);
    for (nth, path) in [
        (0, "/notifications/stream?lastEventId=earliest"),
        (1, "/realtime/stream"),
        (2, "/system/heartbeat"),
    ] {
        said.extend(frame(1, 5, 2 * nth + 1, &head("GET", path)));
    }
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&said).await.unwrap();
    socket.shutdown().await.unwrap();
    let (good, ended, text) = read_frames(&mut socket).await;
    assert_eq!((good, ended), (3, 3), "{}", text.len());
    assert_eq!(text.matches("event: notification\n").count(), 60);
    assert_eq!(text.matches("event: connected\n").count(), 3);
    server.until_nobody_is_left().await;
}

#[tokio::test]
async fn live_streams_over_http2_end_when_their_client_shuts_its_side_or_closes() {
    let server = start().await;
    for closes in [false, true] {
        let mut said = preface(1 << 20);
        for nth in 0..3 {
            said.extend(frame(
                1,
                5,
                2 * nth + 1,
                &head("GET", "/notifications/stream"),
            ));
        }
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&said).await.unwrap();
        until(async || server.stats().await["totalConnections"] == 3).await;
        if closes {
            drop(socket);
        } else {
            socket.shutdown().await.unwrap();
            let (good, ended, text) = read_frames(&mut socket).await;
            assert_eq!((good, ended), (3, 3), "{text}");
        }
        server.until_nobody_is_left().await;
    }
}

#[tokio::test]
async fn streams_over_http2_with_closed_windows_end_with_their_client() {
    // The write timeout is longer than a test waits: it is not what ends them.
    let server = start_with(&[("WRITE_TIMEOUT", "1h")]).await;
    publish_big(&server, 20).await;
    for closes in [false, true] {
        let mut said = preface(65_536);
        for nth in 0..3 {
            said.extend(frame(
                1,
                5,
                2 * nth + 1,
                &head("GET", "/notifications/stream?lastEventId=earliest"),
            ));
        }
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&said).await.unwrap();
        until(async || server.stats().await["totalConnections"] == 3).await;
        if closes {
            drop(socket);
        } else {
            socket.shutdown().await.unwrap();
            let (good, ended, _) = read_frames(&mut socket).await;
            assert_eq!(
                (good, ended),
                (3, 0),
                "what can't be sent whole isn't ended as if it were"
            );
        }
        server.until_nobody_is_left().await;
    }
}
