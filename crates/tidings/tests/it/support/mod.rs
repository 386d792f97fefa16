//! A server on a free port, a client that sees every byte, and nothing else.

pub(crate) mod binary;
pub(crate) mod block;
pub(crate) mod checks;
pub(crate) mod client;
pub(crate) mod descriptors;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod patience;
pub(crate) mod stalled;
pub(crate) mod stream;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidings_hub::Clock;
use tidings_server::auth::By;
use tidings_server::config::{Config, Flags};
use tidings_server::{Handle, Server};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use http::Answer;
pub(crate) use patience::{PATIENCE, in_time};
pub(crate) use stream::Stream;

/// `test123`, roles `user` and `admin`.
pub(crate) const ADMIN: &str = tidings_server::auth::demo::TOKEN;

/// A server for one test. Dropping it ends the server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), tidings_server::server::Error>>,
}

/// A server with default settings.
pub(crate) async fn start() -> TestServer {
    start_with(&[]).await
}

/// A server with these settings, written as in the environment.
pub(crate) async fn start_with(settings: &[(&str, &str)]) -> TestServer {
    start_at(settings, Clock::system()).await
}

/// A server with these settings and a clock of its own.
pub(crate) async fn start_at(settings: &[(&str, &str)], clock: Clock) -> TestServer {
    start_on(
        Server::builder()
            .config(config(settings).unwrap())
            .clock(clock),
    )
}

/// A server that the test has configured.
pub(crate) fn start_on(builder: tidings_server::server::Builder) -> TestServer {
    start_built(builder.build().unwrap())
}

/// A server that the test has built, so that it can check how that went.
pub(crate) fn start_built(server: Server) -> TestServer {
    let (address, handle) = (server.addresses()[0], server.handle());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    TestServer {
        address,
        handle,
        stop: Some(stop),
        running,
    }
}

/// The configuration of these settings, written as in the environment. The port is free, and the
/// server does not wait while it drains.
pub(crate) fn config(settings: &[(&str, &str)]) -> Result<Config, tidings_server::config::Error> {
    let presets = [
        ("PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("DRAIN_SECONDS", "0"),
        ("LOG_LEVEL", "error"),
        ("JOURNAL", "memory"), // the tests that need another name a directory of their own
        ("HEARTBEAT_INTERVAL", "1h"), // on a busy machine one would come into many a test
    ];
    let unset = presets
        .into_iter()
        .filter(|(name, _)| settings.iter().all(|(set, _)| set != name));
    // Both lanes keep the same promises: `cargo xtask test` runs this binary once for each.
    let lane = std::env::var("TIDINGS_TEST_LANE").map(|lane| ("STREAM_LANE".to_owned(), lane));
    let environment = unset
        .chain(settings.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = lane.into_iter().chain(environment);
    let nowhere = std::path::Path::new("/nonexistent");
    Config::load(Flags::default(), environment, nowhere).map(|loaded| loaded.config)
}

impl TestServer {
    /// A call with a JSON body (`Value::Null` for none) and a token (`""` for none).
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if !token.is_empty() {
            headers.push(("Authorization", bearer.as_str()));
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.request(method, path, &headers, body.as_bytes()).await
    }

    /// A call with exactly these headers (besides `Host`, `Connection: close` and `Content-Length`)
    /// and this body.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        in_time(http::request(self.address, method, path, headers, body)).await
    }

    /// Makes a `GET` without a token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    /// Makes a `POST` as an admin. Fails the test unless the status is 200.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let answer = self.call("POST", path, ADMIN, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// Opens a stream and leaves its `connected` event unread. The token may be empty.
    pub(crate) async fn stream(&self, path: &str, token: &str) -> Stream {
        self.stream_with(path, token, &[]).await
    }

    /// Opens a stream with more headers. Fails the test unless it opens.
    pub(crate) async fn stream_with(
        &self,
        path: &str,
        token: &str,
        more: &[(&str, &str)],
    ) -> Stream {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Accept", "text/event-stream")];
        if !token.is_empty() {
            headers.push(("Authorization", bearer.as_str()));
        }
        headers.extend_from_slice(more);
        in_time(Stream::open(self.address, path, &headers)).await
    }

    /// Opens a stream and reads its `connected` event.
    pub(crate) async fn connected(&self, path: &str, token: &str) -> Stream {
        let mut stream = self.stream(path, token).await;
        stream.expect("connected").await;
        stream
    }

    /// Opens a stream that resumes after `cursor`, and leaves its `connected` event unread.
    pub(crate) async fn resumed(&self, path: &str, token: &str, cursor: &str) -> Stream {
        self.stream_with(path, token, &[("Last-Event-ID", cursor)])
            .await
    }

    /// Sends a notification to all and returns its `eventId`.
    pub(crate) async fn notify(&self, title: &str) -> String {
        let answer = self
            .post(
                "/notifications/send",
                serde_json::json!({"title": title, "message": "m"}),
            )
            .await;
        answer.json()["eventId"].as_str().unwrap().to_owned()
    }

    /// Sends a notification as the embedding application does, and returns its `eventId`.
    pub(crate) async fn say(&self, form: &Value) -> String {
        self.handle
            .notify(By::Application, form)
            .await
            .unwrap()
            .event_id
            .to_string()
    }

    /// The id of the newest event.
    pub(crate) async fn head(&self) -> String {
        self.stream("/notifications/stream", "")
            .await
            .block("connected")
            .await
            .id
            .unwrap()
    }

    /// The numbers of open streams, in the fields that existing front ends know.
    pub(crate) async fn stats(&self) -> Value {
        let all = self.get("/system/stats").await.json();
        let known = [
            "totalConnections",
            "authenticatedConnections",
            "connectionsByType",
        ];
        known
            .into_iter()
            .map(|name| (name.to_owned(), all[name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Waits until the server itself counts no open stream any more.
    pub(crate) async fn until_nobody_is_left(&self) {
        let nobody = serde_json::json!({
            "totalConnections": 0, "authenticatedConnections": 0, "connectionsByType": {},
        });
        until(async || self.stats().await == nobody).await;
    }

    /// Tells the server to stop. Streams can still be read while it drains.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(&mut self) -> Result<(), tidings_server::server::Error> {
        self.begin_stop();
        self.ended().await
    }

    /// Waits until the server ends without being told to.
    pub(crate) async fn ended(&mut self) -> Result<(), tidings_server::server::Error> {
        in_time(&mut self.running).await.unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Repeats `done` until it returns true. Fails the test if that hangs.
pub(crate) async fn until(mut done: impl AsyncFnMut() -> bool) {
    in_time(async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Writes a demo token.
pub(crate) fn demo(user: &str, roles: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .encode(format!("{user}:{user}-name:{user}@example.com:{roles}"))
}

/// Writes a JWT for `ann`, issued at `now` and valid for `seconds`.
pub(crate) fn jwt(secret: &str, now: jiff::Timestamp, seconds: u64) -> String {
    use tidings_server::auth::mint;
    let claims = mint::Claims {
        sub: tidings_hub::UserId::parse("ann").unwrap(),
        username: None,
        email: None,
        roles: Vec::new(),
        expires_in: Duration::from_secs(seconds),
        issuer: None,
        audience: None,
    };
    mint::mint(secret.as_bytes(), &claims, now).unwrap()
}
