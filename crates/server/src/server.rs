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
use crate::handle::Handle;
use crate::lifecycle::{self, Listeners};
use crate::members::Members;
use crate::reload::source::Source;
use crate::router::router;
use crate::stream_groups::{self, GROUPS, Group};
use crate::streams::control_events::ControlEvents;
use crate::topic_names;
use crate::traces::Tracer;
use descriptors::{Capacity, RESERVED_FOR_LOG};
use tidings_net::connections::{CLOSING_HEADROOM, ConnectionTable};
use tidings_net::listen;

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
    held_elsewhere: bool,
}

/// Builds a [`Server`].
#[derive(Default)]
pub struct Builder {
    config: Config,
    listeners: Vec<TcpListener>,
    held_elsewhere: bool,
    clock: Option<Clock>,
    routes: Option<Routes>,
    tracer: Tracer,
    notifier: Notifier,
    settings: Option<Source>,
}

/// Delivers the events of a server whose routes another application serves ([`Builder::embed`]).
#[must_use = "nothing is delivered unless it runs"]
pub struct Engine {
    app: Arc<App>,
    runner: Runner,
    limits: StreamLimits,
}

pub use error::Error;
pub use lifecycle::Unfinished;

type Routes = Box<dyn FnOnce(Handle) -> Router + Send>;

impl Server {
    /// Creates a builder with the settings of development and the log in memory
    /// ([`Config::default`]).
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the addresses on which it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Returns the maximum number of streams.
    pub fn capacity(&self) -> usize {
        self.engine.limits.total
    }

    /// Returns the paths of the streams that need no name in their path and are not only for
    /// administrators.
    pub fn streams(&self) -> Vec<&'static str> {
        stream_groups::offered(self.engine.app.groups)
            .map(|(_, stream)| stream.path)
            .collect()
    }

    /// Returns a handle for the application's own tasks.
    pub fn handle(&self) -> Handle {
        self.engine.handle()
    }

    /// Serves until `shutdown` resolves or an admin asks for the end (`POST /system/drain`), then
    /// drains: it ends the streams one by one, accepts publishes until the last streams are told to
    /// end, and returns when all connections are closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self {
            engine,
            router,
            listeners,
            held_elsewhere,
        } = self;
        lifecycle::serve(
            engine.app,
            engine.runner,
            router,
            Listeners {
                listeners,
                held_elsewhere,
            },
            shutdown,
        )
        .await
    }
}

impl Engine {
    /// Returns a handle for the application's own routes and tasks.
    pub fn handle(&self) -> Handle {
        Handle::new(self.app.clone())
    }

    /// Delivers events until `shutdown` resolves or an admin asks for the end
    /// (`POST /system/drain`), then drains: it ends the streams one by one, accepts publishes until
    /// the last streams are told to end, and returns when no stream is left. Only then may the
    /// application close its connections. So give this future, and not `shutdown`, to axum's
    /// `with_graceful_shutdown`, which waits for every stream to end.
    ///
    /// `SHUTDOWN_TIMEOUT` limits the drain. The application decides how long it waits for its own
    /// calls.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        lifecycle::run_embedded(self.app, self.runner, shutdown).await
    }
}

impl Builder {
    /// Sets the settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the settings, and the function that reads them again for a reload ([`Handle::reload`],
    /// `POST /system/reload`). A reload applies the changes that need no restart. Without this
    /// function there is no reload.
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

    /// Adds a socket to listen on, in place of those that the settings ask for. May be called
    /// several times.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Sets the clock. The default is the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Adds the application's own routes to those of the server. They get the same layers (base
    /// path, CORS, request ids, the log).
    #[must_use]
    pub fn routes(mut self, routes: impl FnOnce(Handle) -> Router + Send + 'static) -> Self {
        self.routes = Some(Box::new(routes));
        self
    }

    /// Adds sockets that another process also holds open and will pass to this server's successor.
    /// During the shutdown, the server leaves new connections to the successor where it would
    /// otherwise refuse them.
    #[must_use]
    pub fn inherited(mut self, listeners: Vec<TcpListener>) -> Self {
        self.held_elsewhere = !listeners.is_empty();
        self.listeners.extend(listeners);
        self
    }

    /// Sets the connection to the service manager.
    #[must_use]
    pub fn notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = notifier;
        self
    }

    /// Sets the tracer, which makes the spans of requests.
    #[must_use]
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Opens the sockets and the journal, and builds the server. Needs no runtime, and blocks on
    /// the disk.
    pub fn build(mut self) -> Result<Server, Error> {
        let mut listeners = std::mem::take(&mut self.listeners);
        if listeners.is_empty() {
            listeners = listen::bind(&self.config.http.host, self.config.http.port)?;
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let held_elsewhere = self.held_elsewhere;
        let (router, engine) = self.assemble()?;
        Ok(Server {
            engine,
            router,
            listeners,
            held_elsewhere,
        })
    }

    /// Builds a server for an application that has its own router and sockets. Like
    /// [`Builder::build`], it raises the process's limit of file descriptors to the maximum, and on
    /// Linux enlarges the table of descriptors. It opens no sockets, and `HEAD_TIMEOUT` and
    /// `MAX_HEAD_BYTES`, which are about sockets, have no effect.
    ///
    /// The routes answer unknown paths with 404, so they are best used as the application's
    /// fallback. For the server to see its clients' addresses, serve with axum's
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
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
        check_clock()?;
        let journal = journal::open(&self.config.journal)?;
        self.assemble_over(journal)
    }

    pub(crate) fn assemble_over(
        self,
        journal: Arc<dyn Journal>,
    ) -> Result<(Router, Engine), Error> {
        self.assemble_with(journal, GROUPS)
    }

    pub(crate) fn assemble_with(
        self,
        journal: Arc<dyn Journal>,
        groups: &'static [Group],
    ) -> Result<(Router, Engine), Error> {
        let Self {
            config,
            clock,
            routes,
            tracer,
            notifier,
            settings,
            ..
        } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let Capacity {
            descriptors,
            limits,
            warning,
        } = Capacity::of_process(&config)?;
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        #[cfg(target_os = "linux")]
        descriptors::enlarge_table(descriptors);
        let (hub, runner, members) = hub(journal, &config, limits, clock.clone());
        let header = match config.http.trusted_header {
            config::TrustedHeader::XForwardedFor => TrustedHeader::XForwardedFor,
            config::TrustedHeader::Forwarded => TrustedHeader::Forwarded,
        };
        let app = App::new(app::Parts {
            hub,
            members,
            auth: Authenticator::new(&auth_options(&config)),
            guard: Guard::new(stream_groups::rules(groups), guard_options(&config)),
            groups,
            proxies: TrustedProxies::new(config.http.trusted_proxies.iter().copied(), header),
            connection_table: ConnectionTable::new(
                descriptors
                    .saturating_sub(RESERVED_FOR_LOG + CLOSING_HEADROOM)
                    .max(1),
            ),
            origins: cors::AllowedOrigins::compile(&config.cors_options())?,
            cors: cors::Current::new(&config.cors_options())?,
            config,
            clock,
            tracer,
            notifier,
            settings,
        });
        let engine = Engine {
            app: app.clone(),
            runner,
            limits,
        };
        let own_routes = routes.map_or_else(Router::new, |routes| routes(engine.handle()));
        Ok((router(&app, own_routes), engine))
    }
}

/// Fails if the system's clock is before 1970 or after 9999. The storage engine can't
/// express a time before 1970, and aborts the process. Events and HTTP have no dates after 9999.
pub fn check_clock() -> Result<(), Error> {
    let now = Clock::system().now();
    if (Timestamp::UNIX_EPOCH..Timestamp::MAX).contains(&now) {
        Ok(())
    } else {
        Err(Error::Clock(now))
    }
}

fn hub(
    journal: Arc<dyn Journal>,
    config: &Config,
    streams: StreamLimits,
    clock: Clock,
) -> (Hub, Runner, Arc<Members>) {
    let presence = Arc::new(Presence::new(
        topic_names::chat(),
        config.streams.presence_grace,
    ));
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
    let jwt = config
        .auth
        .jwt_secret
        .as_ref()
        .map(|secret| auth::jwt::Options {
            secret: secret.expose().as_bytes().to_vec(),
            issuers: config.auth.jwt_issuers.clone(),
            audiences: config.auth.jwt_audiences.clone(),
            require_exp: config.auth.jwt_require_exp,
        });
    auth::Options {
        demo: config.auth.demo,
        jwt,
    }
}

fn guard_options(config: &Config) -> guard::Options {
    guard::Options {
        admin_role: config.auth.admin_role.clone(),
        open_publish: config.auth.open_publish,
        unlimited_roles: config.limits.publish_unlimited_roles.clone(),
        metrics_token: config
            .auth
            .metrics_token
            .as_ref()
            .map(|token| token.trimmed().to_owned()),
    }
}

#[cfg(test)]
mod tests;
