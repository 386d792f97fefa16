//! The hub: takes publications to the log, hands the log's tail out to the rings, and opens streams.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{Entry, Epochs, EventId, IdError, Journal, Limit, Position, Selector, Stray, TopicName};
use tidings_sse::Frame;
use tokio::sync::{Notify, Semaphore};

use crate::clock::Clock;
use crate::connection::{Connection, Opening};
use crate::cursor::Cursor;
use crate::fanout::Fanout;
use crate::presence::Presence;
use crate::publication::{self, Ephemeral, Publication, Stored};
use crate::registry::Registry;
use crate::ring;
use crate::subscription::Subscription;
use crate::user::UserId;
use crate::wheel::{HeartbeatStyle, Wheel, Wishes};
use crate::wording::{Reason, Reset, Wording};

/// How many pages of the journal are read and encoded for returning clients at the same time. More at once would not be
/// faster, only bigger: 32 pages of at most 256 KiB are 8 MiB.
const CONCURRENT_REPLAYS: usize = 32;

/// The most bytes of data in one piece of history.
const HISTORY_BYTES: usize = 4 << 20;

/// The time between two looks at what grew too old.
const TICK: Duration = Duration::from_secs(5);

/// How a hub behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time between two heartbeats of a stream.
    pub heartbeat_interval: Duration,
    /// What each topic's ring holds.
    pub ring: ring::Limits,
    /// The topic on which all rooms are heard.
    pub rooms: TopicName,
    /// How long a member of a room may be away.
    pub presence_grace: Duration,
}

/// The engine. Cheap to clone; all clones are one hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) wording: Arc<dyn Wording>,
    pub(crate) replays: Semaphore,
    epochs: Epochs,
    connections: Registry,
    presence: Presence,
    wheel: Wheel,
    clock: Clock,
    /// Told after each delivery: publishers wait until readers can see what they published.
    delivered: Notify,
}

/// The part of a hub that moves: to be run by one task, for as long as the hub lives.
pub struct Runner {
    inner: Arc<Inner>,
    tail: Box<dyn tidings_journal::Tail>,
}

/// What a stream asks for.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The topics it follows, each once.
    pub topics: Vec<TopicName>,
    /// From where.
    pub after: After,
    /// Without a cursor, start with the newest event of each key instead of the head.
    pub snapshot: bool,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The names under which it is counted.
    pub counted_as: &'static [&'static str],
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// What its heartbeats look like.
    pub heartbeat: HeartbeatStyle,
    /// When the credential is refused, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
}

/// From where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// From now on.
    Now,
    /// Everything that is kept.
    Earliest,
    /// After the event with this id, as the client sent it.
    Id(String),
}

/// How a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Whether what was asked for follows whole; `None` if nothing was asked.
    pub resumed: Option<bool>,
    /// Where the stream stands before its first event: the head if nothing was asked, else what was asked. `None` when
    /// that was malformed, or when a snapshot follows and names its own place.
    pub cursor: Option<String>,
}

/// A piece of what is kept.
#[derive(Clone, Debug)]
pub struct History {
    /// Oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// The cursor for the next piece.
    pub next: EventId,
    /// Whether this piece reaches what is newest now.
    pub end: bool,
    /// Why the cursor could not be served whole; the piece then starts with the oldest that is kept.
    pub gap: Option<Reason>,
    /// The oldest event that is kept.
    pub oldest: Option<EventId>,
}

/// What a cursor came to.
enum Asked {
    Nothing,
    Everything,
    Place(Position),
    Stray(Reason),
}

impl Hub {
    /// A hub over `journal`, and what moves it. Everything already in the journal counts as delivered.
    pub fn new(journal: Arc<dyn Journal>, options: Options, wording: Arc<dyn Wording>, clock: Clock) -> (Self, Runner) {
        // The tail first: what is appended in between is then in the tail, never lost between tail and head.
        let tail = journal.tail();
        let fanout = Arc::new(Fanout::new(journal.head(), options.ring));
        fanout.tick(clock.now_ms());
        let inner = Arc::new(Inner {
            epochs: journal.epochs(),
            journal,
            fanout,
            wording,
            replays: Semaphore::new(CONCURRENT_REPLAYS),
            connections: Registry::default(),
            presence: Presence::new(options.rooms, options.presence_grace),
            wheel: Wheel::new(options.heartbeat_interval),
            clock,
            delivered: Notify::new(),
        });
        (Self { inner: inner.clone() }, Runner { inner, tail })
    }

    /// Stores and delivers. When this returns, the journal's promise holds and every reader can see the event.
    pub async fn publish(&self, publication: Publication) -> Result<EventId, tidings_journal::Error> {
        let record = publication.into_record(self.inner.clock.now_ms());
        let position = self.inner.journal.append(vec![record]).await?;
        self.inner.until_visible(position).await;
        Ok(self.inner.id_of(position))
    }

    /// Delivers to who listens now, and stores nothing.
    pub fn publish_ephemeral(&self, publication: &Publication) {
        self.inner
            .fanout
            .deliver([Ephemeral(publication)], self.inner.clock.now_ms());
    }

    /// Opens a stream.
    pub async fn subscribe(&self, request: Subscribe) -> Result<(Subscription, Start), tidings_journal::Error> {
        let inner = &self.inner;
        let topics: Arc<[TopicName]> = request.topics.into();
        let selector = Selector::topics(topics.clone());
        let asked = inner.locate(&request.after).await;
        let mut cursor = Cursor::at_head(inner.fanout.clone(), topics.clone());
        let head = cursor.position();
        let floor = inner.journal.floor(&selector);
        let mut first = Vec::new();
        let mut behind = false;
        let start = match asked {
            Asked::Nothing if request.snapshot => {
                let page = inner
                    .journal
                    .read(&selector, Position::START, head, Limit::NONE)
                    .await?;
                first.extend(page.entries.iter().filter_map(|entry| publication::encode(entry, None)));
                let synced = inner.wording.synced(first.len(), inner.id_of(head));
                first.push(synced);
                Start {
                    resumed: None,
                    cursor: None,
                }
            }
            Asked::Nothing => Start {
                resumed: None,
                cursor: Some(inner.id_of(head).to_string()),
            },
            Asked::Everything => {
                behind = cursor.seek(floor).is_err();
                Start {
                    resumed: Some(true),
                    cursor: Some(request.after.to_string()),
                }
            }
            Asked::Place(position) if position >= floor => {
                behind = cursor.seek(position).is_err();
                Start {
                    resumed: Some(true),
                    cursor: Some(request.after.to_string()),
                }
            }
            Asked::Place(_) => {
                first.push(inner.reset(Reason::Trimmed, &request.after, head, &selector).await?);
                Start {
                    resumed: Some(false),
                    cursor: Some(request.after.to_string()),
                }
            }
            Asked::Stray(reason) => {
                first.push(inner.reset(reason, &request.after, head, &selector).await?);
                let echo = (reason != Reason::Malformed).then(|| request.after.to_string());
                Start {
                    resumed: Some(false),
                    cursor: echo,
                }
            }
        };
        let opening = Opening {
            user: request.user,
            counted_as: request.counted_as,
            topics,
            address: request.address,
            now_ms: inner.clock.now_ms(),
        };
        let wishes = Wishes {
            style: request.heartbeat,
            expires_at_ms: request.expires_at_ms,
        };
        let connection = inner.opened(opening, wishes);
        let mut subscription = Subscription::new(inner.clone(), connection, cursor, behind);
        subscription.say_first(first);
        Ok((subscription, start))
    }

    /// What is kept of `topics` after a cursor, oldest first, without opening a stream.
    pub async fn history(
        &self,
        topics: Vec<TopicName>,
        after: &After,
        events: usize,
    ) -> Result<History, tidings_journal::Error> {
        let inner = &self.inner;
        let selector = Selector::topics(topics);
        let floor = inner.journal.floor(&selector);
        let (from, gap) = match inner.locate(after).await {
            Asked::Nothing | Asked::Everything => (floor, None),
            Asked::Place(position) if position >= floor => (position, None),
            Asked::Place(_) => (floor, Some(Reason::Trimmed)),
            Asked::Stray(reason) => (floor, Some(reason)),
        };
        let limit = Limit {
            events,
            bytes: HISTORY_BYTES,
        };
        let visible = inner.fanout.visible_position();
        let page = inner.journal.read(&selector, from, visible, limit).await?;
        // Trimmed while we were about to read: told as well, never skipped in silence.
        let gap = gap.or_else(|| (page.floor > from).then_some(Reason::Trimmed));
        let oldest = inner.journal.oldest(&selector).await?.map(|oldest| inner.id_of(oldest));
        let (next, end) = (inner.id_of(page.next), page.next >= visible);
        Ok(History {
            entries: page.entries,
            next,
            end,
            gap,
            oldest,
        })
    }

    /// The id of the event at `position`.
    pub fn id_of(&self, position: Position) -> EventId {
        self.inner.id_of(position)
    }

    /// The open streams.
    pub fn connections(&self) -> &Registry {
        &self.inner.connections
    }

    /// Who is in which room.
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    /// The id of the newest event that readers can see.
    pub fn head(&self) -> EventId {
        self.inner.id_of(self.inner.fanout.visible_position())
    }
}

impl Runner {
    /// Moves the hub until the journal's tail fails.
    pub async fn run(self) -> tidings_journal::Error {
        let Self { inner, mut tail } = self;
        let deliver = async {
            loop {
                match tail.next().await {
                    Ok(entries) => inner.deliver(&entries),
                    Err(error) => break error,
                }
            }
        };
        let tick = async {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                let now_ms = inner.clock.now_ms();
                inner.fanout.tick(now_ms);
                inner.journal.expire(now_ms);
            }
        };
        tokio::select! {
            error = deliver => error,
            never = inner.wheel.run(&inner.clock, &*inner.wording) => match never {},
            never = tick => never,
        }
    }
}

impl Inner {
    pub(crate) fn id_of(&self, position: Position) -> EventId {
        self.epochs.id_of(position)
    }

    /// Ends what [`Inner::opened`] began.
    pub(crate) fn closed(&self, connection: &Connection) {
        self.wheel.remove(connection);
        self.connections.close(connection);
        if let Some(user) = &connection.user {
            self.presence.closed(user, &connection.topics);
        }
    }

    fn opened(&self, opening: Opening, wishes: Wishes) -> Arc<Connection> {
        let now_ms = opening.now_ms;
        let connection = self.connections.open(opening);
        self.wheel.add(connection.clone(), wishes, now_ms);
        if let Some(user) = &connection.user {
            self.presence.opened(user, &connection.topics);
        }
        connection
    }

    fn deliver(&self, entries: &[Arc<Entry>]) {
        let visible = self.fanout.visible_position();
        let news = entries.iter().filter(|entry| entry.id.position > visible);
        self.fanout
            .deliver(news.map(|entry| Stored(entry)), self.clock.now_ms());
        self.delivered.notify_waiters();
    }

    async fn until_visible(&self, position: Position) {
        loop {
            let delivered = self.delivered.notified(); // counts from here on, before the look
            if self.fanout.visible_position() >= position {
                return;
            }
            delivered.await;
        }
    }

    async fn locate(&self, after: &After) -> Asked {
        let id = match after {
            After::Now => return Asked::Nothing,
            After::Earliest => return Asked::Everything,
            After::Id(text) => match EventId::parse(text) {
                Ok(id) => id,
                Err(IdError::Malformed) => return Asked::Stray(Reason::Malformed),
                Err(IdError::ForeignEpoch) => return Asked::Stray(Reason::Epoch),
            },
        };
        match self.epochs.locate(id, self.journal.head()) {
            Ok(position) => {
                // It was shown somewhere, so it is about to be shown here; starting below it would repeat it.
                self.until_visible(position).await;
                Asked::Place(position)
            }
            Err(Stray::Epoch) => Asked::Stray(Reason::Epoch),
            Err(Stray::Ahead) => Asked::Stray(Reason::Ahead),
        }
    }

    async fn reset(
        &self,
        reason: Reason,
        requested: &After,
        head: Position,
        selector: &Selector,
    ) -> Result<Frame, tidings_journal::Error> {
        let oldest = self.journal.oldest(selector).await?.map(|oldest| self.id_of(oldest));
        let (requested, resumed_from) = (requested.to_string(), self.id_of(head));
        Ok(self.wording.reset(&Reset {
            reason,
            requested,
            resumed_from,
            oldest,
        }))
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "",
            Self::Earliest => "earliest",
            Self::Id(text) => text,
        })
    }
}
