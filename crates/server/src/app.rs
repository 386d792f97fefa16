//! The state that every request can reach: the hub, authentication and rights, the settings, and
//! the phase of the shutdown.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use tidings_edge::asset::Content;
use tidings_edge::body_budget::BodyBudget;
use tidings_edge::client_ip::TrustedProxies;
use tidings_edge::cors;
use tidings_edge::error::Error;
use tidings_edge::rates::Rates;
use tidings_hub::{Clock, Hub, Publication, Published};
use tidings_journal::{Condition, Receipt};
use tidings_telemetry::service_manager::Notifier;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::auth::guard::Guard;
use crate::config::{Config, Mode};
use crate::counts::Counts;
use crate::http::in_flight::InFlight;
use crate::http::publish_budget::PublishBudget;
use crate::members::Members;
use crate::reload::source::Source;
use crate::stream_groups::Group;
use crate::traces::{self, Tracer};
use tidings_net::connections::ConnectionTable;
use tidings_net::unread_output::UnreadOutput;

/// The shared state of all requests.
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) auth: Authenticator,
    pub(crate) guard: Guard,
    /// The stream groups of this server.
    pub(crate) groups: &'static [Group],
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) proxies: TrustedProxies,
    pub(crate) publish_budget: PublishBudget,
    pub(crate) body_budget: BodyBudget,
    pub(crate) unread_output: Arc<UnreadOutput>,
    pub(crate) rates: Rates,
    pub(crate) in_flight: InFlight,
    pub(crate) members: Arc<Members>,
    pub(crate) connection_table: Arc<ConnectionTable>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) tracer: Tracer,
    /// The connection to the service manager.
    pub(crate) notifier: Notifier,
    /// The origins whose pages may send cookies.
    pub(crate) origins: RwLock<cors::AllowedOrigins>,
    pub(crate) pages: Pages,
    /// The rules for requests from pages of other origins.
    pub(crate) cors: Arc<cors::Current>,
    /// The source of the settings, if they can be read again.
    pub(crate) settings: Option<Source>,
    /// The time of the start by the monotonic clock.
    pub(crate) started: tokio::time::Instant,
    /// The time of the start by the wall clock.
    pub(crate) started_at: Timestamp,
    phase: AtomicU8,
    /// Cancelled when an administrator requests the shutdown.
    pub(crate) stop: CancellationToken,
    /// The time at which the last streams are ended. Set when the drain begins.
    drain_end: OnceLock<tokio::time::Instant>,
    /// Held for reading by each publish in progress.
    publishing: tokio::sync::RwLock<()>,
    /// Whether the warning about large events was logged.
    warned_of_large_event: AtomicBool,
}

/// The longest line that Go's `bufio.Scanner` reads unless it is given a larger buffer. At a longer
/// line, libraries that use it stop reading, and report that only if the program asks for the
/// error.
const SCANNER_BYTES: usize = 64 << 10;

/// The maximum number of bytes that an event has on the wire in addition to its data.
const FRAMING_BYTES: usize = 256;

/// The time that the service manager is asked to wait for the end of the process, beyond
/// `SHUTDOWN_TIMEOUT`.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// The phase of the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Serving = 0,
    /// Streams are being ended, and new ones are refused. Publishes are still accepted.
    Draining = 1,
    /// Publishes are refused, too.
    Closing = 2,
}

/// Why an event was not published.
#[derive(Debug)]
pub(crate) enum Unpublished {
    /// The server refuses publishes. The event is not in the log and never will be.
    Closing,
    /// The log failed. Whether the event is in the log is unknown.
    Journal(tidings_journal::Error),
}

/// The answers that depend only on the settings. Each is created when it is first needed.
#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) index: OnceLock<Content>,
    pub(crate) openapi: OnceLock<Content>,
}

/// The parts from which an [`App`] is created.
pub(crate) struct Parts {
    pub(crate) hub: Hub,
    pub(crate) members: Arc<Members>,
    pub(crate) auth: Authenticator,
    pub(crate) guard: Guard,
    /// The stream groups of this server.
    pub(crate) groups: &'static [Group],
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) proxies: TrustedProxies,
    pub(crate) connection_table: Arc<ConnectionTable>,
    pub(crate) tracer: Tracer,
    pub(crate) notifier: Notifier,
    pub(crate) origins: cors::AllowedOrigins,
    pub(crate) cors: Arc<cors::Current>,
    pub(crate) settings: Option<Source>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            hub,
            members,
            auth,
            guard,
            groups,
            config,
            clock,
            proxies,
            connection_table,
            tracer,
            notifier,
            origins,
            cors,
            settings,
        } = parts;
        Arc::new(Self {
            counts: Arc::default(),
            rates: Rates::new(config.rates()),
            in_flight: InFlight::default(),
            started_at: clock.now(),
            hub,
            members,
            auth,
            guard,
            groups,
            config,
            clock,
            proxies,
            connection_table,
            tracer,
            notifier,
            origins: RwLock::new(origins),
            pages: Pages::default(),
            cors,
            settings,
            publish_budget: PublishBudget::default(),
            body_budget: BodyBudget::default(),
            unread_output: Arc::default(),
            started: tokio::time::Instant::now(),
            phase: AtomicU8::new(Phase::Serving as u8),
            stop: CancellationToken::new(),
            drain_end: OnceLock::new(),
            publishing: tokio::sync::RwLock::default(),
            warned_of_large_event: AtomicBool::new(false),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Closing,
        }
    }

    /// Enters a phase, unless a later one was entered already.
    pub(crate) fn enter(&self, phase: Phase) {
        let before = self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        if before == Phase::Serving as u8 && phase > Phase::Serving {
            let limit = self.config.lifecycle.shutdown_timeout + STOP_MARGIN;
            self.notifier.stopping(limit, &self.status());
        }
    }

    /// Records the end of the drain that has begun.
    pub(crate) fn drains_until(&self, end: tokio::time::Instant) {
        let _ = self.drain_end.set(end); // a server drains once
    }

    /// Returns how much longer the drain takes. A client should not reconnect earlier: no other
    /// node is known, so it would reconnect to this server.
    pub(crate) fn remaining_drain(&self) -> Duration {
        let now = tokio::time::Instant::now();
        self.drain_end
            .get()
            .map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
    }

    /// Stores and delivers a batch if `condition` is true, and returns the outcome; see
    /// [`Hub::publish`].
    pub(crate) async fn publish(
        &self,
        batch: Vec<Publication>,
        receipt: Option<Receipt>,
        condition: Option<Condition>,
    ) -> Result<Published, Unpublished> {
        let _in_progress = self.publishing.read().await;
        if self.phase() == Phase::Closing {
            return Err(Unpublished::Closing);
        }
        self.warn_of_large_event(&batch);
        let (events, begun) = (batch.len(), tokio::time::Instant::now());
        let publish = traces::in_span(
            "append and show",
            self.hub.publish(batch, receipt, condition),
        );
        let published = publish.await.map_err(Unpublished::Journal)?;
        if let Published::New(_) = published {
            self.counts.published(events, begun.elapsed());
        }
        Ok(published)
    }

    /// Warns of the first event that some clients can't read without a larger buffer. Only in
    /// development.
    fn warn_of_large_event(&self, publications: &[Publication]) {
        let max_bytes = publications
            .iter()
            .map(|publication| publication.data.len())
            .max()
            .unwrap_or_default();
        let is_large =
            max_bytes + FRAMING_BYTES > SCANNER_BYTES && self.config.mode == Mode::Development;
        if is_large && !self.warned_of_large_event.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bytes = max_bytes,
                "an event is larger than 64 KiB, at which clients with Go's bufio.Scanner stop \
                 unless they set a larger buffer; docs/integrating.md says how. This warning is \
                 given once"
            );
        }
    }

    /// Describes the server's state in one line, which every user of the machine may read
    /// (`systemctl status`).
    pub(crate) fn status(&self) -> String {
        let registry = self.hub.connections();
        let open = registry.stats().total;
        match self.phase() {
            Phase::Serving if self.hub.health().is_err() => {
                format!(
                    "{open} of {} streams open; the journal accepts no events, see the log",
                    registry.limit()
                )
            }
            Phase::Serving => format!("{open} of {} streams open", registry.limit()),
            Phase::Draining => format!("draining, {open} streams left"),
            Phase::Closing => format!("ending, {open} streams left"),
        }
    }

    /// Refuses publishes from now on, and waits for those in progress.
    pub(crate) async fn close(&self) {
        self.enter(Phase::Closing);
        let _nothing_in_progress = self.publishing.write().await;
    }
}

impl From<Unpublished> for Error {
    fn from(error: Unpublished) -> Self {
        match error {
            Unpublished::Closing => Self::draining(Duration::ZERO),
            Unpublished::Journal(error) => error.into(),
        }
    }
}
