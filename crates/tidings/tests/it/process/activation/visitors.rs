//! Publishers and readers that are active while servers stop and start. They check everything, and
//! any failure ends the test.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::checks::position;
use crate::support::{ADMIN, Stream, http, in_time, until};

/// What all publishers and readers share.
pub(super) struct Visit {
    address: SocketAddr,
    /// The ids of the acknowledged events.
    pub(super) published: Mutex<HashSet<String>>,
    /// How many times readers have reconnected.
    returned: AtomicUsize,
    pub(super) enough: AtomicBool,
}

/// A client that publishes one event after the other.
pub(super) struct Publisher;

/// A client that follows a stream, and reconnects when it is told to.
pub(super) struct Reader {
    seen: Arc<Mutex<Seen>>,
    following: JoinHandle<()>,
}

/// What a reader has seen.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) ids: HashSet<String>,
    pub(super) positions: Vec<u64>,
    pub(super) returns: usize,
}

impl Visit {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            published: Mutex::default(),
            returned: AtomicUsize::new(0),
            enough: AtomicBool::new(false),
        }
    }

    /// Waits until `count` more events were acknowledged.
    pub(super) async fn until_more_published(&self, count: usize, publishers: &[JoinHandle<()>]) {
        let enough = self.published.lock().len() + count;
        self.until(publishers, || self.published.lock().len() >= enough)
            .await;
    }

    /// Waits until the readers have reconnected `count` times, all of them together.
    pub(super) async fn until_returned(&self, count: usize, publishers: &[JoinHandle<()>]) {
        self.until(publishers, || {
            self.returned.load(Ordering::Relaxed) >= count
        })
        .await;
    }

    async fn until(&self, publishers: &[JoinHandle<()>], done: impl Fn() -> bool) {
        until(async || {
            assert!(
                !publishers.iter().any(JoinHandle::is_finished),
                "a publisher was refused, see above"
            );
            done()
        })
        .await;
    }
}

impl Publisher {
    /// Begins to publish: over a connection that it `keeps` until the server closes it, or over one
    /// connection for each call.
    pub(super) fn begin(visit: &Arc<Visit>, keeps: bool) -> JoinHandle<()> {
        let visit = visit.clone();
        tokio::spawn(async move {
            let mut connection = None;
            while !visit.enough.load(Ordering::Relaxed) {
                let mut socket = match connection.take() {
                    Some(socket) => socket,
                    None => in_time(TcpStream::connect(visit.address))
                        .await
                        .expect("nobody is refused"),
                };
                let (id, goes_on) = in_time(publish(&mut socket, keeps)).await;
                visit.published.lock().insert(id);
                connection = (keeps && goes_on).then_some(socket);
                // the readers and servers share two cores with it
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    }
}

/// Returns the event's id, and whether the connection stays open.
async fn publish(socket: &mut TcpStream, keeps: bool) -> (String, bool) {
    let body = json!({"title": "t", "message": "m"}).to_string();
    let connection = if keeps { "keep-alive" } else { "close" };
    let head = format!(
        "POST /notifications/send HTTP/1.1\r\nHost: x\r\nConnection: \
         {connection}\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket
        .write_all((head + &body).as_bytes())
        .await
        .expect("every call is taken");
    let mut bytes = Vec::new();
    let (status, headers, length) = loop {
        match http::parse_head(&bytes) {
            Some(head) => break head,
            None => {
                assert!(
                    socket
                        .read_buf(&mut bytes)
                        .await
                        .expect("every call is answered")
                        > 0,
                    "closed unanswered"
                );
            }
        }
    };
    let header = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let whole = length + header("content-length").unwrap().parse::<usize>().unwrap();
    while bytes.len() < whole {
        assert!(
            socket
                .read_buf(&mut bytes)
                .await
                .expect("every answer is whole")
                > 0,
            "closed in its answer"
        );
    }
    let answer = String::from_utf8_lossy(&bytes[length..]);
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let goes_on =
        header("connection").is_none_or(|connection| !connection.eq_ignore_ascii_case("close"));
    (answer["eventId"].as_str().unwrap().to_owned(), goes_on)
}

impl Reader {
    /// Begins to follow at the newest event.
    pub(super) async fn follow(visit: &Arc<Visit>) -> Self {
        let (visit, seen) = (visit.clone(), Arc::<Mutex<Seen>>::default());
        let stream = in_time(open(visit.address, None)).await;
        let following = tokio::spawn({
            let seen = seen.clone();
            async move {
                let mut stream = stream;
                let mut last = stream.expect("connected").await.last_id;
                loop {
                    let event = stream.next().await;
                    match event.event.as_str() {
                        "notification" => {
                            last = event.last_id;
                            let mut seen = seen.lock();
                            seen.positions.push(position(&last));
                            assert!(seen.ids.insert(last.clone()), "{last} came twice");
                        }
                        "draining" => {
                            let retry = u64::try_from(event.retry.unwrap()).unwrap();
                            // as a client does
                            tokio::time::sleep(Duration::from_millis(retry)).await;
                            stream = in_time(open(visit.address, Some(&last))).await;
                            assert_eq!(stream.expect("connected").await.data["resumed"], true);
                            seen.lock().returns += 1;
                            visit.returned.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other}: {event:?}"),
                    }
                }
            }
        });
        Self { seen, following }
    }

    /// What the reader has seen, once that is at least `count` events.
    pub(super) async fn until_seen(self, count: usize) -> Seen {
        until(async || {
            assert!(!self.following.is_finished(), "the reader has failed");
            self.seen.lock().ids.len() >= count
        })
        .await;
        self.following.abort();
        self.seen.lock().clone()
    }
}

async fn open(address: SocketAddr, last: Option<&str>) -> Stream {
    let accept = ("Accept", "text/event-stream");
    match last {
        Some(last) => {
            Stream::open(
                address,
                "/notifications/stream",
                &[accept, ("Last-Event-ID", last)],
            )
            .await
        }
        None => Stream::open(address, "/notifications/stream", &[accept]).await,
    }
}
