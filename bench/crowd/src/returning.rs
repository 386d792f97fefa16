//! A crowd that comes back at once, each client with an id from before what it missed.

use std::net::Ipv4Addr;
use std::rc::Rc;

use anyhow::{Result, ensure};
use memchr::memmem;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

pub(crate) struct Crowd {
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) clients: usize,
    /// How many may be without a head at once.
    pub(crate) under_way: usize,
    pub(crate) rooms: usize,
    /// What each of them missed.
    pub(crate) messages: usize,
    pub(crate) cursor: String,
}

#[derive(Serialize)]
pub(crate) struct Found {
    /// Until the last of them had everything.
    seconds: f64,
}

pub(crate) async fn run(crowd: Crowd) -> Result<Found> {
    let (start, gate, crowd) = (
        Instant::now(),
        Rc::new(Semaphore::new(crowd.under_way)),
        Rc::new(crowd),
    );
    LocalSet::new()
        .run_until(async {
            let mut clients = JoinSet::new();
            for nth in 0..crowd.clients {
                clients.spawn_local(client(crowd.clone(), gate.clone(), nth));
            }
            let mut open = Vec::with_capacity(crowd.clients);
            while let Some(socket) = clients.join_next().await {
                open.push(socket??);
            }
            Ok(Found {
                seconds: start.elapsed().as_secs_f64(),
            })
        })
        .await
}

/// Reads its stream until it has everything that it missed. Returns the stream, which stays open.
async fn client(crowd: Rc<Crowd>, gate: Rc<Semaphore>, nth: usize) -> Result<TcpStream> {
    let head = format!(
        "GET /chat/room/r{}/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {}\r\nLast-Event-ID: {}\r\n\r\n",
        nth % crowd.rooms,
        crowd.token,
        crowd.cursor
    );
    let mut permit = Some(gate.acquire().await?);
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, crowd.port)).await?;
    socket.write_all(head.as_bytes()).await?;
    let (mut bytes, mut seen) = (Vec::with_capacity(8 << 10), 0);
    while seen < crowd.messages {
        ensure!(
            socket.read_buf(&mut bytes).await? > 0,
            "the server closed a stream of the crowd"
        );
        if permit.take().is_some() {
            ensure!(
                bytes.starts_with(b"HTTP/1.1 200"),
                "refused: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        seen += take_messages(&mut bytes);
    }
    ensure!(
        seen == crowd.messages,
        "{seen} messages came to one who missed {}",
        crowd.messages
    );
    Ok(socket)
}

/// Counts the events in `bytes` and leaves what may be the beginning of the next.
fn take_messages(bytes: &mut Vec<u8>) -> usize {
    const NAME: &[u8] = b"event: chat-message\n";
    let (mut end, mut count) = (0, 0);
    for at in memmem::find_iter(bytes, NAME) {
        end = at + NAME.len();
        count += 1;
    }
    let rest = end.max(bytes.len().saturating_sub(NAME.len() - 1));
    bytes.drain(..rest);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_once_however_the_bytes_come() {
        let text =
            b"event: chat-message\nid: a-1\ndata: 1\n\nevent: chat-message\nid: a-2\ndata: 2\n\n";
        for cut in 0..text.len() {
            let mut bytes = text[..cut].to_vec();
            let before = take_messages(&mut bytes);
            bytes.extend(&text[cut..]);
            assert_eq!(before + take_messages(&mut bytes), 2, "cut at {cut}");
        }
    }
}
