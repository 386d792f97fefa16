//! The server as a library: settings in, a running server out.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use tidings_hub::{Clock, Hub, Options, Publication, RingLimits, Runner, StreamLimits};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{EventId, TopicName};
use tidings_sse::EventName;

use crate::app::{self, App};
use crate::auth::{self, Authenticator};
use crate::config::{self, Config};
use crate::http::client_ip::{TrustedHeader, TrustedProxies};
use crate::http::cors;
use crate::http::router::router;
use crate::http::stream::{Spec, StreamCall};
use crate::http::words::Words;
use crate::lifecycle;
use crate::net::listen;
use crate::topics;

/// A server that is ready to run.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server = tidings::Server::builder().build()?;
/// println!("listening on {:?}", server.addresses());
/// server.run(std::future::pending::<()>()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    app: Arc<App>,
    runner: Runner,
    router: Router,
    listeners: Vec<TcpListener>,
    limits: StreamLimits,
}

/// Puts a [`Server`] together.
#[derive(Default)]
pub struct Builder {
    config: Config,
    listeners: Vec<TcpListener>,
    clock: Option<Clock>,
}

/// What routes of one's own need of the server: opening streams and publishing. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
}

/// Why a server can't be built or went down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error(transparent)]
    Listen(#[from] listen::Error),
    /// The origins in the settings.
    #[error("CORS_ORIGIN: {0}")]
    Cors(#[from] cors::Error),
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The log can't be read any more, so nothing can be delivered.
    #[error("the journal failed: {0}")]
    Journal(tidings_journal::Error),
    /// Streams or calls were left when the time was over.
    #[error("{0} connections were still open after SHUTDOWN_TIMEOUT")]
    Left(usize),
}

/// Why something can't be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Not a name of a topic.
    #[error(transparent)]
    Topic(#[from] tidings_journal::topic::Error),
    /// Not a name of an event.
    #[error(transparent)]
    Event(#[from] tidings_sse::name::Error),
    /// Not JSON.
    #[error(transparent)]
    Data(#[from] serde_json::Error),
    /// The log refused, or the server is about to stop.
    #[error("{0}")]
    Refused(String),
}

impl Server {
    /// A builder with the settings of development.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// How many streams it holds at most.
    pub fn capacity(&self) -> usize {
        self.limits.total
    }

    /// What routes of one's own need.
    pub fn handle(&self) -> Handle {
        Handle { app: self.app.clone() }
    }

    /// Serves until `shutdown` resolves, then drains: ends the streams one by one, takes publishes to the last wave, and
    /// returns when everything is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { app, runner, router, listeners, .. } = self;
        lifecycle::run(app, runner, router, listeners, shutdown).await
    }
}

impl Builder {
    /// The settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// A socket to listen on, instead of those that the settings ask for. May be called several times.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// The time, instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Opens the sockets and puts everything together. Needs no runtime yet.
    pub fn build(self) -> Result<Server, Error> {
        self.build_with(|_| Router::new())
    }

    /// The same, with routes of one's own beside the server's; they get the same layers (CORS, request ids, the log).
    pub fn build_with(self, routes: impl FnOnce(Handle) -> Router) -> Result<Server, Error> {
        let Self { config, mut listeners, clock } = self;
        if listeners.is_empty() {
            listeners = listen::bind(&config.http.host, config.http.port)?;
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let clock = clock.unwrap_or_else(Clock::system);
        let limits = limits(&config);
        let (hub, runner) = hub(&config, limits, clock.clone());
        let header = match config.http.trusted_header {
            config::TrustedHeader::XForwardedFor => TrustedHeader::XForwardedFor,
            config::TrustedHeader::Forwarded => TrustedHeader::Forwarded,
        };
        let app = App::new(app::Parts {
            hub,
            auth: Authenticator::new(&auth_options(&config)),
            proxies: TrustedProxies::new(config.http.trusted_proxies.iter().copied(), header),
            port: listeners.first().and_then(|one| one.local_addr().ok()).map_or(0, |address| address.port()),
            config,
            clock,
        });
        let more = routes(Handle { app: app.clone() });
        let router = router(app.clone(), more)?;
        Ok(Server { app, runner, router, listeners, limits })
    }
}

impl Handle {
    /// Stores an event of any topic and delivers it. Returns its id once the log's promise holds.
    ///
    /// `event` is the event's name: 1–64 characters of `[A-Za-z0-9._:-]`.
    pub async fn publish(&self, topic: &str, event: &str, data: &impl Serialize) -> Result<EventId, PublishError> {
        let publication = Publication {
            topics: [TopicName::parse(topic)?].into(),
            event: EventName::parse(event)?,
            key: None,
            data: serde_json::to_string(data)?,
        };
        self.app.publish(publication).await.map_err(|error| PublishError::Refused(error.to_string()))
    }

    /// Opens a stream over `topics` for the caller of a request, with everything that the server's own streams have:
    /// the token is judged (anonymous visitors are let in), a cursor is resumed, heartbeats come, and the stream is
    /// drained at the end. It counts as `counted_as`.
    ///
    /// Who may read the topics is for the route to decide; [`Handle::caller`] tells who calls.
    pub async fn stream(&self, parts: Parts, counted_as: &'static [&'static str], topics: &[&str]) -> Response {
        let names: Result<Vec<_>, _> = topics.iter().map(|topic| TopicName::parse(topic)).collect();
        let opened = async {
            let names = names.map_err(|error| crate::http::error::Error::field("topic", error.to_string()))?;
            let call = StreamCall::new(self.app.clone(), parts);
            let visitor = call.visitor()?;
            call.open(Spec { retry: Duration::from_secs(3), ..Spec::new(counted_as, names) }, visitor).await
        };
        opened.await.unwrap_or_else(axum::response::IntoResponse::into_response)
    }

    /// The verified caller of a request; `None` without a token, an answer to give where the token is refused.
    pub fn caller(&self, parts: &Parts) -> Result<Option<auth::Identity>, Box<Response>> {
        let call = StreamCall::new(self.app.clone(), parts.clone());
        let visitor = call.visitor().map_err(|error| Box::new(axum::response::IntoResponse::into_response(error)))?;
        Ok(visitor.identity)
    }
}

fn hub(config: &Config, streams: StreamLimits, clock: Clock) -> (Hub, Runner) {
    let journal = Memory::new(Retention {
        max_events: config.journal.max_events,
        max_bytes: config.journal.max_bytes,
        max_age: config.journal.max_age,
        ..Retention::default()
    });
    let options = Options {
        heartbeat_interval: config.streams.heartbeat_interval,
        write_timeout: config.streams.write_timeout,
        max_lag_bytes: config.streams.max_lag_bytes,
        max_age: config.streams.max_connection_age,
        streams,
        ring: RingLimits::default(),
        rooms: topics::chat(),
        presence_grace: config.streams.presence_grace,
    };
    Hub::new(Arc::new(journal), options, Arc::new(Words), clock)
}

/// How many streams may be open. By itself it is what the system's limit of file descriptors allows, which is raised as
/// far as it goes, less what the log, publishes, health checks and the operator need.
fn limits(config: &Config) -> StreamLimits {
    const RESERVED: u64 = 512;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024); // the usual limit where it can't be read
    let fit = usize::try_from(descriptors.saturating_sub(RESERVED).max(1)).unwrap_or(usize::MAX);
    let total = config.streams.max_connections.unwrap_or(fit);
    StreamLimits {
        total,
        per_user: config.streams.max_connections_per_user,
        per_address: config.streams.max_connections_per_ip.unwrap_or_else(|| (total / 4).max(1)),
    }
}

fn auth_options(config: &Config) -> auth::Options {
    let jwt = config.auth.jwt_secret.as_ref().map(|secret| auth::jwt::Options {
        secret: secret.expose().as_bytes().to_vec(),
        issuers: config.auth.jwt_issuers.clone(),
        audiences: config.auth.jwt_audiences.clone(),
        require_exp: config.auth.jwt_require_exp,
    });
    auth::Options { demo: config.auth.demo, jwt }
}
