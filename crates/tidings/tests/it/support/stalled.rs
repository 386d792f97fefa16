//! Clients that read little or nothing of what they are sent.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Stream, TestServer};

/// A connection whose client has small buffers, so that a big frame is interrupted in the middle as
/// soon as the client stops reading.
pub(crate) async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

/// An open stream over a connection with small buffers. Its `connected` event was read.
pub(crate) async fn narrow_stream(server: &TestServer, path: &str) -> Stream {
    let mut stream = Stream::open_on(narrow(server.address).await, path, &[]).await;
    stream.expect("connected").await;
    stream
}

/// A stream whose client reads nothing after the status of the answer. The token may be empty.
pub(crate) async fn stalled(server: &TestServer, path: &str, token: &str) -> TcpStream {
    let mut socket = narrow(server.address).await;
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n");
    if !token.is_empty() {
        let _ = write!(head, "Authorization: Bearer {token}\r\n");
    }
    head += "\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 13];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 ");
    socket
}

/// Publishes `count` notifications of 200 KB, numbered. 40 of them are far more than fits into the
/// buffers between a server and a client that reads nothing.
pub(crate) async fn publish_big(server: &TestServer, count: usize) {
    let ballast = "x".repeat(200_000);
    for nth in 0..count {
        server
            .say(&json!({"title": "T", "message": "m", "nth": nth, "ballast": ballast}))
            .await;
    }
}
