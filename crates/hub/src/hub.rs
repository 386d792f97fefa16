//! The hub: takes publications to the log, hands the log's tail out to the rings, and keeps the books on open streams.
//! How a stream opens stands in `subscribe`, what is read without one in `history`.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tidings_journal::{
    Append, Appended, Condition, Entry, Epochs, EventId, Journal, News, Position, Receipt, StoredReceipt, TopicName,
};
use tidings_sse::EventName;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::connection::{Connection, Opening, Signals};
use crate::erase;
use crate::floors::Floors;
use crate::fold::{Expired, Fold, Folds};
use crate::generation::{self, Generation};
use crate::presence::Presence;
use crate::publication::{Ephemeral, Publication, Published, Stored};
use crate::registry::{self, Full, Registry};
use crate::ring;
use crate::sync::{ArcSwap, Mutex};
use crate::time::Time;
use crate::traffic::{Counters, Traffic};
use crate::wheel::{self, Wheel, Wishes};
use crate::wording::{Ending, Wording};

/// The time between two looks at what grew too old.
const TICK: Duration = Duration::from_secs(5);

/// How long it waits before another try where a generation can't begin.
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

/// How many keys that have expired are ended at the same time, and in one look at most.
const ENDED_TOGETHER: usize = 64;
const ENDED_AT_A_LOOK: usize = 10_000;

/// What ends a key that has expired.
const EXPIRED: EventName = EventName::from_static("expired");

/// How a hub behaves.
#[derive(Clone)]
pub struct Options {
    /// The time between two heartbeats of a stream.
    pub heartbeat_interval: Duration,
    /// How long a peer may take no byte of what is written to it.
    pub write_timeout: Duration,
    /// How many bytes of its topics that were shown more than 5 s ago a stream may have yet to be sent, while its socket takes
    /// nothing.
    pub max_lag_bytes: usize,
    /// About how long a stream lives, if not for ever: 10 % more or less, at random.
    pub max_age: Option<Duration>,
    /// How many streams may be open.
    pub streams: registry::Limits,
    /// What each topic's ring holds.
    pub ring: ring::Limits,
    /// Who is in which room. Streams are told to it here; members, by whoever folds them from the log.
    pub presence: Arc<Presence>,
    /// What is made of the server's own topics. Nothing is handed out before all of them have begun.
    pub folds: Vec<Arc<dyn Fold>>,
}

/// The engine. Cheap to clone; all clones are one hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) journal: Arc<dyn Journal>,
    /// The one that is. What is begun on it is ended on it, whatever comes after.
    generation: ArcSwap<Generation>,
    ring: ring::Limits,
    pub(crate) wording: Arc<dyn Wording>,
    pub(crate) connections: Registry,
    presence: Arc<Presence>,
    pub(crate) traffic: Counters,
    wheel: Wheel,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) clock: Clock,
    time: Time,
    folds: Folds,
    pub(crate) floors: Arc<Floors>,
    /// Held while something is erased: one after the other.
    pub(crate) erasing: tokio::sync::Mutex<()>,
    /// Held while something is handed out, and while a generation takes another's place: what comes next is decided under it.
    handing_out: Mutex<()>,
}

/// The part of a hub that moves: to be run by one task, for as long as the hub lives.
pub struct Runner {
    inner: Arc<Inner>,
    tail: Box<dyn tidings_journal::Tail>,
}

impl Hub {
    /// A hub over `journal`, and what moves it. Everything already in the journal counts as delivered.
    pub fn new(journal: Arc<dyn Journal>, options: Options, wording: Arc<dyn Wording>, clock: Clock) -> (Self, Runner) {
        // The tail first: what is appended in between is then in the tail, never lost between tail and head.
        let tail = journal.tail();
        let (epochs, head) = (journal.epochs(), journal.head());
        let first = Generation::first(head, epochs, options.ring, clock.now_ms());
        let signals = Arc::new(Signals::new());
        let connections = Registry::new(options.streams, signals.clone());
        let limits = wheel::Limits {
            heartbeat: options.heartbeat_interval,
            write_timeout: options.write_timeout,
            max_lag_bytes: u64::try_from(options.max_lag_bytes).unwrap_or(u64::MAX),
        };
        let wheel = Wheel::new(limits, signals);
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
            folds: Folds::new(options.folds.into_iter().chain([floors.clone() as Arc<dyn Fold>]).collect()),
            floors,
            erasing: tokio::sync::Mutex::default(),
            handing_out: Mutex::new(()),
        });
        (Self { inner: inner.clone() }, Runner { inner, tail })
    }

    /// Stores a batch, all of it or nothing and one behind the other, if `condition` is true, and delivers it as one. When this
    /// returns, the journal's promise holds, and every stream can see what came of it.
    ///
    /// The receipt is kept in the same step; the batch may be empty, and there be nothing but that. Fails before anything is
    /// stored if the data of one is larger than [`MAX_DATA_BYTES`](crate::MAX_DATA_BYTES).
    pub async fn publish(
        &self,
        batch: Vec<Publication>,
        receipt: Option<Receipt>,
        condition: Option<Condition>,
    ) -> Result<Published, tidings_journal::Error> {
        batch.iter().try_for_each(Publication::check)?;
        let (inner, journal) = (&*self.inner, &*self.inner.journal);
        // Before the append: should the line break meanwhile, its position is one of a line that nobody waits on any more.
        let generation = inner.generation();
        let stamp = inner.time.stamp(journal);
        let records: Vec<_> = batch.into_iter().map(|publication| publication.into_record(stamp.at_ms)).collect();
        let append = Append::from(records.clone()).receipt(receipt).when(condition).at(inner.time.now_ms());
        Ok(match journal.append(append).await? {
            Appended::New(first) => {
                inner.time.stamped(journal, stamp, first, records.len());
                let id = journal.epochs().id_of(first);
                let positions = std::iter::successors(Some(first), |position| Some(position.next()));
                let entry = |(position, record)| Arc::new(Entry { id: generation.id_of(position), record });
                let entries: SmallVec<[_; 1]> = positions.zip(records).map(entry).collect();
                inner.hand_out(&generation, &entries);
                if let Some(last) = entries.last() {
                    inner.shown(&generation, last.id.position).await?;
                }
                Published::New(id)
            }
            Appended::Known(kept) => {
                inner.until_shown(&generation, &kept).await?;
                Published::Known(kept)
            }
            Appended::Refused(head) => Published::Refused(inner.shown(&generation, head).await?),
            Appended::Full(pool) => Published::Full(pool),
        })
    }

    /// The receipt that is kept under `key`, if it is live; every stream can see what it was kept for. Whether a batch is a
    /// repetition is decided by [`Hub::publish`] alone.
    pub async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, tidings_journal::Error> {
        let generation = self.inner.generation();
        let kept = self.inner.journal.receipt(key).await?;
        if let Some(kept) = &kept {
            self.inner.until_shown(&generation, kept).await?;
        }
        Ok(kept)
    }

    /// Whether the log has a place for `topic` already: see [`Journal::knows`]. Never waits for the device.
    pub fn knows(&self, topic: &TopicName) -> bool {
        self.inner.journal.knows(topic)
    }

    /// Whether the log takes appends; if not, why.
    pub fn health(&self) -> Result<(), tidings_journal::Error> {
        self.inner.journal.health()
    }

    /// How the log fares.
    pub fn vitals(&self) -> tidings_journal::Vitals {
        self.inner.journal.vitals()
    }

    /// Has the log take no more appends, and waits until what it has is safe.
    pub async fn close(&self) {
        self.inner.journal.close().await;
    }

    /// Waits until the folds are what the log says: they have begun with what it keeps, and everything that it had by then is
    /// visible. At once from then on. Fails where that takes longer than anybody waits.
    pub async fn begun(&self) -> Result<(), tidings_journal::Error> {
        self.inner.begun().await
    }

    /// Waits until everything is visible that was acknowledged anywhere before this call, so that what is not there then was not
    /// there.
    pub async fn certain(&self) -> Result<(), tidings_journal::Error> {
        let generation = self.inner.generation();
        self.inner.certain().await?;
        self.inner.shown(&generation, self.inner.journal.head()).await.map(drop)
    }

    /// The time by which the log decides what has expired, in milliseconds since 1970.
    pub fn log_ms(&self) -> i64 {
        self.inner.journal.log_ms()
    }

    /// Ends keys that have expired, each on the condition that nobody else has done so or put something in its place.
    async fn end_expired(&self) {
        let expired = self.inner.folds.expired(self.log_ms(), ENDED_AT_A_LOOK);
        for some in expired.chunks(ENDED_TOGETHER) {
            let mut ending = JoinSet::new();
            for Expired { topic, key, position } in some.iter().cloned() {
                let end = Publication::new([topic.clone()], EXPIRED, "null").ending(key.clone());
                let condition = Condition::Current(topic, key, position);
                let hub = self.clone();
                ending.spawn(async move { hub.publish(vec![end], None, Some(condition)).await });
            }
            for ended in ending.join_all().await {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a key that has expired can't be ended; it will be tried again");
                    return;
                }
            }
        }
    }

    /// Delivers to who listens now, and stores nothing. Fails as [`Hub::publish`] does for data that is too large.
    pub fn publish_ephemeral(&self, publication: &Publication) -> Result<(), tidings_journal::Error> {
        publication.check()?;
        self.inner.generation().fanout.deliver([Ephemeral(publication)], self.inner.clock.now_ms());
        Ok(())
    }

    /// The id of the event at `position`, which readers can see.
    pub fn id_of(&self, position: Position) -> EventId {
        self.inner.generation().id_of(position)
    }

    /// The open streams.
    pub fn connections(&self) -> &Registry {
        &self.inner.connections
    }

    /// What streams were given since the start.
    pub fn traffic(&self) -> Traffic {
        self.inner.traffic.read()
    }

    /// Who is in which room.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.inner.presence
    }

    /// The id of the newest event that readers can see.
    pub fn head(&self) -> EventId {
        let generation = self.inner.generation();
        generation.id_of(generation.fanout.visible_position())
    }
}

impl Runner {
    /// Has the folds begin, which [`Runner::run`] does first. For models of the hub.
    #[doc(hidden)]
    pub async fn begin(&mut self) {
        self.inner.begin_folds().await;
    }

    /// Takes the next news of the journal's tail, and does nothing else. For models of the hub, which have no timers.
    #[doc(hidden)]
    pub async fn step(&mut self) -> Result<(), tidings_journal::Error> {
        let news = self.tail.next().await?;
        self.inner.take(news).await;
        Ok(())
    }

    /// Moves the hub until the journal's tail fails.
    pub async fn run(mut self) -> tidings_journal::Error {
        let Self { inner, tail } = &mut self;
        let hub = Hub { inner: inner.clone() };
        let deliver = async {
            inner.begin_folds().await;
            loop {
                match tail.next().await {
                    Ok(news) => inner.take(news).await,
                    Err(error) => break error,
                }
            }
        };
        let tick = async {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                let generation = inner.generation();
                generation.fanout.tick(inner.clock.now_ms());
                generation.replays.tick();
                inner.journal.expire(inner.time.look(&*inner.journal));
            }
        };
        let expire = async {
            inner.folds.settled().await;
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                if !inner.floors.unfinished().is_empty()
                    && let Err(error) = hub.end_notes_left_behind().await
                {
                    tracing::debug!(%error, "what somebody began to erase is not at its end; it will be tried again");
                }
                hub.end_expired().await;
            }
        };
        tokio::select! {
            error = deliver => error,
            never = expire => never,
            never = inner.wheel.run(&inner.clock, &*inner.wording) => match never {},
            never = tick => never,
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.inner.generation().end(tidings_journal::Error::Closed("the hub has stopped".to_owned()));
        self.inner.folds.stop();
    }
}

impl Inner {
    /// The generation that is.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    pub(crate) fn is_current(&self, generation: &Arc<Generation>) -> bool {
        Arc::ptr_eq(generation, &self.generation.load())
    }

    /// See [`Hub::begun`].
    pub(crate) async fn begun(&self) -> Result<(), tidings_journal::Error> {
        let generation = self.generation();
        let late = |_| generation::late("what the server keeps of its own is not read");
        let settled = match self.folds.settled_already() {
            Some(settled) => settled, // as for nearly everybody: no timer
            None => tokio::time::timeout(generation::PATIENCE, self.folds.settled()).await.map_err(late)?,
        };
        generation.until_visible(settled).await
    }

    /// Waits until what was to be erased when somebody died is erased, before which nothing may be read for others: until the folds
    /// have begun, however long that takes.
    pub(crate) async fn until_erased(&self) {
        self.folds.settled().await;
    }

    /// Ends what [`Inner::admit`] began.
    pub(crate) fn closed(&self, connection: &Connection) {
        connection.closed();
        self.wheel.remove(connection);
        self.connections.close(connection);
        if let Some(user) = &connection.user {
            self.presence.closed(user, connection.topics());
        }
    }

    /// Lets in a stream that follows its rings of `generation` already; if it may not, it does no more.
    pub(crate) fn admit(
        &self,
        generation: &Generation,
        opening: Opening,
        wishes: Wishes,
    ) -> Result<Arc<Connection>, Full> {
        let now_ms = opening.now_ms;
        let rings = opening.rings.clone();
        let connection = self.connections.admit(opening, wishes).inspect_err(|_| generation.fanout.unfollow(&rings))?;
        self.wheel.add(connection.clone(), now_ms);
        if let Some(user) = &connection.user {
            self.presence.opened(user, connection.topics());
        }
        Ok(connection)
    }

    /// Hands out what was just appended, all of it at once, if it is what comes next. Otherwise, and for what other nodes append,
    /// the reader of the tail does; but here is no task to be woken and waited for, so that a publisher with many requests in
    /// flight has them handed out together.
    fn hand_out(&self, generation: &Generation, entries: &[Arc<Entry>]) {
        let Some(first) = entries.first() else { return };
        let _order = self.handing_out.lock();
        // If the journal has begun an epoch, or has another history, the tail tells of that first. If it has told of it since the
        // entries were named, their names are old ones.
        let moves = self.folds.have_begun() && generation.check().is_ok() && generation.is_of(&self.journal.epochs());
        let is_next = generation.fanout.visible_position().next() == first.id.position;
        if moves && is_next && generation.check_line(entries).is_ok() {
            self.show(generation, entries.iter());
        }
    }

    /// Waits until readers can see what the journal has just said to stand at `position`, and returns its id. `generation` is the
    /// one that was when the journal was asked.
    async fn shown(&self, generation: &Generation, position: Position) -> Result<EventId, tidings_journal::Error> {
        let id = self.journal.epochs().id_of(position);
        generation.until_visible(position).await?;
        // The journal may be on another line, and the news of it still on its way: something else was seen at that position.
        if generation.id_of(position) == id { Ok(id) } else { Err(generation::broken()) }
    }

    /// Waits until everything is visible that a receipt was kept for; where that is nothing, what decided it.
    async fn until_shown(&self, generation: &Generation, kept: &StoredReceipt) -> Result<(), tidings_journal::Error> {
        let last = (kept.first.get() + u64::from(kept.events)).saturating_sub(1);
        self.shown(generation, Position::new(last)).await.map(drop)
    }

    /// Takes what the tail tells.
    async fn take(&self, news: News) {
        match news {
            News::Entries(entries) => self.deliver(&entries),
            News::Epochs(epochs) => self.begin_epoch(epochs).await,
            News::Rebuilt(position, epochs) => self.begin_generation(position, epochs).await,
        }
    }

    /// Has the folds begin the generation that is, while nothing is handed out. Tries again for as long as the log can't be read: a
    /// server that does not know who is in which room must not say that nobody is.
    async fn begin_folds(&self) {
        let generation = {
            let _order = self.handing_out.lock();
            self.folds.halt();
            self.generation()
        };
        // The log's clock first: what is made by it from now on has an end.
        self.journal.expire(self.time.look(&*self.journal));
        let settled = loop {
            match self.folds.begin(&*self.journal, generation.number, generation.fanout.visible_position()).await {
                Ok(settled) => break settled,
                Err(error) => {
                    tracing::error!(%error, "what the server keeps of its own can't be read; until it can, nothing is handed out");
                }
            }
            tokio::time::sleep(BEGIN_AGAIN).await;
        };
        // What was to be erased when somebody died must not be seen again.
        for note in self.floors.unfinished() {
            if let Err(error) = self.destroy(&note.value).await {
                let topic = &note.value.topic;
                tracing::error!(%error, %topic, "what was being erased can't be; it is tried again");
            }
        }
        self.folds.go_on(settled);
    }

    fn deliver(&self, entries: &[Arc<Entry>]) {
        let _order = self.handing_out.lock();
        let generation = self.generation();
        let visible = generation.fanout.visible_position();
        let news = entries.iter().filter(|entry| entry.id.position > visible);
        self.show(&generation, news);
    }

    /// Shows what comes next: to the folds first, then to readers. What was erased, it passes over. To be called under the lock.
    fn show<'a>(&self, generation: &Generation, entries: impl Iterator<Item = &'a Arc<Entry>> + Clone) {
        let raised =
            if self.folds.apply(entries.clone()) { self.floors.raised(&generation.epochs()) } else { Vec::new() };
        erase::forget(generation, &raised);
        let is_hidden = |entry: &Entry| raised.iter().any(|floor| floor.hides(entry.id.position, &entry.record.topics));
        let stored = |entry: &'a Arc<Entry>| Stored { entry, hidden: is_hidden(entry) };
        generation.fanout.deliver(entries.map(stored), self.clock.now_ms());
        generation.delivered();
    }

    async fn begin_epoch(&self, epochs: Arc<Epochs>) {
        let visible = {
            let _order = self.handing_out.lock();
            let generation = self.generation();
            let visible = generation.fanout.visible_position();
            if epochs.id_of(visible) == generation.id_of(visible) {
                generation.begin_epoch(epochs);
                return;
            }
            visible
        };
        // What was shown has another id now. It can't be taken back, so nobody may go on from it.
        self.begin_generation(visible, epochs).await;
    }

    /// Another generation takes the place of the one that is, with everything up to `position` shown. All streams of that one
    /// are told to come back by their last ids, and only those that saw what the log does not have are told `reset` then.
    async fn begin_generation(&self, position: Position, epochs: Arc<Epochs>) {
        let last = self.generation();
        let ended = {
            let _order = self.handing_out.lock();
            self.folds.halt();
            let next = last.next(position, epochs, self.ring, self.clock.now_ms());
            // A stream that is let in later finds this out by itself, before it opens.
            last.end(generation::broken());
            self.connections.all_before(|| self.generation.store(Arc::new(next)))
        };
        if last.fanout.visible_position() > Position::START {
            tracing::warn!(
                streams = ended.len(),
                "the journal's history is not the one that was shown here; all streams are told to come back by their last ids"
            );
        }
        for connection in ended {
            connection.end(Ending::broken());
        }
        self.begin_folds().await;
    }
}
