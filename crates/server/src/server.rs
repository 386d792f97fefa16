//! The server as a library: settings in, a running server out.

pub mod descriptors;
pub(crate) mod error;
pub mod journal;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use tidings_edge::client_ip::{TrustedHeader, TrustedProxies};
use tidings_edge::cors;
use tidings_hub::{Clock, Hub, Options, Presence, RingLimits, Runner, StreamLimits};
use tidings_journal::Journal;
use tidings_telemetry::service_manager::Notifier;

use crate::app::{self, App};
use crate::auth::guard::{self, Guard};
use crate::auth::{self, Authenticator};
use crate::config::{self, Config, Loaded};
use crate::groups::{self, GROUPS, Group};
use crate::handle::Handle;
use crate::lifecycle::{self, Listeners};
use crate::members::Members;
use crate::net::connections::{CLOSING_HEADROOM, ConnectionTable};
use crate::net::listen;
use crate::reload::source::Source;
use crate::router::router;
use crate::streams::control_events::ControlEvents;
use crate::topics;
use crate::traces::Tracer;
use descriptors::{OF_THE_LOG, Room};

/// A server that is ready to run.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server = tidings_server::Server::builder().build()?;
/// println!("listening on {:?}", server.addresses());
/// server.run(std::future::pending::<()>()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    engine: Engine,
    router: Router,
    listeners: Vec<TcpListener>,
    held: bool,
}

/// Puts a [`Server`] together.
#[derive(Default)]
pub struct Builder {
    config: Config,
    listeners: Vec<TcpListener>,
    held: bool,
    clock: Option<Clock>,
    routes: Option<Routes>,
    tracer: Tracer,
    notifier: Notifier,
    settings: Option<Source>,
}

/// What moves a server whose routes an application of one's own serves: [`Builder::embed`].
#[must_use = "nothing is delivered unless it runs"]
pub struct Engine {
    app: Arc<App>,
    runner: Runner,
    limits: StreamLimits,
}

pub use error::Error;
pub use lifecycle::Left;

type Routes = Box<dyn FnOnce(Handle) -> Router + Send>;

impl Server {
    /// A builder with the settings of development, and the log in memory ([`Config::default`]).
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// How many streams it holds at most.
    pub fn capacity(&self) -> usize {
        self.engine.limits.total
    }

    /// The paths of its streams that can be followed as they are: nothing has to be put into the path, and they are not for
    /// administrators alone.
    pub fn streams(&self) -> Vec<&'static str> {
        groups::offered(self.engine.app.groups).map(|(_, stream)| stream.path).collect()
    }

    /// What tasks of one's own need.
    pub fn handle(&self) -> Handle {
        self.engine.handle()
    }

    /// Serves until `shutdown` resolves or an admin asks for the end (`POST /system/drain`), then drains: ends the streams one
    /// by one, takes publishes to the last wave, and returns when everything is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { engine, router, listeners, held } = self;
        lifecycle::serve(engine.app, engine.runner, router, Listeners { listeners, held }, shutdown).await
    }
}

impl Engine {
    /// What routes and tasks of one's own need.
    pub fn handle(&self) -> Handle {
        Handle::new(self.app.clone())
    }

    /// Delivers until `shutdown` resolves or an admin asks for the end (`POST /system/drain`), then drains: ends the streams one
    /// by one, takes publishes to the last wave, and returns when the streams are gone. Only then may the application close
    /// its connections: this future, and not `shutdown`, is what to give to axum's `with_graceful_shutdown`, which waits for
    /// every stream to end.
    ///
    /// `SHUTDOWN_TIMEOUT` holds for the drain; how long the application waits for its own calls is up to it.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        lifecycle::accompany(self.app, self.runner, shutdown).await
    }
}

impl Builder {
    /// The settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The settings, and how they are read again: by a reload ([`Handle::reload`], `POST /system/reload`), which takes over what
    /// it can of what changed. Without this there is none.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidings_server::config::{Config, Flags, environment};
    ///
    /// let read = || Config::load(Flags::default(), environment(), std::path::Path::new("."));
    /// let server = tidings_server::Server::builder().reloadable(&read()?, read).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reloadable(
        mut self,
        loaded: &Loaded,
        read: impl Fn() -> Result<Loaded, config::Error> + Send + Sync + 'static,
    ) -> Self {
        self.settings = Some(Source::new(loaded, Box::new(read)));
        self.config(loaded.config.clone())
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

    /// Routes of one's own beside the server's; they get the same layers (base path, CORS, request ids, the log).
    #[must_use]
    pub fn routes(mut self, routes: impl FnOnce(Handle) -> Router + Send + 'static) -> Self {
        self.routes = Some(Box::new(routes));
        self
    }

    /// Sockets to listen on that another process holds too, and hands to this server's successor. Where a call would be refused
    /// at the end, it is left to that.
    #[must_use]
    pub fn inherited(mut self, listeners: Vec<TcpListener>) -> Self {
        self.held = !listeners.is_empty();
        self.listeners.extend(listeners);
        self
    }

    /// What tells the service manager.
    #[must_use]
    pub fn notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = notifier;
        self
    }

    /// What makes spans of its requests.
    #[must_use]
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Opens the sockets and the journal, and puts everything together. Needs no runtime yet. Waits for the disk.
    pub fn build(mut self) -> Result<Server, Error> {
        let mut listeners = std::mem::take(&mut self.listeners);
        if listeners.is_empty() {
            listeners = listen::bind(&self.config.http.host, self.config.http.port)?;
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let held = self.held;
        let (router, engine) = self.assemble()?;
        Ok(Server { engine, router, listeners, held })
    }

    /// Puts everything together for an application that has a router and sockets of its own. Like [`Builder::build`] it
    /// raises the process's limit of file descriptors as far as it goes, and on Linux makes room for them. It opens no sockets,
    /// and `HEAD_TIMEOUT` and `MAX_HEAD_BYTES`, which are about sockets, do nothing.
    ///
    /// The routes are complete: what they don't know they answer with 404, so they are best the application's fallback. To
    /// let the server see its clients' addresses, serve with axum's `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// ```no_run
    /// # async fn example(app: axum::Router, listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
    /// let (tidings, engine) = tidings_server::Server::builder().embed()?;
    /// let app = app.fallback_service(tidings);
    /// let drained = async move { engine.run(std::future::pending::<()>()).await.expect("drained in time") };
    /// axum::serve(listener, app).with_graceful_shutdown(drained).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn embed(self) -> Result<(Router, Engine), Error> {
        self.assemble()
    }

    fn assemble(self) -> Result<(Router, Engine), Error> {
        clock_is_set()?;
        let journal = journal::open(&self.config.journal)?;
        self.assemble_over(journal)
    }

    pub(crate) fn assemble_over(self, journal: Arc<dyn Journal>) -> Result<(Router, Engine), Error> {
        self.assemble_with(journal, GROUPS)
    }

    pub(crate) fn assemble_with(
        self,
        journal: Arc<dyn Journal>,
        groups: &'static [Group],
    ) -> Result<(Router, Engine), Error> {
        let Self { config, clock, routes, tracer, notifier, settings, .. } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let Room { descriptors, limits, doubt } = Room::of_process(&config)?;
        if let Some(doubt) = doubt {
            tracing::warn!("{doubt}");
        }
        #[cfg(target_os = "linux")]
        descriptors::have_slots(descriptors);
        let (hub, runner, members) = hub(journal, &config, limits, clock.clone());
        let header = match config.http.trusted_header {
            config::TrustedHeader::XForwardedFor => TrustedHeader::XForwardedFor,
            config::TrustedHeader::Forwarded => TrustedHeader::Forwarded,
        };
        let app = App::new(app::Parts {
            hub,
            members,
            auth: Authenticator::new(&auth_options(&config)),
            guard: Guard::new(groups::rules(groups), guard_options(&config)),
            groups,
            proxies: TrustedProxies::new(config.http.trusted_proxies.iter().copied(), header),
            connection_table: ConnectionTable::new(descriptors.saturating_sub(OF_THE_LOG + CLOSING_HEADROOM).max(1)),
            origins: cors::Allowed::of(&config.cors_options())?,
            cors: cors::Current::new(&config.cors_options())?,
            config,
            clock,
            tracer,
            notifier,
            settings,
        });
        let engine = Engine { app: app.clone(), runner, limits };
        let more = routes.map_or_else(Router::new, |routes| routes(engine.handle()));
        Ok((router(&app, more), engine))
    }
}

/// Fails before 1970: the storage engine, among others, counts the time from there, and ends the process if it can't. After
/// 9999 there are no dates, neither for events nor for HTTP.
pub fn clock_is_set() -> Result<(), Error> {
    let now = Clock::system().now();
    if (Timestamp::UNIX_EPOCH..Timestamp::MAX).contains(&now) { Ok(()) } else { Err(Error::Clock(now)) }
}

fn hub(journal: Arc<dyn Journal>, config: &Config, streams: StreamLimits, clock: Clock) -> (Hub, Runner, Arc<Members>) {
    let presence = Arc::new(Presence::new(topics::chat(), config.streams.presence_grace));
    let members = Arc::new(Members::new(presence.clone()));
    let options = Options {
        heartbeat_interval: config.streams.heartbeat_interval,
        write_timeout: config.streams.write_timeout,
        max_lag_bytes: config.streams.max_lag_bytes,
        max_age: config.streams.max_connection_age,
        streams,
        ring: RingLimits::default(),
        presence,
        folds: vec![members.clone()],
    };
    let (hub, runner) = Hub::new(journal, options, Arc::new(ControlEvents), clock);
    (hub, runner, members)
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

fn guard_options(config: &Config) -> guard::Options {
    guard::Options {
        admin_role: config.auth.admin_role.clone(),
        open_publish: config.auth.open_publish,
        unlimited_roles: config.limits.publish_unlimited_roles.clone(),
        metrics_token: config.auth.metrics_token.as_ref().map(|token| token.trimmed().to_owned()),
    }
}

#[cfg(test)]
mod tests;
