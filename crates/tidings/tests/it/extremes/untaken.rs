//! Peers that ask for much and read nothing, or send bodies that do not end: what is held for them
//! has a limit, their connections are closed, and all other clients are served meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::descriptors::have_room_for;
use crate::support::stalled::publish_big;
use crate::support::{ADMIN, TestServer, in_time, start_with, until};

const PAGE: &str = "/events?topic=notifications&limit=1000";

/// An HTTP/2 client whose windows are closed, and which sends `PING`s.
struct Closed {
    sender: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    address: SocketAddr,
}

impl Closed {
    async fn connect(server: &TestServer) -> Self {
        let socket = TcpStream::connect(server.address).await.unwrap();
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(0)
            .keep_alive_interval(Duration::from_millis(200))
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(socket));
        let (sender, connection) = handshake.await.unwrap();
        Self {
            sender,
            connection: tokio::spawn(connection),
            address: server.address,
        }
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = http::Request::get(format!("http://{}{path}", self.address))
            .body(Empty::new())
            .unwrap();
        in_time(self.sender.send_request(request)).await.unwrap()
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// One of the metrics of the bytes that are held.
async fn held(server: &TestServer, name: &str, what: &str) -> f64 {
    let text = server.get("/metrics").await.text();
    let line = format!("{name}{{what=\"{what}\"}} ");
    text.lines()
        .find_map(|known| known.strip_prefix(&line))
        .unwrap_or_else(|| panic!("{text}"))
        .parse()
        .unwrap()
}

async fn is_well(server: &TestServer) {
    for _ in 0..3 {
        assert_eq!(server.get("/health/ready").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_are_limited_over_all_connections() {
    let server = start_with(&[("WRITE_TIMEOUT", "1h")]).await;
    publish_big(&server, 12).await;
    let mut clients = Vec::new();
    let mut statuses = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let mut client = Closed::connect(&server).await;
        for _ in 0..30 {
            let answer = client.get(PAGE).await;
            statuses.push(answer.status().as_u16());
            if answer.status() == 503 {
                assert!(answer.headers().contains_key("retry-after"));
            }
            answers.push(answer);
        }
        clients.push(client);
    }
    let whole = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        (50..=64).contains(&whole),
        "{whole} pages of 1 MiB are held"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 503).count(),
        statuses.len() - whole
    );
    assert!(
        held(&server, "tidings_held_bytes", "answers").await
            <= held(&server, "tidings_held_limit_bytes", "answers").await
    );
    assert!(held(&server, "tidings_held_refused_total", "answers").await >= 1.0);
    is_well(&server).await;
    assert_eq!(
        server.get(PAGE).await.status,
        503,
        "there is no room for a page over HTTP/1 either"
    );
    drop((answers, clients));
    until(async || held(&server, "tidings_held_bytes", "answers").await == 0.0).await;
    assert_eq!(server.get(PAGE).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_answer_over_http2_is_reset_although_the_client_sends_pings() {
    let server = start_with(&[("WRITE_TIMEOUT", "1s"), ("IDLE_TIMEOUT", "1s")]).await;
    publish_big(&server, 2).await;
    let mut client = Closed::connect(&server).await;
    for path in [PAGE, "/health"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 200);
        assert!(
            in_time(answer.into_body().collect()).await.is_err(),
            "{path} is reset"
        );
    }
    in_time(&mut client.connection).await.unwrap().unwrap();
    assert!(held(&server, "tidings_held_bytes", "answers").await < 1.0);
    let closed = server.get("/system/stats").await.json()["closed"].clone();
    assert_eq!(
        (&closed["write_timeout"], &closed["idle"]),
        (&2.into(), &1.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http1_client_that_reads_nothing_is_closed_however_much_it_pipelines() {
    let server = start_with(&[("WRITE_TIMEOUT", "1s")]).await;
    publish_big(&server, 60).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = crate::support::stalled::narrow(server.address).await;
        socket
            .write_all(
                format!("GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n")
                    .repeat(30)
                    .as_bytes(),
            )
            .await
            .unwrap();
        sockets.push(socket);
    }
    until(async || held(&server, "tidings_held_bytes", "answers").await > 5e6).await;
    is_well(&server).await;
    until(async || held(&server, "tidings_held_bytes", "answers").await == 0.0).await;
    // Either the kernel (`TCP_USER_TIMEOUT`) or the server closed them, which is a matter of
    // milliseconds.
    for mut socket in sockets {
        in_time(socket.read_to_end(&mut Vec::new())).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_unread_answers() {
    let mut server = start_with(&[("WRITE_TIMEOUT", "1h")]).await;
    publish_big(&server, 60).await;
    let mut client = Closed::connect(&server).await;
    let _answer = client.get(PAGE).await;
    let mut socket = crate::support::stalled::narrow(server.address).await;
    socket
        .write_all(
            format!("GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n")
                .repeat(30)
                .as_bytes(),
        )
        .await
        .unwrap();
    socket.read_exact(&mut [0; 100]).await.unwrap();
    server.stopped().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_are_limited_and_leave_nothing_behind() {
    have_room_for(1_000);
    let server = start_with(&[]).await;
    let head = format!(
        "POST /notifications/broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\nContent-Length: 250000\r\n\r\n"
    );
    // The bodies have a length, or come in chunks, and never end.
    let most = "x".repeat(249_000);
    let chunk = format!("{:x}\r\n{most}\r\n", most.len());
    let chunked = head.replace("Content-Length: 250000", "Transfer-Encoding: chunked");
    // More bytes follow in drips, because after 2 s a body that stops gives way to others, and a
    // busy machine may take that long to send them all.
    let (drips, dripping) = watch::channel(true);
    let mut bodies = JoinSet::new();
    let refused = async || held(&server, "tidings_held_refused_total", "bodies").await >= 10.0;
    for nth in 0..800 {
        if nth >= 340 && nth % 20 == 0 && refused().await {
            break;
        }
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let said = if nth % 2 == 0 {
            format!("{head}{most}")
        } else {
            format!("{chunked}{chunk}")
        };
        let drip: &[u8] = if nth % 2 == 0 { b"x" } else { b"1\r\nx\r\n" };
        let mut dripping = dripping.clone();
        let _ = socket.write_all(said.as_bytes()).await; // it may have been refused already
        bodies.spawn(async move {
            while *dripping.borrow() {
                tokio::select! {
                    _ = dripping.changed() => {}
                    () = tokio::time::sleep(Duration::from_millis(500)) => drop(socket.write_all(drip).await),
                }
            }
            std::future::pending::<()>().await;
            drop(socket);
        });
    }
    until(refused).await;
    assert!(
        held(&server, "tidings_held_bytes", "bodies").await
            <= held(&server, "tidings_held_limit_bytes", "bodies").await
    );
    is_well(&server).await;
    // Bodies that stop give way, so that other clients can publish.
    drips.send(false).unwrap();
    until(async || {
        let body = serde_json::json!({"title": "t", "message": "m"});
        server
            .call("POST", "/notifications/broadcast", ADMIN, body)
            .await
            .status
            == 200
    })
    .await;
    bodies.shutdown().await;
    until(async || held(&server, "tidings_held_bytes", "bodies").await == 0.0).await;
}
