//! One connection, which ends for good when it is lost.
//!
//! The client crate reconnects by itself, and sends what is still queued to the server that it
//! meets then. That must not happen: a server that was restarted may have lost something, and
//! nothing may be appended before the log was opened again. The crate has no option against it
//! (`max_reconnects(0)` means no limit), so after it has connected the client is told of one other
//! server, at a port where there can't be one.

use std::time::Duration;

use async_nats::{
    Client, ConnectOptions, HeaderMap, Message, Request, RequestErrorKind, ServerInfo,
};
use bytes::Bytes;
use tidings_journal_shared::broker::Failure;

use crate::options::Options;

/// How long connecting may take, over all servers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting to one server may take.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a request may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be silent before it is probed. It is closed when two probes had no
/// answer.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How many messages a subscription holds. Above that, messages are dropped and read again by
/// direct gets, so a slow node does not grow.
const SUBSCRIPTION_CAPACITY: usize = 1_024;

/// The address to which the client may reconnect: nothing can listen on port 0.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// A connection to a server.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// The server, as it introduced itself.
    pub(crate) server: ServerInfo,
}

impl Connection {
    /// Connects to one of the servers.
    pub(crate) async fn open(options: &Options) -> Result<Self, Failure> {
        let connecting = async {
            let mut client = ConnectOptions::new()
                .name("tidings")
                .connection_timeout(SERVER_TIMEOUT)
                .request_timeout(Some(REQUEST_TIMEOUT))
                .ping_interval(PING_INTERVAL)
                .subscription_capacity(SUBSCRIPTION_CAPACITY)
                .ignore_discovered_servers()
                .max_reconnects(options.servers.len());
            if let Some(file) = &options.credentials {
                client = client.credentials_file(file).await.map_err(|error| {
                    Failure::Unusable(format!(
                        "the credentials in {} can't be read: {error}; see NATS_CREDENTIALS",
                        file.display()
                    ))
                })?;
            }
            let client = client
                .connect(&*options.servers)
                .await
                .map_err(|error| failure_of(&error))?;
            client
                .set_server_pool(NOWHERE)
                .await
                .map_err(|error| Failure::Unsure(error.to_string()))?;
            let server = client.server_info();
            Ok(Self { client, server })
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connection) => connection,
            Err(_) => Err(Failure::Unsure(format!(
                "no server could be reached within {CONNECT_TIMEOUT:?}"
            ))),
        }
    }

    /// Whether the connection still is the one that was opened.
    pub(crate) fn is_open(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Sends a request and returns the answer.
    pub(crate) async fn request(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Message, Failure> {
        if !self.is_open() {
            return Err(Failure::Unsure("the connection was lost".to_owned()));
        }
        let mut request = Request::new().payload(body);
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        // The client's own limit does not cover the wait for space in its queue.
        let answer =
            tokio::time::timeout(REQUEST_TIMEOUT, self.client.send_request(subject, request)).await;
        let unsure = |text: &str| Failure::Unsure(text.to_owned());
        answer.map_err(|_| unsure("there was no answer in time"))?.map_err(|error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => Failure::TooLarge(format!(
                "the events are larger than the NATS server takes at once ({} bytes); raise its \
                 `max_payload`",
                self.server.max_payload
            )),
            RequestErrorKind::NoResponders => unsure("JetStream does not answer"),
            RequestErrorKind::TimedOut => unsure("there was no answer in time"),
            RequestErrorKind::InvalidSubject | RequestErrorKind::Other => unsure("the connection \
                was lost"),
        })
    }
}

/// Says why no connection came about. The error of the client never names a URL.
fn failure_of(error: &async_nats::ConnectError) -> Failure {
    use async_nats::ConnectErrorKind as Kind;
    match error.kind() {
        Kind::Authentication | Kind::AuthorizationViolation => Failure::Unusable(
            "the NATS server refuses the credentials; check NATS_URL and NATS_CREDENTIALS"
                .to_owned(),
        ),
        Kind::ServerParse => Failure::Unusable(
            "NATS_URL is not a list of URLs such as nats://127.0.0.1:4222".to_owned(),
        ),
        Kind::Tls => Failure::Unusable(format!("TLS with the NATS server fails: {error}")),
        Kind::Dns | Kind::TimedOut | Kind::Io | Kind::MaxReconnects => {
            Failure::Unsure(format!("no server can be reached: {error}"))
        }
    }
}
