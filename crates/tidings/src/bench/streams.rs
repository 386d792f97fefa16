//! Opens the streams and reads them.
//!
//! Owns the sockets. Must never keep a buffer for a stream that is open.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::{self, Opening};
use super::marker::Rest;
use super::request::Request;
use super::tally::{Stream, Tally};
use super::template::Values;

/// How long a stream may take to open, including the connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest number of connections from one address of this machine to one server. Linux has
/// 28,232 ports for them by default, and searches for a free one among those in use: with 15,000
/// connections from one address, that took more than 40 % of the time of this program, so that the
/// results did not depend on the server.
const MAX_PER_SOURCE: usize = 4_000;

/// The streams of a run.
pub(super) struct Streams {
    request: Arc<Request>,
    target: SocketAddr,
    /// Whether more than one source address is needed and available.
    spread: bool,
    groups: (u64, u64),
    tally: Arc<Mutex<Tally>>,
    opening: JoinSet<Opened>,
    open: JoinSet<()>,
    /// How many streams were opened or are being opened.
    started: usize,
    wanted: usize,
}

/// The number of a stream, and its socket with the bytes after the head.
type Opened = (usize, Result<(TcpStream, Vec<u8>), OpenError>);

/// Why a stream did not open.
enum OpenError {
    /// The server refused it, with this message.
    Refused(String),
    /// There was no connection, or no answer.
    Failed(String),
}

impl Streams {
    /// `groups` holds the numbers of users and rooms among which the streams are divided.
    pub(super) fn new(
        request: Request,
        target: SocketAddr,
        wanted: usize,
        groups: (u64, u64),
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        Self {
            request: Arc::new(request),
            target,
            spread: wanted > MAX_PER_SOURCE,
            groups,
            tally,
            opening: JoinSet::new(),
            open: JoinSet::new(),
            started: 0,
            wanted,
        }
    }

    /// Starts opening streams until `burst` are being opened, and waits until one of them is open
    /// or has failed. Returns `false` if there are no more.
    pub(super) async fn open_next(&mut self, burst: usize) -> bool {
        while self.started < self.wanted && self.opening.len() < burst {
            let number = self.started;
            self.started += 1;
            let source = self.spread.then(|| source(number, self.target)).flatten();
            let opening = open(
                self.request.clone(),
                self.target,
                source,
                self.values(number),
            );
            self.opening.spawn(async move {
                let opened = timeout(ANSWER_TIMEOUT, opening).await;
                (
                    number,
                    opened.unwrap_or_else(|_| {
                        Err(OpenError::Failed("no answer within 30 s".to_owned()))
                    }),
                )
            });
        }
        let Some(opened) = self.opening.join_next().await else {
            return false;
        };
        let Ok((number, opened)) = opened else {
            return true;
        };
        let mut tally = self.tally.lock();
        match opened {
            Ok((socket, first)) => {
                tally.open(number, &first);
                let stream = Stream {
                    number,
                    socket,
                    rest: Rest::default(),
                    fresh: first.is_empty(),
                };
                self.open.spawn(follow(stream, self.tally.clone()));
            }
            Err(OpenError::Refused(why)) => tally.refused.add(|| why),
            Err(OpenError::Failed(why)) => tally.failed.add(|| why),
        }
        true
    }

    /// Closes all streams.
    pub(super) async fn close(&mut self) {
        self.opening.shutdown().await;
        self.open.shutdown().await;
    }

    fn values(&self, number: usize) -> Values {
        let number = number as u64;
        Values {
            number,
            user: number % self.groups.0,
            room: number % self.groups.1,
            time: 0,
        }
    }
}

/// Reads a stream to its end.
async fn follow(mut stream: Stream, tally: Arc<Mutex<Tally>>) {
    poll_fn(|cx| tally.lock().poll_read(&mut stream, cx)).await;
    tally.lock().end(&stream);
}

async fn open(
    request: Arc<Request>,
    target: SocketAddr,
    source: Option<IpAddr>,
    values: Values,
) -> Result<(TcpStream, Vec<u8>), OpenError> {
    let mut bytes = Vec::with_capacity(1_024);
    request.write(&mut bytes, &values);
    let mut socket = connect(target, source)
        .await
        .map_err(|error| OpenError::Failed(error.to_string()))?;
    let lost = |error: io::Error| OpenError::Failed(error.to_string());
    socket.write_all(&bytes).await.map_err(lost)?;
    bytes.clear();
    loop {
        let ended = socket.read_buf(&mut bytes).await.map_err(lost)? == 0;
        let malformed = |error: answer::Malformed| OpenError::Failed(error.to_string());
        match answer::opening(&bytes).map_err(malformed)? {
            Some(Opening::Stream(head)) => return Ok((socket, bytes.split_off(head))),
            Some(Opening::None) => match answer::read(&bytes, ended).map_err(malformed)? {
                Some(answer) if answer.status.is_success() => {
                    return Err(OpenError::Refused(
                        "the answer is not an event stream".to_owned(),
                    ));
                }
                Some(answer) => return Err(OpenError::Refused(answer.refusal())),
                None => {}
            },
            None => {}
        }
        if ended {
            return Err(OpenError::Failed(
                "the server closed the connection without an answer".to_owned(),
            ));
        }
    }
}

/// Connects. When the socket is closed, it resets the connection, so that the connection does not
/// stay in `TIME_WAIT` for a minute (RFC 9293, section 3.5): with tens of thousands of those,
/// finding a free port would take longer than anything that is measured.
async fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.set_zero_linger()?;
    socket.connect(target).await
}

/// Returns the address from which the stream `number` is opened, if there are several to choose
/// from: on Linux, all of 127.0.0.0/8 belongs to this machine.
fn source(number: usize, target: SocketAddr) -> Option<IpAddr> {
    let several = cfg!(target_os = "linux")
        && matches!(target.ip(), IpAddr::V4(address) if address.is_loopback());
    let [high, low] = u16::try_from(number / MAX_PER_SOURCE + 1)
        .ok()?
        .to_be_bytes();
    several.then(|| Ipv4Addr::new(127, 1, high, low).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn many_streams_to_this_machine_use_several_source_addresses() {
        let loopback = "127.0.0.1:3000".parse().unwrap();
        let from = |number| source(number, loopback).unwrap().to_string();
        assert_eq!(
            (&*from(0), &*from(3_999), &*from(4_000)),
            ("127.1.0.1", "127.1.0.1", "127.1.0.2")
        );
        assert_eq!(from(4_000 * 255), "127.1.1.0");
        assert_eq!(source(0, "[::1]:3000".parse().unwrap()), None);
        assert_eq!(source(0, "10.0.0.1:3000".parse().unwrap()), None);
    }
}
