//! Connections that carry no stream: they may have what the streams leave over, those that do
//! nothing are closed first, and they keep no client out.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::place;
use crate::support::binary::Process;
use crate::support::descriptors::have_room_for;
use crate::support::stalled::narrow;
use crate::support::{ADMIN, Stream, http, in_time, start_with, until};

/// The beginning of every HTTP/2 connection, with no settings of its own (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How many file descriptors the server below may have. They suffice for 188 streams, and for
/// connections until 444 are open.
const DESCRIPTORS: u64 = 700;

/// A server that closes no connection by itself while a test runs.
fn small() -> Process {
    have_room_for(1_200);
    place()
        .env("HEAD_TIMEOUT", "5m")
        .env("WRITE_TIMEOUT", "1h")
        .start_limited(&[], DESCRIPTORS)
}

/// Opens `count` connections that then do nothing: over HTTP/2, kept alive after a call, in the
/// middle of a head, or before anything was sent.
async fn idlers(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let kinds = [
        PREFACE,
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /heal",
        b"",
    ];
    let mut sockets = Vec::new();
    for nth in 0..count {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let _ = socket.write_all(kinds[nth % kinds.len()]).await; // it may have been closed already
        sockets.push(socket);
    }
    sockets
}

async fn publish(address: SocketAddr, title: &str) {
    let headers = [
        ("Authorization", &*format!("Bearer {ADMIN}")),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"title": title, "message": "m"}).to_string();
    let request = http::request(
        address,
        "POST",
        "/notifications/broadcast",
        &headers,
        body.as_bytes(),
    );
    assert_eq!(in_time(request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_prevent_no_new_ones_and_end_no_stream() {
    let process = small();
    let address = process.addresses[0];
    let mut streams = Vec::new();
    for _ in 0..188 {
        let accept = [("Accept", "text/event-stream")];
        let mut stream = Stream::open(address, "/notifications/stream", &accept).await;
        stream.expect("connected").await;
        streams.push(stream);
    }
    let idle = idlers(address, 800).await;
    for nth in 0..3 {
        let health = in_time(http::request(address, "GET", "/health/ready", &[], b"")).await;
        assert_eq!(health.status, 200);
        publish(address, &nth.to_string()).await;
    }
    for stream in &mut streams {
        for event in stream.take("notification", 3).await.iter().zip(0..) {
            assert_eq!(event.0.data["title"], event.1.to_string());
        }
    }
    let stats = in_time(http::request(address, "GET", "/system/stats", &[], b""))
        .await
        .json();
    assert_eq!(stats["totalConnections"], 188);
    assert!(stats["closed"]["crowded"].as_u64() > Some(300), "{stats}");
    assert!(
        !process.said().contains("can't accept"),
        "it came to the last descriptor: {}",
        process.said()
    );
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_progresses_is_not_closed_because_of_idle_connections() {
    let process = small();
    let address = process.addresses[0];
    let body = json!({"title": "slow", "message": "m", "more": "x".repeat(200_000)}).to_string();
    let head = format!(
        "POST /notifications/broadcast HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: \
         Bearer {ADMIN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let crowding = tokio::spawn(async move {
        let _idle = idlers(address, 700).await;
        loop {
            let stats = in_time(http::request(address, "GET", "/system/stats", &[], b""))
                .await
                .json();
            if stats["closed"]["crowded"].as_u64() > Some(200) {
                return;
            }
        }
    });
    let mut pieces = body.as_bytes().chunks(8 << 10);
    while !crowding.is_finished() {
        // The last pieces are sent when the crowding is over, however long it takes.
        if pieces.len() > 2 {
            socket.write_all(pieces.next().unwrap()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for piece in pieces {
        socket.write_all(piece).await.unwrap();
    }
    let mut answer = Vec::new();
    in_time(socket.read_to_end(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    crowding.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_their_bodies_prevent_no_new_connections() {
    let process = small();
    let address = process.addresses[0];
    let head = format!(
        "POST /notifications/broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let mut stuck = Vec::new();
    for _ in 0..800 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let _ = socket.write_all(head.as_bytes()).await;
        stuck.push(socket);
    }
    for _ in 0..3 {
        assert_eq!(
            in_time(http::request(address, "GET", "/health/ready", &[], b""))
                .await
                .status,
            200
        );
    }
    let stats = in_time(http::request(address, "GET", "/system/stats", &[], b""))
        .await
        .json();
    assert!(stats["closed"]["crowded"].as_u64() > Some(200), "{stats}");
    assert!(
        !process.said().contains("can't accept"),
        "it came to the last descriptor: {}",
        process.said()
    );
}

#[tokio::test]
async fn an_answered_connection_may_be_idle_longer_than_the_head_timeout() {
    let server = start_with(&[("HEAD_TIMEOUT", "500ms")]).await;
    let live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    // The last pause is longer than hyper keeps the connection, which then waits without hyper.
    for pause in [0, 700, 1_500, 3_500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        socket.write_all(live).await.unwrap();
        let mut answer = Vec::new();
        in_time(async {
            while !answer.ends_with(br#"{"status":"ok"}"#) {
                assert!(
                    socket.read_buf(&mut answer).await.unwrap() > 0,
                    "closed after {pause} ms"
                );
            }
        })
        .await;
    }
    // Afterwards it requests a stream, whose head comes in two parts.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    socket
        .write_all(b"GET /notifications/stream HTTP/1.1\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    socket.write_all(b"Host: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    in_time(async {
        while !String::from_utf8_lossy(&answer).contains("event: connected") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "closed");
        }
    })
    .await;
}

#[tokio::test]
async fn the_head_timeout_of_a_later_request_starts_at_its_first_byte() {
    let server = start_with(&[("HEAD_TIMEOUT", "1s")]).await;
    for rest in [100, 2_500] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket
            .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(rest)).await;
        socket
            .write_all(b"POST /notifications/send HTTP/1.1\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        in_time(socket.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&answer)
                .matches("HTTP/1.1 ")
                .count(),
            1,
            "after {rest} ms"
        );
    }
    assert_eq!(
        server.get("/system/stats").await.json()["closed"]["head_timeout"],
        2
    );
}

type Http2 = (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>);

async fn http2(address: SocketAddr) -> Http2 {
    let socket = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

async fn get(
    address: SocketAddr,
    sender: &mut SendRequest<Empty<Bytes>>,
    path: &str,
) -> hyper::body::Incoming {
    let request = ::http::Request::get(format!("http://{address}{path}"))
        .body(Empty::new())
        .unwrap();
    let response = in_time(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// Short timeouts, and a heartbeat interval at which a stream shows that it is open.
const IMPATIENT: [(&str, &str); 4] = [
    ("HEAD_TIMEOUT", "1s"),
    ("IDLE_TIMEOUT", "1s"),
    ("WRITE_TIMEOUT", "1s"),
    ("HEARTBEAT_INTERVAL", "500ms"),
];

#[tokio::test]
async fn an_idle_http2_connection_gets_goaway_and_one_with_a_stream_stays() {
    let server = start_with(&IMPATIENT).await;
    let (mut idle, gone) = http2(server.address).await;
    let (mut follows, _stays) = http2(server.address).await;
    let mut stream = get(server.address, &mut follows, "/notifications/stream").await;
    get(server.address, &mut idle, "/health/live")
        .await
        .collect()
        .await
        .unwrap();
    let began = Instant::now();
    // The server sends a `GOAWAY`: an end without an error, after which a client knows which
    // requests were not served.
    in_time(gone).await.unwrap().unwrap();
    assert!(
        began.elapsed() > Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        server.get("/system/stats").await.json()["closed"]["idle"],
        1
    );
    let mut beats = 0;
    while beats < 8 {
        let frame = in_time(stream.frame()).await.expect("it goes on").unwrap();
        let text = String::from_utf8_lossy(frame.data_ref().unwrap()).into_owned();
        beats += text.matches("event: heartbeat").count();
    }
    // Without its stream, this connection is idle too.
    drop(stream);
    until(async || server.get("/system/stats").await.json()["closed"]["idle"] == 2).await;
}

#[tokio::test]
async fn an_http2_connection_without_requests_and_acknowledgements_is_closed() {
    let server = start_with(&IMPATIENT).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(PREFACE).await.unwrap();
    let began = Instant::now();
    in_time(silent.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(
        began.elapsed() > Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        server.get("/system/stats").await.json()["closed"]["head_timeout"],
        1
    );
}

#[tokio::test]
async fn a_kept_alive_connection_without_a_next_request_is_closed() {
    let server = start_with(&IMPATIENT).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let (began, mut answer) = (Instant::now(), Vec::new());
    in_time(socket.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert!(
        began.elapsed() > Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_connection_with_a_slowly_read_answer_is_not_idle() {
    let server = start_with(&[IMPATIENT[0], IMPATIENT[1], ("WRITE_TIMEOUT", "2s")]).await;
    let ballast = "x".repeat(200_000);
    for nth in 0..60 {
        let service = format!("service-{nth}");
        server
            .post(
                "/system/status/update",
                json!({"service": service, "status": "online", "metrics": ballast}),
            )
            .await;
    }
    // An answer of 12 MB, far more than fits into the buffers between the server and a client with
    // small ones.
    let mut socket = narrow(server.address).await;
    let began = Instant::now();
    socket
        .write_all(b"GET /system/status HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    in_time(async {
        while bytes.len() < 12_000_000 {
            assert!(
                socket.read_buf(&mut bytes).await.unwrap() > 0,
                "cut after {} bytes",
                bytes.len()
            );
            // At 2.5 MB/s, this takes more than twice as long as a connection may be idle.
            tokio::time::sleep_until(began + Duration::from_nanos(bytes.len() as u64 * 400)).await;
        }
    })
    .await;
}
