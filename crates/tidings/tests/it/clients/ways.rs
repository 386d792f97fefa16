//! A small server that answers each request and ends each stream as it is told, down to the socket.
//! It does what Tidings does on purpose, and what networks, proxies and other servers do.
//!
//! Must never decide anything: a test gives it the answers and reads the requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::support::in_time;

/// The `retry:` of the last event before the end. It is longer than any client waits by itself (the
/// browser waits 3 s), so a client that waits this long has obeyed it.
pub(crate) const RETRY: Duration = Duration::from_millis(3_250);

/// The id of the only event in each stream that has one.
pub(crate) const ID: &str = "m-1";

/// The id of an event of which only half was sent.
pub(crate) const HALF: &str = "m-2";

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With the last chunk.
    Finished,
    /// After a whole chunk, without the last: what Tidings does where the client is to come back.
    Cut,
    /// After a whole chunk, without the last, where the head, one event and the end come at once:
    /// the answer of a server that is `busy`.
    Busy,
    /// As HTTP/1.0 does, where the end of the connection is the end of the body.
    Closed,
    /// By a reset of the connection.
    Reset,
    /// Cut within an event, in its data: before its id, as Tidings writes it.
    Broken,
    /// Cut within an event, between the end of its id and the blank line. Only one byte of an event
    /// allows such a cut.
    Brink,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A stream that sends `first`, then waits for [`Ways::sign`], sends `last` and ends.
    Ends(Way),
    /// A stream that sends `again` and stays open.
    Stays,
    /// A stream that sends nothing but `expired` and is finished. This is the final end.
    Expired,
    /// An answer with this status instead of a stream.
    Status(u16),
}

/// A request for a stream.
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) last_event_id: Option<String>,
}

/// The small server.
pub(crate) struct Ways {
    pub(crate) url: String,
    requests: mpsc::Receiver<Request>,
    sign: Arc<Notify>,
    _accepting: AbortOnDropHandle<()>,
}

/// What its connections share.
struct Script {
    /// The answer to each request. The last one is also the answer to all later requests.
    answers: Vec<Answer>,
    asked: AtomicUsize,
    requests: mpsc::Sender<Request>,
    sign: Arc<Notify>,
}

impl Ways {
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel(64);
        let sign = Arc::new(Notify::new());
        let script = Script {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
            requests: sender,
            sign: sign.clone(),
        };
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::new(script))));
        Self {
            url,
            requests,
            sign,
            _accepting: accepting,
        }
    }

    /// The next request for a stream. If the future is dropped before it is ready, no request is
    /// lost.
    pub(crate) async fn asked(&mut self) -> Request {
        self.requests.recv().await.unwrap()
    }

    /// Has the open stream send its last event.
    pub(crate) fn sign(&self) {
        self.sign.notify_one();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    // Each connection has a task, because a browser also opens some connections on which it
    // requests nothing. The tasks end with this one.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let script = script.clone();
        // An error of a client that has left does not matter.
        connections.spawn(async move { drop(serve(socket, &script).await) });
    }
}

async fn serve(mut socket: TcpStream, script: &Script) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    if request.starts_with("OPTIONS") {
        socket.write_all(&status(204)).await?;
        return end(socket).await;
    }
    let headers = request.lines().filter_map(|line| line.split_once(": "));
    let last_event_id = headers
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("last-event-id"));
    let last_event_id = last_event_id.map(|(_, id)| id.to_owned());
    let nth = script.asked.fetch_add(1, Ordering::SeqCst);
    let _ = script
        .requests
        .send(Request {
            at: Instant::now(),
            last_event_id,
        })
        .await;
    match script.answers[nth.min(script.answers.len() - 1)] {
        Answer::Status(code) => {
            socket.write_all(&status(code)).await?;
            end(socket).await
        }
        Answer::Stays => {
            socket
                .write_all(&[head(true), framed("event: again\ndata: 3\n\n", true)].concat())
                .await?;
            let _ = socket.read(&mut [0]).await;
            Ok(())
        }
        Answer::Expired => {
            let expired = framed(
                "event: expired\nretry: 10\ndata: {\"reconnect\":false}\n\n",
                true,
            );
            socket
                .write_all(&[&head(true)[..], &expired, b"0\r\n\r\n"].concat())
                .await?;
            end(socket).await
        }
        Answer::Ends(way) => stream(socket, way, &script.sign).await,
    }
}

async fn stream(mut socket: TcpStream, way: Way, sign: &Notify) -> std::io::Result<()> {
    let chunked = way != Way::Closed;
    let retry = RETRY.as_millis();
    let mut rest = match way {
        Way::Busy => [
            head(true),
            framed(
                &format!("event: last\nretry: {retry}\ndata: 2\nid: {ID}\n\n"),
                true,
            ),
        ]
        .concat(),
        Way::Broken => framed("event: half\ndata: 2\ndata: ", true),
        Way::Brink => framed(&format!("event: half\ndata: 2\nid: {HALF}\n"), true),
        _ => framed(
            &format!("event: last\nretry: {retry}\ndata: 2\n\n"),
            chunked,
        ),
    };
    if way == Way::Finished {
        rest.extend_from_slice(b"0\r\n\r\n");
    }
    if way != Way::Busy {
        // The Python library `requests` holds back less than 128 bytes if the body has no chunks.
        let comment = "-".repeat(256);
        let first = framed(
            &format!("event: first\ndata: 1\nid: {ID}\n\n: {comment}\n"),
            chunked,
        );
        socket.write_all(&[head(chunked), first].concat()).await?;
        sign.notified().await;
    }
    socket.write_all(&rest).await?;
    if way == Way::Reset {
        return SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
    end(socket).await
}

/// Shuts down the sending side, and waits until the peer has done so too, because closing a socket
/// with unread bytes would reset the connection.
async fn end(mut socket: TcpStream) -> std::io::Result<()> {
    socket.shutdown().await?;
    in_time(tokio::io::copy(&mut socket, &mut tokio::io::sink()))
        .await
        .map(drop)
}

fn head(chunked: bool) -> Vec<u8> {
    let (version, framing) = if chunked {
        ("1.1", "Transfer-Encoding: chunked\r\n")
    } else {
        ("1.0", "")
    };
    format!(
        "HTTP/{version} 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
         Access-Control-Allow-Origin: *\r\n{framing}\r\n"
    )
    .into_bytes()
}

fn framed(block: &str, chunked: bool) -> Vec<u8> {
    if chunked {
        format!("{:x}\r\n{block}\r\n", block.len()).into_bytes()
    } else {
        block.as_bytes().to_vec()
    }
}

/// An answer without a stream. It also satisfies a browser's preflight.
fn status(code: u16) -> Vec<u8> {
    let body = if code == 204 {
        ""
    } else {
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    };
    let end = if code == 204 { "\r\n" } else { "" };
    format!(
        "HTTP/1.1 {code} Status\r\nAccess-Control-Allow-Origin: \
         *\r\nAccess-Control-Allow-Headers: last-event-id\r\nConnection: close\r\n{body}{end}"
    )
    .into_bytes()
}
