//! An open event stream, read byte by byte: the head, the chunks, the events, and how it ended.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tidings_sse::{Decoded, Decoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::block::Block;
use super::{http, in_time};

/// An open stream.
pub(crate) struct Stream {
    socket: TcpStream,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes of the body that are not a complete chunk yet.
    pending: Vec<u8>,
    /// Every byte of the body so far, without the framing of chunks.
    pub(crate) body: Vec<u8>,
    decoder: Decoder,
    events: VecDeque<Received>,
    /// How many events the test has taken.
    taken: usize,
    ended: Option<End>,
}

/// An event as it was received.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) event: String,
    /// The last event id after this event, which is its own id if it has one.
    pub(crate) last_id: String,
    /// The `retry:` of the same block, in milliseconds.
    pub(crate) retry: Option<u128>,
    pub(crate) data: Value,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the last chunk: the client should not reconnect.
    Finished,
    /// Without the last chunk, but after a complete chunk: the client should reconnect.
    Cut,
    /// In the middle of a chunk, or by a reset of the connection.
    Broken,
}

impl Stream {
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::open_on(TcpStream::connect(address).await.unwrap(), path, headers).await
    }

    /// Opens a stream on a connection that the test has made.
    pub(crate) async fn open_on(
        mut socket: TcpStream,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let address = socket.peer_addr().unwrap();
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head += "\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let (status, headers, length) = loop {
            if let Some(head) = http::parse_head(&bytes) {
                break head;
            }
            assert!(
                socket.read_buf(&mut bytes).await.unwrap() > 0,
                "closed before the head was complete"
            );
        };
        let pending = bytes.split_off(length);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&pending));
        let mut stream = Self {
            socket,
            status,
            headers,
            pending,
            body: Vec::new(),
            decoder: Decoder::new(),
            events: VecDeque::new(),
            taken: 0,
            ended: None,
        };
        stream.digest();
        stream
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The next event of any name, including heartbeats.
    pub(crate) async fn next(&mut self) -> Received {
        in_time(self.next_or_end())
            .await
            .unwrap_or_else(|| panic!("the stream ended: {:?}", self.ended))
    }

    /// The next event; `None` once the stream has ended.
    pub(crate) async fn next_or_end(&mut self) -> Option<Received> {
        loop {
            if let Some(event) = self.events.pop_front() {
                self.taken += 1;
                return Some(event);
            }
            if self.ended.is_some() {
                return None;
            }
            self.read_more().await;
        }
    }

    /// The next event, which must be named `name`.
    pub(crate) async fn expect(&mut self, name: &str) -> Received {
        let event = self.next().await;
        assert_eq!(event.event, name, "{event:?}");
        event
    }

    /// Reads to the end and returns how the stream ended.
    pub(crate) async fn end(&mut self) -> End {
        in_time(async {
            while self.ended.is_none() {
                self.read_more().await;
            }
        })
        .await;
        self.ended.unwrap()
    }

    /// The body so far as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The complete blocks so far, each checked to be written as documented. Comments are left out.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        Block::all(&self.text())
    }

    /// The next event, which must be named `name`, as it was on the wire.
    pub(crate) async fn block(&mut self, name: &str) -> Block {
        self.expect(name).await;
        self.blocks().swap_remove(self.taken - 1)
    }

    /// Reads events of this name until there are `count`. Skips heartbeats and nothing else.
    pub(crate) async fn take(&mut self, name: &str, count: usize) -> Vec<Received> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            let event = self.next().await;
            if event.event != "heartbeat" {
                assert_eq!(event.event, name, "{event:?}");
                events.push(event);
            }
        }
        events
    }

    /// Reads until `done` returns true for the body so far.
    pub(crate) async fn read_until(&mut self, mut done: impl FnMut(&str) -> bool) {
        in_time(async {
            while !done(&self.text()) {
                assert!(self.ended.is_none(), "the stream ended: {:?}", self.ended);
                self.read_more().await;
            }
        })
        .await;
    }

    /// Shuts down the sending side.
    pub(crate) async fn shut(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// The socket, for tests of misbehaving clients.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }

    async fn read_more(&mut self) {
        match self.socket.read_buf(&mut self.pending).await {
            Ok(0) => {
                self.ended = Some(if self.pending.is_empty() {
                    End::Cut
                } else {
                    End::Broken
                });
            }
            Ok(_) => self.digest(),
            Err(_) => self.ended = Some(End::Broken),
        }
    }

    /// Decodes the complete chunks of what is pending.
    fn digest(&mut self) {
        while let Some(line) = self.pending.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&self.pending[..line]).unwrap();
            let size = usize::from_str_radix(size, 16)
                .unwrap_or_else(|_| panic!("{size:?} is no size of a chunk"));
            let whole = line + 2 + size + 2;
            if self.pending.len() < whole {
                return;
            }
            if size == 0 {
                self.ended = Some(End::Finished);
                return;
            }
            let chunk: Vec<u8> = self.pending.drain(..whole).collect();
            let data = &chunk[line + 2..whole - 2];
            assert_eq!(&chunk[whole - 2..], b"\r\n");
            self.body.extend_from_slice(data);
            self.decoder.push(data);
            let mut retry = None;
            for item in self.decoder.by_ref() {
                match item.unwrap() {
                    Decoded::Retry(delay) => retry = Some(delay.as_millis()),
                    Decoded::Event(message) => {
                        let data: Value =
                            serde_json::from_str(&message.data).expect("data is JSON");
                        let retry = retry.take();
                        if retry.is_some() {
                            assert_eq!(
                                data["retry"].as_u64().map(u128::from),
                                retry,
                                "some clients hide `retry:`: {data}"
                            );
                        }
                        self.events.push_back(Received {
                            event: message.event,
                            last_id: message.id,
                            retry,
                            data,
                        });
                    }
                    Decoded::Comment(_) => {}
                }
            }
        }
    }
}
