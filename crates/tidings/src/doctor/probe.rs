//! One stream through whatever stands between: opened, and read with the time at which each event came.

use std::collections::VecDeque;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use tidings_client::{Client, Failure, LAST_EVENT_ID, refusal};
use tidings_sse::{Decoded, Decoder, Message};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a head, or a first event, may take before it counts as held back.
pub(super) const FIRST: Duration = Duration::from_secs(5);

/// A stream that is open.
pub(super) struct Stream {
    pub(super) head: Parts,
    body: Incoming,
    decoder: Decoder,
    waiting: VecDeque<Message>,
    pub(super) opened: Instant,
    /// How long the head took, connecting included.
    pub(super) head_after: Duration,
    /// When something came last, the head included.
    pub(super) last_bytes: Instant,
    /// Whether its end was that of an answer which is complete. Told by HTTP/1.1 alone: over HTTP/2 hyper takes a reset with
    /// some codes for an end.
    pub(super) finished: bool,
}

/// What a stream brings.
#[derive(Debug)]
pub(super) enum Next {
    Event(Message, Instant),
    /// Nothing until the deadline.
    Silence,
    /// It is over.
    End,
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum NoStream {
    /// Connected, and no head came in time.
    Held,
    /// Everything else; nothing can be measured.
    Failed(Failure),
}

/// What `connected` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connected {
    pub(super) timestamp: Option<String>,
    /// Every Tidings server gives one, and hardly anything else does.
    pub(super) connection_id: String,
    pub(super) authenticated: bool,
    pub(super) auth_error: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) heartbeat_interval: Option<u64>,
    pub(super) resumed: Option<bool>,
}

/// What is asked of the stream beside its path.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) compressed: bool,
    pub(super) after: Option<&'a str>,
}

impl Asked<'_> {
    pub(super) fn headers(self) -> HeaderMap {
        let encodings = if self.compressed { "gzip, br" } else { "identity" };
        let mut headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (ACCEPT_ENCODING, HeaderValue::from_static(encodings)),
        ]);
        if let Some(id) = self.after.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        headers
    }
}

impl Stream {
    /// Opens a stream; a 200 of any type counts, as the type may have been rewritten.
    pub(super) async fn open(client: &Client, path: &str, asked: Asked<'_>) -> Result<Self, NoStream> {
        let opened = Instant::now();
        let answer = timeout(FIRST, client.ask(Method::GET, path, asked.headers())).await;
        let response = answer.map_err(|_| NoStream::Held)?.map_err(NoStream::Failed)?;
        if response.status() != StatusCode::OK {
            // The body of a refusal that never ends says nothing more.
            let status = response.status();
            let refused = timeout(FIRST, refusal(response)).await;
            let refused = refused.unwrap_or_else(|_| tidings_client::Refusal::read(status, &HeaderMap::new(), b""));
            return Err(NoStream::Failed(Failure::Refused(refused)));
        }
        let (head, body) = response.into_parts();
        let last_bytes = Instant::now();
        let head_after = last_bytes - opened;
        let (decoder, waiting) = (Decoder::new(), VecDeque::new());
        Ok(Self { head, body, decoder, waiting, opened, head_after, last_bytes, finished: false })
    }

    /// The next event. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self, deadline: Instant) -> Next {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Next::Event(message, self.last_bytes);
            }
            if Instant::now() >= deadline {
                return Next::Silence; // a flood of what is no event is none either
            }
            match self.bytes(deadline).await {
                Some(true) => {}
                Some(false) => return Next::End,
                None => return Next::Silence,
            }
        }
    }

    /// Waits for bytes of any kind: whether there were some rather than the end, or nothing until the deadline.
    pub(super) async fn bytes(&mut self, deadline: Instant) -> Option<bool> {
        let frame = match timeout_at(deadline, self.body.frame()).await {
            Err(_) => return None,
            Ok(Some(Ok(frame))) => frame,
            // An end in the middle of the body is the server's way to say "come back", and a proxy's of cutting.
            Ok(Some(Err(_))) => return Some(false),
            Ok(None) => {
                self.finished = true;
                return Some(false);
            }
        };
        let bytes = frame.into_data().unwrap_or_default();
        if !bytes.is_empty() {
            self.last_bytes = Instant::now(); // the end of a stream over HTTP/2 may come as a frame without any
        }
        self.decoder.push(&bytes);
        for item in self.decoder.by_ref() {
            match item {
                Ok(Decoded::Event(message)) => self.waiting.push_back(message),
                Ok(_) => {}
                Err(_) => return Some(false), // nobody reads on from here
            }
        }
        Some(true)
    }

    /// Reads up to `connected`, which tells a Tidings server from everything else.
    pub(super) async fn connected(&mut self) -> Result<Connected, Next> {
        let deadline = Instant::now() + FIRST;
        match self.next(deadline).await {
            Next::Event(message, at) => match serde_json::from_str(&message.data) {
                Ok(connected) if message.event == "connected" => Ok(connected),
                _ => Err(Next::Event(message, at)),
            },
            other => Err(other),
        }
    }
}
