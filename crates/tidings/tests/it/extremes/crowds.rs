//! All clients come at once.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::place;
use crate::support::descriptors::have_room_for;
use crate::support::{ADMIN, http, in_time, start_with};

/// Connects, requests a stream, sends the name of the first event to `first`, and reads until
/// `marker` came or the stream ended.
async fn follow(
    address: SocketAddr,
    marker: &[u8],
    first: mpsc::Sender<String>,
) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect(address).await?;
    socket
        .write_all(
            b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
        )
        .await?;
    let mut bytes = Vec::new();
    let mut told = false;
    while !bytes.windows(marker.len()).any(|window| window == marker) {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, rest)) = text
            .split_once("event: ")
            .filter(|(_, rest)| !told && rest.contains('\n'))
        {
            told = true;
            let _ = first
                .send(rest.lines().next().unwrap_or_default().to_owned())
                .await;
        }
    }
    Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_clients_connect_at_once_and_all_receive_the_next_event() {
    const CROWD: usize = 10_000;
    have_room_for(CROWD as u64 / 2); // the other ends are in the server's process
    let process = place().start(&[]);
    let address = process.addresses[0];
    let (first, mut firsts) = mpsc::channel(CROWD);
    let mut clients = JoinSet::new();
    for _ in 0..CROWD {
        clients.spawn(follow(address, b"to ten thousand", first.clone()));
    }
    let all = async {
        for nth in 0..CROWD {
            assert_eq!(
                firsts.recv().await.as_deref(),
                Some("connected"),
                "number {nth}"
            );
        }
    };
    in_time(all).await;
    let headers = [
        ("Authorization", &*format!("Bearer {ADMIN}")),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"title": "to ten thousand", "message": "m"}).to_string();
    let answer = http::request(
        address,
        "POST",
        "/notifications/broadcast",
        &headers,
        body.as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200);
    let heard = async {
        while let Some(heard) = clients.join_next().await {
            assert!(heard.unwrap().unwrap(), "a stream ended");
        }
    };
    in_time(heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_more_clients_connect_than_fit_the_rest_get_busy() {
    const FIT: usize = 300;
    const CROWD: usize = 1_000;
    have_room_for(CROWD as u64);
    let server = start_with(&[("MAX_CONNECTIONS", "300")]).await;
    let (first, mut firsts) = mpsc::channel(CROWD);
    let mut clients = JoinSet::new();
    for _ in 0..CROWD {
        clients.spawn(follow(server.address, b"never", first.clone()));
    }
    let mut told = Vec::new();
    let all = async {
        while told.len() < CROWD {
            told.push(firsts.recv().await.unwrap());
        }
    };
    in_time(all).await;
    let connected = told.iter().filter(|name| *name == "connected").count();
    let busy = told.iter().filter(|name| *name == "busy").count();
    assert_eq!((connected, busy), (FIT, CROWD - FIT));
    assert_eq!(server.stats().await["totalConnections"], FIT);
    clients.shutdown().await;
    server.until_nobody_is_left().await;
}
