//! Opens one stream through the proxies, and reads it with the time at which each event arrived.

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

/// How long a head, or a first event, may take before it counts as buffered.
pub(super) const FIRST_EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open stream.
pub(super) struct Stream {
    pub(super) head: Parts,
    body: Incoming,
    decoder: Decoder,
    waiting: VecDeque<Message>,
    pub(super) opened: Instant,
    /// How long the head took, including the connection.
    pub(super) head_after: Duration,
    /// When the last bytes arrived, including the head.
    pub(super) last_bytes: Instant,
    /// Whether the body ended as complete. Reliable only over HTTP/1.1: over HTTP/2, hyper reports
    /// a reset with some codes as a complete end.
    pub(super) finished: bool,
}

/// The outcome of waiting for an event.
#[derive(Debug)]
pub(super) enum Next {
    Event(Message, Instant),
    /// Nothing arrived before the deadline.
    Silence,
    /// The stream has ended.
    End,
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum NoStream {
    /// No head arrived in time.
    TimedOut,
    /// Any other failure; nothing can be measured.
    Failed(Failure),
}

/// The data of the event `connected`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connected {
    pub(super) timestamp: Option<String>,
    /// Every Tidings server sends this field, and hardly any other server does.
    pub(super) connection_id: String,
    pub(super) authenticated: bool,
    pub(super) auth_error: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) heartbeat_interval: Option<u64>,
    pub(super) resumed: Option<bool>,
}

/// The options of a request for a stream.
#[derive(Clone, Copy, Default)]
pub(super) struct RequestOptions<'a> {
    /// Whether to offer compression, as browsers do.
    pub(super) compressed: bool,
    /// The id of the last event that was seen.
    pub(super) after: Option<&'a str>,
}

impl RequestOptions<'_> {
    pub(super) fn headers(self) -> HeaderMap {
        let encodings = if self.compressed {
            "gzip, br"
        } else {
            "identity"
        };
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
    /// Opens a stream. A 200 of any content type counts, because the type may have been rewritten.
    pub(super) async fn open(
        client: &Client,
        path: &str,
        options: RequestOptions<'_>,
    ) -> Result<Self, NoStream> {
        let opened = Instant::now();
        let answer = timeout(
            FIRST_EVENT_TIMEOUT,
            client.ask(Method::GET, path, options.headers()),
        )
        .await;
        let response = answer
            .map_err(|_| NoStream::TimedOut)?
            .map_err(NoStream::Failed)?;
        if response.status() != StatusCode::OK {
            // The body of a refusal may never end; the status alone is then enough.
            let status = response.status();
            let refused = timeout(FIRST_EVENT_TIMEOUT, refusal(response)).await;
            let refused = refused
                .unwrap_or_else(|_| tidings_client::Refusal::read(status, &HeaderMap::new(), b""));
            return Err(NoStream::Failed(Failure::Refused(refused)));
        }
        let (head, body) = response.into_parts();
        let last_bytes = Instant::now();
        let head_after = last_bytes - opened;
        let (decoder, waiting) = (Decoder::new(), VecDeque::new());
        Ok(Self {
            head,
            body,
            decoder,
            waiting,
            opened,
            head_after,
            last_bytes,
            finished: false,
        })
    }

    /// Waits for the next event. Cancel-safe: no event is lost.
    pub(super) async fn next(&mut self, deadline: Instant) -> Next {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Next::Event(message, self.last_bytes);
            }
            if Instant::now() >= deadline {
                return Next::Silence; // any number of bytes that are not an event count as silence
            }
            match self.bytes(deadline).await {
                Some(true) => {}
                Some(false) => return Next::End,
                None => return Next::Silence,
            }
        }
    }

    /// Waits for bytes of any kind. Returns `true` for bytes, `false` for the end, and `None` if
    /// the deadline passes.
    pub(super) async fn bytes(&mut self, deadline: Instant) -> Option<bool> {
        let frame = match timeout_at(deadline, self.body.frame()).await {
            Err(_) => return None,
            Ok(Some(Ok(frame))) => frame,
            // The body was cut off: by the server, to make the client reconnect, or by a proxy.
            Ok(Some(Err(_))) => return Some(false),
            Ok(None) => {
                self.finished = true;
                return Some(false);
            }
        };
        let bytes = frame.into_data().unwrap_or_default();
        if !bytes.is_empty() {
            // over HTTP/2 the end of a stream may be a frame without bytes
            self.last_bytes = Instant::now();
        }
        self.decoder.push(&bytes);
        for item in self.decoder.by_ref() {
            match item {
                Ok(Decoded::Event(message)) => self.waiting.push_back(message),
                Ok(_) => {}
                Err(_) => return Some(false), // nothing is read after this
            }
        }
        Some(true)
    }

    /// Reads the event `connected`, by which a Tidings server is recognised.
    pub(super) async fn connected(&mut self) -> Result<Connected, Next> {
        let deadline = Instant::now() + FIRST_EVENT_TIMEOUT;
        match self.next(deadline).await {
            Next::Event(message, at) => match serde_json::from_str(&message.data) {
                Ok(connected) if message.event == "connected" => Ok(connected),
                _ => Err(Next::Event(message, at)),
            },
            other => Err(other),
        }
    }
}
