//! The server stops: it ends its streams one by one, takes publishes until the last wave, and lets
//! no new stream in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_server::server::{Error, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::streams::KINDS;
use crate::support::block::Block;
use crate::support::descriptors::have_room_for;
use crate::support::stalled::{narrow, publish_big, stalled};
use crate::support::stream::End;
use crate::support::{
    ADMIN, Stream, TestServer, config, demo, http, in_time, start, start_on, start_with, until,
};

/// Longer than a test needs on the busiest machine. No test waits for all of it.
const LONG: [(&str, &str); 2] = [("DRAIN_SECONDS", "10m"), ("SHUTDOWN_TIMEOUT", "1h")];

/// A server that drains, with its five streams, one of which has been ended.
async fn draining(settings: &[(&str, &str)]) -> (TestServer, Vec<Stream>) {
    let mut server = start_with(&[&LONG, settings].concat()).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(server.connected("/notifications/stream", ADMIN).await);
    }
    server.begin_stop();
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 4).await;
    (server, streams)
}

#[tokio::test]
async fn each_stream_gets_draining_with_a_retry_and_is_cut() {
    let mut server = start().await;
    let mut streams = Vec::new();
    for kind in KINDS {
        let mut stream = server.connected(kind.path, ADMIN).await;
        match kind.path {
            "/system/heartbeat" => drop(stream.expect("heartbeat").await),
            "/system/status/stream" => drop(stream.expect("synced").await),
            _ => {}
        }
        streams.push(stream);
    }
    server.begin_stop();
    let mut retries = Vec::new();
    for stream in &mut streams {
        let block = stream.block("draining").await;
        let data = format!(
            r#"{{"reason":"shutdown","reconnect":true,"retry":{}}}"#,
            block.retry.unwrap()
        );
        assert_eq!((block.id, block.data), (None, data));
        retries.push(block.retry.unwrap());
        assert_eq!(stream.end().await, End::Cut);
    }
    assert!(
        retries.iter().all(|retry| (500..=2_000).contains(retry)),
        "{retries:?}"
    );
    retries.dedup();
    assert!(retries.len() > 1, "not at random: {retries:?}");
    server.stopped().await.unwrap();
    // The port may stay open for a moment, because a process that another test starts has a copy of
    // every socket between `fork` and `exec`.
    until(async || TcpStream::connect(server.address).await.is_err()).await;
}

#[tokio::test]
async fn an_admin_begins_the_end_by_a_call() {
    let mut server = start().await;
    let mut stream = server.connected("/notifications/stream", ADMIN).await;
    let answer = server
        .call("POST", "/system/drain", ADMIN, Value::Null)
        .await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(
        (&answer["success"], &answer["streams"]),
        (&json!(true), &json!(1))
    );
    stream.expect("draining").await;
    assert_eq!(stream.end().await, End::Cut);
    until(async || TcpStream::connect(server.address).await.is_err()).await;
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn a_stream_over_http_1_0_gets_draining_too() {
    let mut server = start().await;
    let address = server.address;
    let request =
        format!("GET /notifications/stream HTTP/1.0\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let reading =
        tokio::spawn(async move { crate::support::http::raw(address, request.as_bytes()).await });
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    server.stopped().await.unwrap();
    let bytes = String::from_utf8(reading.await.unwrap()).unwrap();
    let (_, body) = bytes.split_once("\r\n\r\n").unwrap();
    let names: Vec<_> = Block::all(body)
        .into_iter()
        .map(|block| block.event)
        .collect();
    assert_eq!(names, ["connected", "draining"]);
}

/// Time is paused, and advances only when all tasks wait. What is due at one instant happens at
/// that instant, however busy the machine is.
#[tokio::test(start_paused = true)]
async fn streams_are_ended_at_an_even_rate_in_random_order_and_come_back_once_the_drain_is_over() {
    const STREAMS: u32 = 200;
    const DRAIN: Duration = Duration::from_secs(3);
    have_room_for(STREAMS.into());
    let mut server = start_with(&[("DRAIN_SECONDS", "3s")]).await;
    let mut readers = Vec::new();
    for nth in 0..STREAMS {
        let mut stream = server.connected("/notifications/stream", "").await;
        readers.push(tokio::spawn(async move {
            let retry = stream.expect("draining").await.retry.unwrap();
            (Instant::now(), nth, u64::try_from(retry).unwrap())
        }));
    }
    let stopping = Instant::now();
    server.begin_stop();
    let mut ends = Vec::new();
    for reader in readers {
        ends.push(reader.await.unwrap());
    }
    ends.sort_unstable();
    for ((at, ..), nth) in ends.iter().zip(0..) {
        let due = DRAIN * nth / STREAMS;
        let late = at
            .duration_since(stopping)
            .checked_sub(due)
            .expect("not before it is due");
        assert!(
            late < Duration::from_millis(100),
            "number {nth} came {late:?} late"
        );
    }
    assert!(
        !ends.is_sorted_by_key(|(_, nth, _)| *nth),
        "in the order of opening"
    );
    // A client that reconnected earlier would find the same server. How long it waits after that is
    // random.
    let over = stopping + DRAIN;
    let after = |(at, _, retry): &(Instant, u32, u64)| {
        (*at + Duration::from_millis(*retry))
            .checked_duration_since(over)
            .expect("not before the drain is over")
    };
    let returns: Vec<_> = ends.iter().map(after).collect();
    let bounds = Duration::from_millis(500)..=Duration::from_millis(2_100);
    assert!(
        returns.iter().all(|after| bounds.contains(after)),
        "{returns:?}"
    );
    // Of 200 draws, chance puts far more than a quarter into each half.
    let late = returns
        .iter()
        .filter(|after| **after > Duration::from_millis(1_250))
        .count();
    assert!((50..=150).contains(&late), "not spread: {returns:?}");
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn publishes_are_accepted_and_delivered_during_a_drain() {
    let (server, mut streams) = draining(&[]).await;
    let id = server.notify("during the drain").await;
    let mut reached = 0;
    for stream in &mut streams {
        match stream.next().await {
            event if event.event == "draining" => {}
            event => {
                assert_eq!(
                    (event.event.as_str(), event.last_id.as_str()),
                    ("notification", id.as_str())
                );
                reached += 1;
            }
        }
    }
    assert_eq!(reached, 4, "all but the one that had been ended");
    server
        .post("/chat/message", json!({"roomId": "r", "message": "m"}))
        .await;
    server
        .post(
            "/system/status/update",
            json!({"service": "db", "status": "online"}),
        )
        .await;
    assert_eq!(
        server.get("/system/stats").await.json()["totalConnections"],
        4
    );
}

#[tokio::test]
async fn readiness_turns_503_and_liveness_stays() {
    let (server, _streams) = draining(&[]).await;
    let ready = server.get("/health/ready").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "draining"));
    assert!(ready.header("retry-after").is_some());
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_new_event_source_gets_busy_in_one_block_and_is_cut() {
    let (server, _streams) = draining(&[]).await;
    let mut retries = Vec::new();
    for kind in KINDS {
        let mut stream = server.stream(kind.path, ADMIN).await;
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.header("x-accel-buffering"), Some("no"));
        let busy = stream.block("busy").await;
        let data = format!(
            r#"{{"reason":"draining","reconnect":true,"retry":{}}}"#,
            busy.retry.unwrap()
        );
        assert_eq!((busy.id, busy.data), (None, data));
        retries.push(busy.retry.unwrap());
        assert_eq!(stream.end().await, End::Cut);
        assert_eq!(stream.blocks().len(), 1);
    }
    // 1–10 s, plus what is left of the ten minutes of the drain.
    assert!(
        retries
            .iter()
            .all(|retry| (301_000..=610_000).contains(retry)),
        "{retries:?}"
    );
    retries.dedup();
    assert!(retries.len() > 1, "not at random: {retries:?}");
}

#[tokio::test]
async fn busy_repeats_the_cursor_so_that_no_client_loses_its_place() {
    let (server, _streams) = draining(&[]).await;
    for (asked, expected) in [
        ("abcd1234-17", Some("abcd1234-17")),
        ("other-1", Some("other-1")),
        ("earliest", Some("earliest")),
        ("17", None),
        ("a:b-1", None),
    ] {
        let mut stream = server.resumed("/notifications/stream", "", asked).await;
        assert_eq!(
            stream.block("busy").await.id.as_deref(),
            expected,
            "{asked}"
        );
        let mut stream = server
            .stream(&format!("/notifications/stream?lastEventId={asked}"), "")
            .await;
        assert_eq!(
            stream.block("busy").await.id.as_deref(),
            expected,
            "{asked}"
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_name_event_streams_in_accept_gets_the_status() {
    let (server, _streams) = draining(&[]).await;
    for headers in [&[][..], &[("Accept", "*/*")], &[("Accept", "text/*")]] {
        let refused = server
            .request("GET", "/notifications/stream", headers, b"")
            .await;
        assert_eq!((refused.status, refused.code().as_str()), (503, "draining"));
        assert!(
            refused
                .header("retry-after")
                .unwrap()
                .parse::<u32>()
                .unwrap()
                > 300,
            "what is left of the drain"
        );
        assert_eq!(
            server
                .request("HEAD", "/notifications/stream", headers, b"")
                .await
                .status,
            503
        );
    }
    let named = [("Accept", "text/event-stream")];
    let head = server
        .request("HEAD", "/notifications/stream", &named, b"")
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn with_stream_refusal_status_everybody_gets_the_status() {
    let (server, _streams) = draining(&[("STREAM_REFUSAL", "status")]).await;
    for accept in ["text/event-stream", "*/*"] {
        let refused = server
            .request("GET", "/notifications/stream", &[("Accept", accept)], b"")
            .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "draining"),
            "{accept}"
        );
        assert!(refused.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn lasting_reasons_are_statuses_while_draining_too() {
    let (server, _streams) = draining(&[]).await;
    let refused = async |path: &str, token: &str, accept: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Accept", accept), ("Authorization", bearer.as_str())];
        server.request("GET", path, &headers, b"").await.status
    };
    assert_eq!(
        refused("/chat/stream", "garbage", "text/event-stream").await,
        401
    );
    assert_eq!(
        refused("/notifications/stream", "a.b.c", "text/event-stream").await,
        401
    );
    assert_eq!(
        refused("/notifications/streams", "", "text/event-stream").await,
        404
    );
    assert_eq!(refused("/notifications/stream", "", "text/html").await, 406);
    assert_eq!(
        refused("/realtime/stream?entities=a/b", "", "text/event-stream").await,
        400
    );
}

#[tokio::test]
async fn a_server_without_streams_stops_at_once() {
    let mut server = start_with(&LONG).await;
    server.notify("nobody hears it").await;
    // The test does not wait for as long as a drain may last.
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn streams_that_have_left_do_not_delay_the_stop() {
    let mut server = start().await;
    for _ in 0..20 {
        drop(
            server
                .connected("/notifications/stream", &demo("ann", "user"))
                .await,
        );
    }
    server.stopped().await.unwrap();
}

/// Waits until the one stream makes no more progress: its position was looked at many times and did
/// not change.
async fn until_stuck(server: &TestServer) {
    let (mut place, mut looks) = (Value::Null, 0);
    until(async || {
        let list = server
            .call("GET", "/system/connections", ADMIN, Value::Null)
            .await
            .json();
        let now = list["connections"][0]["lastEventId"].clone();
        looks = if now == place { looks + 1 } else { 0 };
        place = now;
        looks == 20
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_left_after_the_timeout_are_dropped_and_logged() {
    // Less than the second after which a stream whose peer reads nothing is killed.
    let mut server = start_with(&[("SHUTDOWN_TIMEOUT", "500ms")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let socket = socket.connect(server.address).await.unwrap();
    let _never_reads = Stream::open_on(socket, "/notifications/stream", &[]).await;
    publish_big(&server, 60).await;
    until_stuck(&server).await;
    let stopping = Instant::now();
    match server.stopped().await {
        Err(Error::Unfinished(unfinished)) => {
            assert_eq!((unfinished.streams, unfinished.connections), (1, 1));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        stopping.elapsed() >= Duration::from_millis(500),
        "{:?}",
        stopping.elapsed()
    );
}

/// A connection of a client that stops in the middle of its call, or does not read its answer.
async fn stuck(server: &TestServer, sent: &str) -> TcpStream {
    let mut socket = narrow(server.address).await;
    socket.write_all(sent.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn a_peer_that_reads_nothing_does_not_delay_the_stop() {
    // A peer that delayed the stop would make it fail after `SHUTDOWN_TIMEOUT`, before another
    // limit closes its connection. The one limit that is shorter is that of a body: it answers the
    // call with 408.
    let mut server = start_with(&[
        ("HEAD_TIMEOUT", "5m"),
        ("WRITE_TIMEOUT", "1h"),
        ("SHUTDOWN_TIMEOUT", "4m"),
        ("MAX_LAG_BYTES", "2MiB"),
    ])
    .await;
    let auth = format!("Authorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n");
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let stream = stalled(&server, "/notifications/stream", "").await;
    publish_big(&server, 40).await;
    let pages = "GET /events?topic=notifications HTTP/1.1\r\nHost: x\r\n\r\n".repeat(6);
    let held = [
        idle,
        stream,
        TcpStream::connect(server.address).await.unwrap(),
        stuck(&server, "GET /health HTTP/1.1\r\nHos").await,
        stuck(&server, &pages).await,
        // An HTTP/2 connection on which only the preface was sent.
        stuck(
            &server,
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
        )
        .await,
    ];
    let calls = [
        "Content-Length: 100\r\n\r\n{\"room",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"r",
    ];
    let calls = calls.map(|rest| format!("POST /chat/message HTTP/1.1\r\nHost: x\r\n{auth}{rest}"));
    let unfinished = [
        stuck(&server, &calls[0]).await,
        stuck(&server, &calls[1]).await,
    ];
    server.stopped().await.unwrap();
    for mut socket in unfinished {
        let mut answer = Vec::new();
        let _ = in_time(socket.read_to_end(&mut answer)).await; // it may be reset
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            "",
            "it was cut, and did not wait for its body"
        );
    }
    drop(held);
}

#[tokio::test]
async fn a_client_that_reconnects_when_told_does_not_meet_the_stopping_server() {
    let mut server = start_with(&[("SHUTDOWN_TIMEOUT", "1h")]).await;
    let _stuck = stalled(&server, "/notifications/stream", "").await;
    publish_big(&server, 40).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        // These streams are of another topic, so that they can be told at once.
        streams.push(
            server
                .connected("/realtime/stream", &demo("ann", "user"))
                .await,
        );
    }
    server.begin_stop();
    let mut back = Vec::new();
    for mut stream in streams {
        let retry = Duration::from_millis(stream.block("draining").await.retry.unwrap());
        let address = server.address;
        back.push(tokio::spawn(async move {
            tokio::time::sleep(retry).await; // as a client does
            let Ok(mut socket) = TcpStream::connect(address).await else {
                return String::new();
            };
            // A process that another test starts may hold a copy of the listener, but answers
            // nothing.
            let request =
                b"GET /realtime/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
            let _ = socket.write_all(request).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            String::from_utf8(answer).unwrap()
        }));
    }
    for met in back {
        assert_eq!(in_time(met).await.unwrap(), "");
    }
    server.stopped().await.unwrap();
}

#[tokio::test]
async fn a_complete_call_is_answered_before_the_stop_however_long_it_takes() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let builder = Server::builder().config(config(&[("SHUTDOWN_TIMEOUT", "1h")]).unwrap());
    let mut server = start_on(builder.routes({
        let (begun, go) = (begun.clone(), go.clone());
        let slow = async move || {
            begun.notify_one();
            go.notified().await;
            "at last"
        };
        move |_| axum::Router::new().route("/slow", axum::routing::get(slow))
    }));
    let address = server.address;
    let asked = tokio::spawn(async move { http::request(address, "GET", "/slow", &[], b"").await });
    in_time(begun.notified()).await;
    server.begin_stop();
    until(async || TcpStream::connect(address).await.is_err()).await;
    // Not a wait for something: a request that has not arrived in full is given less time than
    // this.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    go.notify_one();
    assert_eq!(in_time(asked).await.unwrap().text(), "at last");
    server.stopped().await.unwrap();
}
