//! Peers that misbehave affect nobody else: the server goes on for all others, and forgets them.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::descriptors::have_room_for;
use crate::support::http::{parse_head, raw};
use crate::support::{ADMIN, Answer, TestServer, in_time, start, start_with, until};

const IMPATIENT: (&str, &str) = ("HEAD_TIMEOUT", "1s");

/// The timeout of [`IMPATIENT`], minus how early a timer may fire.
const HEAD_TIMEOUT: Duration = Duration::from_millis(900);

/// Checks that the server serves calls and streams, and has no stream left afterwards.
async fn is_well(server: &TestServer) {
    let mut stream = server.connected("/notifications/stream", "").await;
    server.notify("well").await;
    stream.expect("notification").await;
    drop(stream);
    server.until_nobody_is_left().await;
}

/// Reads until the server closes the connection in any way.
async fn closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = in_time(socket.read_to_end(&mut bytes)).await;
    bytes
}

/// Reads until a stream has begun.
async fn until_connected(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    in_time(async {
        while !String::from_utf8_lossy(&bytes).contains("event: connected") {
            assert!(
                socket.read_buf(&mut bytes).await.unwrap() > 0,
                "closed early"
            );
        }
    })
    .await;
    bytes
}

#[tokio::test]
async fn garbage_is_refused_and_closed() {
    let server = start().await;
    let binary: Vec<u8> = (0..=255).cycle().take(4_096).collect();
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        // a TLS hello on a port without TLS
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /notifications/stream\r\n\r\n",
        b"GET /notifications/stream HTTP/9.9\r\n\r\n",
        b"GET /notifications/stream HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /notifications/stream HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        &binary,
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let _ = socket.write_all(garbage).await;
        socket.shutdown().await.unwrap_or_default();
        let answer = closed(&mut socket).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in "GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n".bytes() {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    until_connected(&mut socket).await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_closed_after_the_head_timeout() {
    let server = start_with(&[IMPATIENT]).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    socket
        .write_all(b"GET /notifications/stream HTTP/1.1\r\n")
        .await
        .unwrap();
    let (mut reading, mut writing) = socket.split();
    let dawdle = async {
        while writing.write_all(b"A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        _ = in_time(reading.read_to_end(&mut bytes)) => {}
        () = dawdle => {}
    }
    assert!(began.elapsed() >= HEAD_TIMEOUT, "{:?}", began.elapsed());
    assert!(!bytes.starts_with(b"HTTP/1.1 200"));
    is_well(&server).await;
}

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed_after_the_head_timeout() {
    let server = start_with(&[IMPATIENT]).await;
    let mut sockets = JoinSet::new();
    for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET"] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let began = Instant::now();
        sockets.spawn(async move {
            socket.write_all(said).await.unwrap();
            assert_eq!(
                String::from_utf8_lossy(&closed(&mut socket).await),
                "",
                "{said:?}"
            );
            assert!(
                began.elapsed() >= HEAD_TIMEOUT,
                "{said:?}: {:?}",
                began.elapsed()
            );
        });
    }
    sockets.join_all().await;
    is_well(&server).await;
}

#[tokio::test]
async fn the_head_timeout_does_not_end_a_stream() {
    let server = start_with(&[IMPATIENT, ("HEARTBEAT_INTERVAL", "500ms")]).await;
    let mut stream = server.connected("/notifications/stream", "").await;
    for _ in 0..6 {
        stream.expect("heartbeat").await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = start().await;
    let refused_or_closed = |bytes: &[u8]| match parse_head(bytes) {
        Some((status, ..)) => assert_eq!(status, 431, "{}", String::from_utf8_lossy(bytes)),
        None => assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(bytes)),
    };
    let value = "x".repeat(20 << 10);
    let one_large = format!("GET /notifications/stream HTTP/1.1\r\nHost: x\r\nA: {value}\r\n\r\n");
    refused_or_closed(&raw(server.address, one_large.as_bytes()).await);
    let many_small = format!(
        "GET /notifications/stream HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(5_000)
    );
    refused_or_closed(&raw(server.address, many_small.as_bytes()).await);
    let without_end = format!("GET /notifications/stream?{}", "x".repeat(1 << 20));
    refused_or_closed(&raw(server.address, without_end.as_bytes()).await);
    is_well(&server).await;
    let value = "x".repeat(12 << 10);
    server
        .stream_with("/notifications/stream", "", &[("A", &value)])
        .await
        .expect("connected")
        .await;
}

#[tokio::test]
async fn peers_that_vanish_at_any_point_leave_nothing_behind() {
    let server = start().await;
    for said in [
        &b"GET /notifications/str"[..],
        b"POST /notifications/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"title\":",
        b"POST /notifications/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"tit",
        b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        for reset in [false, true] {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            socket.write_all(said).await.unwrap();
            if reset {
                socket.set_zero_linger().unwrap();
            }
            drop(socket);
        }
    }
    is_well(&server).await;
}

#[tokio::test]
async fn clients_that_reset_during_publishes_do_not_affect_others() {
    let server = start().await;
    let mut witness = server.connected("/notifications/stream", "").await;
    let mut victims = Vec::new();
    for _ in 0..20 {
        victims.push(server.connected("/notifications/stream", "").await);
    }
    for nth in 0..200 {
        if nth % 10 == 0
            && let Some(victim) = victims.pop()
        {
            let socket = victim.into_socket();
            if nth % 20 == 0 {
                socket.set_zero_linger().unwrap();
            }
            drop(socket);
        }
        server
            .say(&json!({"title": nth.to_string(), "message": "m"}))
            .await;
    }
    for (nth, event) in witness.take("notification", 200).await.iter().enumerate() {
        assert_eq!(event.data["title"], nth.to_string());
    }
    until(async || server.get("/system/stats").await.json()["totalConnections"] == 1).await;
    drop(witness);
    is_well(&server).await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_is_gone() {
    let server = start().await;
    let stream = server.connected("/notifications/stream", ADMIN).await;
    let mut socket = stream.into_socket();
    socket.shutdown().await.unwrap();
    server.until_nobody_is_left().await;
    closed(&mut socket).await;
    is_well(&server).await;
}

#[tokio::test]
async fn bytes_after_the_request_for_a_stream_do_no_harm() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let pipelined = "GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\nGET /health/live \
                     HTTP/1.1\r\nHost: x\r\n\r\n";
    socket.write_all(pipelined.as_bytes()).await.unwrap();
    socket
        .write_all(&vec![0; 100_000])
        .await
        .unwrap_or_default();
    until_connected(&mut socket).await;
    drop(socket);
    is_well(&server).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn_and_the_stream_last() {
    let server = start().await;
    let live = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(
            format!("{live}{live}GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    let bytes = until_connected(&mut socket).await;
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(text.matches(r#"{"status":"ok"}"#).count(), 2);
    drop(socket);
    is_well(&server).await;
}

#[tokio::test]
async fn a_request_for_a_stream_may_have_a_body() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(
            b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await
        .unwrap();
    until_connected(&mut socket).await;
    drop(socket);
    is_well(&server).await;
}

#[tokio::test]
async fn a_thousand_silent_peers_do_not_prevent_other_connections() {
    have_room_for(1_000);
    let server = start().await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    is_well(&server).await;
    drop(idle);
    is_well(&server).await;
}

#[tokio::test]
async fn a_call_after_an_error_on_the_same_connection_is_answered() {
    let server = start().await;
    let calls = "GET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET /health/live HTTP/1.1\r\nHost: \
                 x\r\nConnection: close\r\n\r\n";
    let bytes = raw(server.address, calls.as_bytes()).await;
    assert!(bytes.starts_with(b"HTTP/1.1 404"));
    let second = bytes
        .windows(12)
        .rposition(|window| window == b"HTTP/1.1 200")
        .unwrap();
    assert_eq!(Answer::parse(&bytes[second..]).text(), r#"{"status":"ok"}"#);
}
