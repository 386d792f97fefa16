//! The hub: the log, the fan-out over it and the open streams, behind one handle.
//!
//! The operations of the hub are in files of their own: `publish`, `deliver`, `subscribe`,
//! `history` and `erase`; `runner` drives them.

use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{EventId, Holding, Journal, Position, TopicName};

use crate::clock::Clock;
use crate::connection::{Connection, Opening, Schedule, Signals};
use crate::floors::Floors;
use crate::fold::{Fold, Folds};
use crate::generation::{self, Generation};
use crate::line;
use crate::presence::Presence;
use crate::ring;
use crate::slow_readers::SlowReaders;
use crate::stream_registry::{self, LimitReached, Registry};
use crate::sync::{ArcSwap, Mutex};
use crate::time::Time;
use crate::timer_wheel::TimerWheel;
use crate::traffic::{Counters, Traffic};
use crate::wording::Wording;

/// The options of a hub.
#[derive(Clone)]
pub struct Options {
    /// The time between two heartbeats of a stream.
    pub heartbeat_interval: Duration,
    /// How long a peer may take no bytes before its stream is killed.
    pub write_timeout: Duration,
    /// How many bytes of its topics that were shown more than 5 s ago may be unsent while a
    /// stream's socket takes no bytes. A stream above that is ended as slow.
    pub max_lag_bytes: usize,
    /// The maximum age of a stream, if there is one; each stream gets up to 10 % more or less, at
    /// random.
    pub max_age: Option<Duration>,
    /// How many streams may be open.
    pub streams: stream_registry::Limits,
    /// How much the ring of each topic holds.
    pub ring: ring::Limits,
    /// The members of topics. The hub reports streams to it, and a fold of the log reports members.
    pub presence: Arc<Presence>,
    /// The folds of the server's own topics. Nothing is delivered before all of them have begun.
    pub folds: Vec<Arc<dyn Fold>>,
}

/// A handle to the hub. It is cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) journal: Arc<dyn Journal>,
    /// The current generation. What is begun on a generation ends on it, even if another one has
    /// replaced it.
    pub(crate) generation: ArcSwap<Generation>,
    pub(crate) ring: ring::Limits,
    pub(crate) wording: Arc<dyn Wording>,
    pub(crate) connections: Registry,
    pub(crate) presence: Arc<Presence>,
    pub(crate) traffic: Counters,
    pub(crate) wheel: TimerWheel,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) time: Time,
    pub(crate) folds: Folds,
    pub(crate) floors: Arc<Floors>,
    /// Held during an erasure, so that there is only one at a time.
    pub(crate) erasing: tokio::sync::Mutex<()>,
    /// Held while something is delivered and while a generation is replaced, so that the next entry
    /// is decided under this lock.
    pub(crate) delivery_order: Mutex<()>,
}

/// What drives a hub. One task has to run it for as long as the hub lives.
pub struct Runner {
    pub(crate) inner: Arc<Inner>,
    pub(crate) tail: Box<dyn tidings_journal::Tail>,
}

impl Hub {
    /// Creates a hub over `journal`, and its runner. Everything that is in the journal already
    /// counts as delivered.
    pub fn new(
        journal: Arc<dyn Journal>,
        options: Options,
        wording: Arc<dyn Wording>,
        clock: Clock,
    ) -> (Self, Runner) {
        // The tail is opened before the head is read. What is appended between the two is then
        // returned by the tail, and not lost.
        let tail = journal.tail();
        let (epochs, head) = (journal.epochs(), journal.head());
        let first = Generation::first(head, epochs, options.ring, clock.now_ms());
        let signals = Arc::new(Signals::new());
        let connections = Registry::new(options.streams, signals.clone());
        let slow_readers = SlowReaders {
            write_timeout: options.write_timeout,
            max_lag_bytes: u64::try_from(options.max_lag_bytes).unwrap_or(u64::MAX),
        };
        let wheel = TimerWheel::new(options.heartbeat_interval, slow_readers, signals);
        let floors = Arc::new(Floors::new());
        let time = Time::new(clock.clone(), &*journal);
        let inner = Arc::new(Inner {
            journal,
            generation: ArcSwap::new(Arc::new(first)),
            ring: options.ring,
            wording,
            wheel,
            heartbeat_interval: options.heartbeat_interval,
            max_age: options.max_age,
            connections,
            presence: options.presence,
            traffic: Counters::default(),
            clock,
            time,
            folds: Folds::new(
                options
                    .folds
                    .into_iter()
                    .chain([floors.clone() as Arc<dyn Fold>])
                    .collect(),
            ),
            floors,
            erasing: tokio::sync::Mutex::default(),
            delivery_order: Mutex::new(()),
        });
        (
            Self {
                inner: inner.clone(),
            },
            Runner { inner, tail },
        )
    }

    /// Returns whether the log knows `topic` already, see [`Journal::knows`]. Never waits for the
    /// disk.
    pub fn knows(&self, topic: &TopicName) -> bool {
        self.inner.journal.knows(topic)
    }

    /// Returns up to `most` topics that the log knows and whose names begin with `prefix` and come
    /// after `after`, in the order of their names, each with the number of streams that follow it.
    pub fn topics(
        &self,
        prefix: &str,
        after: Option<&TopicName>,
        most: usize,
    ) -> Vec<(Holding, usize)> {
        let listed = self.inner.journal.topics(prefix, after, most);
        let followers = self
            .inner
            .generation()
            .fanout
            .followers(listed.iter().map(|holding| &holding.topic));
        listed.into_iter().zip(followers).collect()
    }

    /// Fails, with the reason, if the log accepts no appends.
    pub fn health(&self) -> Result<(), tidings_journal::Error> {
        self.inner.journal.health()
    }

    /// Returns the state of the log for metrics.
    pub fn vitals(&self) -> tidings_journal::Vitals {
        self.inner.journal.vitals()
    }

    /// Closes the log: it accepts no more appends. Waits until everything in it is durable.
    pub async fn close(&self) {
        self.inner.journal.close().await;
    }

    /// Waits until the folds agree with the log: they have begun with what the log holds, and what
    /// the log held by then is visible. Later calls return at once. Fails after 10 s.
    pub async fn folds_ready(&self) -> Result<(), tidings_journal::Error> {
        self.inner.folds_ready().await
    }

    /// Waits until everything is visible that any server acknowledged before this call. What is
    /// still absent then did not exist.
    pub async fn certain(&self) -> Result<(), tidings_journal::Error> {
        let generation = self.inner.generation();
        self.inner.certain().await?;
        self.inner
            .visible_id(&generation, self.inner.journal.head())
            .await
            .map(drop)
    }

    /// Log time, by which the log decides what has expired, in milliseconds since 1970.
    pub fn log_ms(&self) -> i64 {
        self.inner.journal.log_ms()
    }

    /// Returns the id of the visible event at `position`.
    pub fn id_of(&self, position: Position) -> EventId {
        self.inner.generation().line.id_of(position)
    }

    /// Returns the open streams.
    pub fn connections(&self) -> &Registry {
        &self.inner.connections
    }

    /// Returns counters of what streams were sent since the start.
    pub fn traffic(&self) -> Traffic {
        self.inner.traffic.read()
    }

    /// Returns the members of topics.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.inner.presence
    }

    /// Returns the id of the newest event that readers can see.
    pub fn head(&self) -> EventId {
        let generation = self.inner.generation();
        generation.line.id_of(generation.fanout.visible_position())
    }
}

impl Inner {
    /// Returns the current generation.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    pub(crate) fn is_current(&self, generation: &Arc<Generation>) -> bool {
        Arc::ptr_eq(generation, &self.generation.load())
    }

    /// Waits until the folds agree with the log, see [`Hub::folds_ready`].
    pub(crate) async fn folds_ready(&self) -> Result<(), tidings_journal::Error> {
        let generation = self.generation();
        let timed_out = |_| generation::timed_out("the server's own records are not read");
        let settled = match self.folds.settled_already() {
            Some(settled) => settled, // the usual case needs no timer
            None => {
                let settled =
                    tokio::time::timeout(generation::VISIBILITY_TIMEOUT, self.folds.settled());
                settled.await.map_err(timed_out)?
            }
        };
        generation.until_visible(settled).await
    }

    /// Removes a stream from everything to which [`Inner::admit`] added it.
    pub(crate) fn remove(&self, connection: &Connection) {
        connection.drop_on_kill();
        self.wheel.remove(connection);
        self.connections.close(connection);
        if let Some(user) = &connection.user {
            self.presence.stream_closed(user, connection.topics());
        }
    }

    /// Registers a stream that already follows its rings of `generation`. If a limit is reached, it
    /// no longer follows them.
    pub(crate) fn admit(
        &self,
        generation: &Generation,
        opening: Opening,
        schedule: Schedule,
    ) -> Result<Arc<Connection>, LimitReached> {
        let now_ms = opening.now_ms;
        let rings = opening.rings.clone();
        let connection = self
            .connections
            .admit(opening, schedule)
            .inspect_err(|_| generation.fanout.unfollow(&rings))?;
        self.wheel.add(connection.clone(), now_ms);
        if let Some(user) = &connection.user {
            self.presence.stream_opened(user, connection.topics());
        }
        Ok(connection)
    }

    /// Waits until readers can see `position`, which the journal has just returned, and returns the
    /// id of that position. `generation` was the current one when the journal was asked.
    pub(crate) async fn visible_id(
        &self,
        generation: &Generation,
        position: Position,
    ) -> Result<EventId, tidings_journal::Error> {
        let id = self.journal.epochs().id_of(position);
        generation.until_visible(position).await?;
        // The journal may be on another line already, while the news of that is still in the tail.
        // Then readers saw another event at that position.
        if generation.line.id_of(position) == id {
            Ok(id)
        } else {
            Err(line::broken())
        }
    }
}
