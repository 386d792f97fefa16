//! A client of the proxy: one connection over TLS, which speaks HTTP/2, and what is asked on it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::response::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tidings_server::auth::demo;
use tidings_sse::{Decoded, Decoder, Message};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::{CERTIFICATE, NAME};
use crate::patience::in_time;

/// The stream of all notifications.
pub(crate) const NOTIFICATIONS: &str = "/notifications/stream";

/// What asks for an event stream by name.
pub(crate) const EVENT_STREAM: (&str, &str) = ("accept", "text/event-stream");

/// A connection.
pub(crate) struct Link {
    sender: Sender,
    port: u16,
    /// What stands before each path.
    prefix: &'static str,
}

#[derive(Clone)]
enum Sender {
    Http2(http2::SendRequest<Full<Bytes>>),
    Http1(Arc<Mutex<http1::SendRequest<Full<Bytes>>>>),
}

/// An event stream that was opened.
pub(crate) struct Stream {
    pub(crate) head: Parts,
    body: Incoming,
    decoder: Decoder,
    waiting: VecDeque<Message>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As an answer that is complete.
    Finished,
    /// In the middle of the body.
    Cut,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) head: Parts,
    pub(crate) body: String,
}

async fn tls(
    address: SocketAddr,
    from: IpAddr,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let tcp = socket.connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(CERTIFICATE.client(protocol))
        .connect(name, tcp)
        .await
}

/// Whether somebody speaks TLS there, whatever comes after that.
pub(crate) async fn answers(address: SocketAddr) -> std::io::Result<()> {
    tls(address, Ipv4Addr::LOCALHOST.into(), "http/1.1")
        .await
        .map(drop)
}

impl Link {
    /// Connects over HTTP/2.
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::try_to(address).await.unwrap()
    }

    pub(crate) async fn try_to(
        address: SocketAddr,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::from(Ipv4Addr::LOCALHOST.into(), address).await
    }

    /// Connects from an address of the loopback network.
    pub(crate) async fn from(
        from: IpAddr,
        to: SocketAddr,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let io = TokioIo::new(tls(to, from, "h2").await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::Http2(sender),
            port: to.port(),
            prefix: "",
        })
    }

    /// Connects over HTTP/1.1.
    pub(crate) async fn http1(to: SocketAddr) -> Self {
        let io = TokioIo::new(
            tls(to, Ipv4Addr::LOCALHOST.into(), "http/1.1")
                .await
                .unwrap(),
        );
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender: Sender::Http1(Arc::new(Mutex::new(sender))),
            port: to.port(),
            prefix: "",
        }
    }

    /// Connects without TLS, as to the server itself.
    pub(crate) async fn in_the_clear(to: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender: Sender::Http1(Arc::new(Mutex::new(sender))),
            port: to.port(),
            prefix: "",
        }
    }

    /// Has every path begin with `prefix`.
    pub(crate) fn below(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// Sends a request; without a status, the connection did not carry it to an answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        let authority = format!("{NAME}:{}", self.port);
        let path = format!("{}{path}", self.prefix);
        let uri = match self.sender {
            Sender::Http2(_) => format!("https://{authority}{path}"),
            Sender::Http1(_) => path,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body.into()))
            .unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        match &self.sender {
            Sender::Http2(sender) => {
                let mut sender = sender.clone();
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http1(sender) => {
                request
                    .headers_mut()
                    .insert(HOST, HeaderValue::from_str(&authority).unwrap());
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// The whole answer to a request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = body.into();
        in_time(async {
            let (head, body) = self
                .send(method, path, headers, body)
                .await
                .unwrap()
                .into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer {
                head,
                body: String::from_utf8_lossy(&body).into_owned(),
            }
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, Bytes::new()).await
    }

    /// The same as an admin.
    pub(crate) async fn get_as_admin(&self, path: &str) -> Value {
        let answer = self
            .get(
                path,
                &[("authorization", &format!("Bearer {}", demo::TOKEN))],
            )
            .await;
        assert_eq!(
            answer.head.status,
            StatusCode::OK,
            "{path}: {}",
            answer.body
        );
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Publishes a notification to everybody. Returns the answer's status; an error where there was
    /// no answer.
    pub(crate) async fn publish(&self, number: u64) -> hyper::Result<StatusCode> {
        let authorization = format!("Bearer {}", demo::TOKEN);
        let key = format!("number-{number}");
        let headers = [
            (AUTHORIZATION.as_str(), &*authorization),
            (CONTENT_TYPE.as_str(), "application/json"),
            ("idempotency-key", &*key),
        ];
        let body = json!({"title": "number", "message": number.to_string()}).to_string();
        let response = self
            .send(Method::POST, "/notifications/send", &headers, body)
            .await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    }

    /// Opens a stream, after an id if there is one. An answer that is none is an error.
    pub(crate) async fn stream(&self, path: &str, after: &str) -> Result<Stream, String> {
        let mut headers = vec![EVENT_STREAM, ("accept-encoding", "gzip, deflate, br, zstd")];
        if !after.is_empty() {
            headers.push(("last-event-id", after));
        }
        let response = self.send(Method::GET, path, &headers, Bytes::new()).await;
        let (head, body) = response
            .map_err(|error| format!("no answer: {error:?}"))?
            .into_parts();
        let kind = head
            .headers
            .get(CONTENT_TYPE)
            .map(|kind| kind.to_str().unwrap().to_owned());
        if head.status != StatusCode::OK
            || kind.is_none_or(|kind| !kind.starts_with("text/event-stream"))
        {
            return Err(head.status.to_string());
        }
        Ok(Stream::of(Response::from_parts(head, body)))
    }

    /// Opens a stream that is there, and reads its first event, which tells that it is open.
    pub(crate) async fn connected(&self, path: &str) -> Stream {
        in_time(async {
            let mut stream = self.stream(path, "").await.unwrap();
            let connected = stream.next().await.unwrap();
            assert_eq!(connected.event, "connected", "{connected:?}");
            stream
        })
        .await
    }
}

impl Stream {
    pub(crate) fn of(answer: Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            head,
            body,
            decoder: Decoder::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The next event, or how the stream ended. Dropped before it is ready, it has taken nothing.
    pub(crate) async fn next(&mut self) -> Result<Message, End> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.decoder.push(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return Err(End::Cut),
                None => return Err(End::Finished),
            }
            for item in self.decoder.by_ref() {
                if let Decoded::Event(message) = item.unwrap() {
                    self.waiting.push_back(message);
                }
            }
        }
    }

    /// The number of the next notification, whatever else comes before it.
    pub(crate) async fn number(&mut self) -> u64 {
        in_time(async {
            loop {
                if let Some(number) = number(&self.next().await.unwrap()) {
                    return number;
                }
            }
        })
        .await
    }

    /// What the last `retry:` said.
    pub(crate) fn retry(&self) -> Option<std::time::Duration> {
        self.decoder.reconnection_time()
    }
}

/// The number that a notification of [`Link::publish`] carries.
pub(crate) fn number(message: &Message) -> Option<u64> {
    if message.event != "notification" {
        return None;
    }
    let data: Value = serde_json::from_str(&message.data).unwrap();
    Some(data["message"].as_str().unwrap().parse().unwrap())
}

/// Publishes, and must be answered with 200.
pub(crate) async fn publish(link: &Link, number: u64) {
    assert_eq!(in_time(link.publish(number)).await.unwrap(), StatusCode::OK);
}

/// The value of a field of an answer's head.
pub(crate) fn field<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).map(|value| value.to_str().unwrap())
}
