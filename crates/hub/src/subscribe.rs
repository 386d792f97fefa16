//! Where a cursor means something: from what a client asks for to a stream that is sent what comes after it.

use std::fmt;
use std::net::IpAddr;

use tidings_journal::{CursorError, EventId, IdError, Limit, Position, Selector, TopicName};
use tidings_sse::Frame;

use crate::connection::Opening;
use crate::generation::{self, Generation};
use crate::hub::{Hub, Inner};
use crate::publication;
use crate::registry::Full;
use crate::subscription::Subscription;
use crate::user::UserId;
use crate::wheel::{HeartbeatStyle, Wishes};
use crate::wording::{Ending, Reason, Reset};

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
    /// Whether anonymous streams from there are limited in number.
    pub limit_address: bool,
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
    /// Why not, where what was asked for does not follow whole.
    pub reset: Option<Reason>,
}

/// Why a stream is not opened. Either may pass.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There are enough.
    #[error("no more streams")]
    Full(Full),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] tidings_journal::Error),
}

/// What a cursor came to.
pub(crate) enum Asked {
    Nothing,
    Everything,
    Place(Position),
    Stray(Reason),
}

impl Hub {
    /// Opens a stream.
    pub async fn subscribe(&self, request: Subscribe) -> Result<(Subscription, Start), Error> {
        let inner = &self.inner;
        // Admitted before anything is read: who is refused must not cost a snapshot.
        let generation = inner.generation();
        let (rings, newest) = generation.fanout.follow(&request.topics);
        let selector = Selector::topics(request.topics);
        let opening = Opening {
            user: request.user,
            counted_as: request.counted_as,
            rings,
            address: request.address,
            address_counts: request.limit_address,
            now_ms: inner.clock.now_ms(),
        };
        let wishes = Wishes {
            style: request.heartbeat,
            expires_at_ms: request.expires_at_ms,
            first_beat: inner.heartbeat_interval.mul_f64(rand::random_range(0.8..=1.0)),
            age: inner.max_age.map(|age| age.mul_f64(rand::random_range(0.9..=1.1))),
        };
        let connection = inner.admit(&generation, opening, wishes)?;
        let mut subscription = Subscription::new(inner.clone(), generation.clone(), connection, newest);
        let begun = inner.begin(&generation, &mut subscription, &request.after, request.snapshot, &selector).await;
        // Whoever is let in before the line breaks is told to come back; who is let in after it would never be.
        let is_current = || inner.is_current(&generation).then_some(()).ok_or_else(generation::broken);
        match begun.and_then(|start| is_current().map(|()| start)) {
            Ok(start) => {
                inner.connections.opened(subscription.connection());
                Ok((subscription, start))
            }
            Err(error) => {
                subscription.connection().end(Ending::JOURNAL); // which counts it as refused
                Err(error.into())
            }
        }
    }
}

impl Inner {
    /// Finds the place where a stream begins, and what it says first.
    async fn begin(
        &self,
        generation: &Generation,
        subscription: &mut Subscription,
        after: &After,
        snapshot: bool,
        selector: &Selector,
    ) -> Result<Start, tidings_journal::Error> {
        let asked = self.locate(generation, after).await?;
        let head = subscription.skip_to_head();
        let floor = self.journal.floor(selector);
        let mut first = Vec::new();
        let start = match asked {
            Asked::Nothing if snapshot => {
                self.begun().await?; // and so what was to be erased is
                let _permit = generation.replays.permit().await;
                let page = self.journal.read(selector, Position::START, head, Limit::NONE).await?;
                generation.check_line(&page.entries)?;
                if page.damaged {
                    first.push(self.reset(Reason::Trimmed, after, generation.id_of(head), selector).await?);
                }
                first.extend(page.entries.iter().filter_map(|entry| publication::encode(entry, None)));
                let synced = self.wording.synced(first.len(), generation.id_of(head));
                first.push(synced);
                Start { resumed: None, cursor: None, reset: None }
            }
            Asked::Nothing => Start { resumed: None, cursor: Some(generation.id_of(head).to_string()), reset: None },
            Asked::Everything => {
                subscription.start_at(floor);
                self.traffic.resumed();
                Start { resumed: Some(true), cursor: Some(after.to_string()), reset: None }
            }
            Asked::Place(position) if position >= floor => {
                subscription.start_at(position);
                self.traffic.resumed();
                Start { resumed: Some(true), cursor: Some(after.to_string()), reset: None }
            }
            Asked::Place(_) => {
                first.push(self.reset(Reason::Trimmed, after, generation.id_of(head), selector).await?);
                Start { resumed: Some(false), cursor: Some(after.to_string()), reset: Some(Reason::Trimmed) }
            }
            Asked::Stray(reason) => {
                first.push(self.reset(reason, after, generation.id_of(head), selector).await?);
                let echo = (reason != Reason::Malformed).then(|| after.to_string());
                Start { resumed: Some(false), cursor: echo, reset: Some(reason) }
            }
        };
        subscription.say_first(first);
        Ok(start)
    }

    /// Finds the place that `after` stands for on the line of `generation`. What looks ahead of the log, or of no epoch of it, is
    /// judged once the journal is certain: what a client saw at another node may not have come here yet.
    pub(crate) async fn locate(&self, generation: &Generation, after: &After) -> Result<Asked, tidings_journal::Error> {
        let id = match after {
            After::Now => return Ok(Asked::Nothing),
            After::Earliest => return Ok(Asked::Everything),
            After::Id(text) => match EventId::parse(text) {
                Ok(id) => id,
                Err(IdError::Malformed) => return Ok(Asked::Stray(Reason::Malformed)),
                Err(IdError::ForeignEpoch) => return Ok(Asked::Stray(Reason::Epoch)),
            },
        };
        let mut found = generation.epochs().locate(id, self.journal.head());
        if found.is_err() {
            self.certain().await?;
            // By the journal's own account: what this generation was told of it is a moment behind.
            found = self.journal.epochs().locate(id, self.journal.head());
        }
        match found {
            Ok(position) => {
                // It was shown somewhere, so it is about to be shown here; starting below it would repeat it.
                generation.until_visible(position).await?;
                // Another line may have another event there.
                let known = generation.epochs().locate(id, generation.fanout.visible_position());
                known.map(Asked::Place).map_err(|_| generation::broken())
            }
            Err(CursorError::UnknownEpoch) => Ok(Asked::Stray(Reason::Epoch)),
            Err(CursorError::Ahead) => Ok(Asked::Stray(Reason::Ahead)),
        }
    }

    /// [`Journal::certain`](tidings_journal::Journal::certain), for as long as anybody waits.
    pub(crate) async fn certain(&self) -> Result<(), tidings_journal::Error> {
        let late = |_| generation::late("it did not say whether an id is its own");
        tokio::time::timeout(generation::PATIENCE, self.journal.certain()).await.map_err(late)?
    }

    /// The oldest event of `selector` that is kept. It need not be visible yet, so the journal names it.
    pub(crate) async fn oldest(&self, selector: &Selector) -> Result<Option<EventId>, tidings_journal::Error> {
        let oldest = self.journal.oldest(selector).await?;
        Ok(oldest.map(|oldest| self.journal.epochs().id_of(oldest)))
    }

    async fn reset(
        &self,
        reason: Reason,
        requested: &After,
        resumed_from: EventId,
        selector: &Selector,
    ) -> Result<Frame, tidings_journal::Error> {
        let oldest = self.oldest(selector).await?;
        self.traffic.reset(reason);
        Ok(self.wording.reset(&Reset { reason, requested: requested.to_string(), resumed_from, oldest }))
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::Full(full)
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
