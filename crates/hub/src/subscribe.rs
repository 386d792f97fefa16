//! Opening a stream: finds the place that a client's cursor stands for, and starts the stream
//! there.

use std::fmt;
use std::net::IpAddr;

use tidings_journal::{CursorError, EventId, IdError, Limit, Position, Selector, TopicName};
use tidings_sse::Frame;

use crate::connection::{HeartbeatStyle, Opening, Schedule};
use crate::generation::{self, Generation};
use crate::hub::{Hub, Inner};
use crate::line;
use crate::publication;
use crate::stream_registry::LimitReached;
use crate::subscription::Subscription;
use crate::user::UserId;
use crate::wording::{Ending, Reset, ResetReason};

/// A request for a stream.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The topics that it follows, each once.
    pub topics: Vec<TopicName>,
    /// Where it starts.
    pub after: After,
    /// Whether a stream without a cursor starts with the newest event of each key.
    pub snapshot: bool,
    /// The user it belongs to; `None` for an anonymous visitor.
    pub user: Option<UserId>,
    /// The kinds under which it is counted.
    pub counted_as: &'static [&'static str],
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// Whether the number of anonymous streams from that address is limited.
    pub limit_address: bool,
    /// What its heartbeats look like.
    pub heartbeat: HeartbeatStyle,
    /// When its credential expires, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
}

/// Where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The stream starts with the next event.
    Now,
    /// The stream starts with the oldest stored event.
    Earliest,
    /// The stream starts after the event with this id. The text is as the client sent it.
    Id(String),
}

/// How a stream has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Whether all events after the cursor follow; `None` if there was no cursor.
    pub resumed: Option<bool>,
    /// The id at which the stream stands before its first event: the cursor, or the newest event if
    /// there was no cursor. `None` if the cursor was malformed, or if a snapshot follows, whose
    /// last event has the id.
    pub cursor: Option<String>,
    /// If not all events after the cursor follow: the reason.
    pub reset: Option<ResetReason>,
}

/// Why a stream was not opened. Either reason may be temporary.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A limit of open streams is reached.
    #[error("a limit of open streams is reached")]
    LimitReached(LimitReached),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] tidings_journal::Error),
}

/// What a cursor stands for.
pub(crate) enum Requested {
    /// There was no cursor.
    Nothing,
    /// Everything that is stored.
    Everything,
    /// Everything after a position.
    After(Position),
    /// The cursor is not an id of this log.
    Unknown(ResetReason),
}

impl Hub {
    /// Opens a stream.
    pub async fn subscribe(&self, request: Subscribe) -> Result<(Subscription, Start), Error> {
        let inner = &self.inner;
        // The stream is registered before anything is read, because a stream that is refused must
        // not cost a snapshot.
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
        let schedule = Schedule {
            style: request.heartbeat,
            expires_at_ms: request.expires_at_ms,
            first_heartbeat: inner
                .heartbeat_interval
                .mul_f64(rand::random_range(0.8..=1.0)),
            max_age: inner
                .max_age
                .map(|age| age.mul_f64(rand::random_range(0.9..=1.1))),
        };
        let connection = inner.admit(&generation, opening, schedule)?;
        let mut subscription =
            Subscription::new(inner.clone(), generation.clone(), connection, newest);
        let started = inner
            .start(
                &generation,
                &mut subscription,
                &request.after,
                request.snapshot,
                &selector,
            )
            .await;
        // Streams that were registered before the line broke are told to reconnect. A stream that
        // is registered later would not be told, so it must not be opened.
        let check_current = || {
            inner
                .is_current(&generation)
                .then_some(())
                .ok_or_else(line::broken)
        };
        match started.and_then(|start| check_current().map(|()| start)) {
            Ok(start) => {
                inner.connections.opened(subscription.connection());
                Ok((subscription, start))
            }
            Err(error) => {
                subscription.connection().end(Ending::JOURNAL); // it then counts as refused
                Err(error.into())
            }
        }
    }
}

impl Inner {
    /// Finds the place where a stream starts and what it sends first.
    async fn start(
        &self,
        generation: &Generation,
        subscription: &mut Subscription,
        after: &After,
        snapshot: bool,
        selector: &Selector,
    ) -> Result<Start, tidings_journal::Error> {
        let requested = self.locate(generation, after).await?;
        if snapshot || !matches!(requested, Requested::Nothing) {
            // Interrupted erasures are completed by then. They raise the floors.
            self.folds_ready().await?;
        }
        let head = subscription.skip_to_head();
        let floor = self.journal.floor(selector);
        let mut first = Vec::new();
        let start = match requested {
            Requested::Nothing if snapshot => {
                let _permit = generation.replays.permit().await;
                let page = loop {
                    let erasures = generation.replays.erasures();
                    let page = self
                        .journal
                        .read(selector, Position::START, head, Limit::NONE)
                        .await?;
                    generation.line.check(&page.entries)?;
                    if generation.replays.erasures() == erasures {
                        break page;
                    }
                };
                if page.damaged {
                    first.push(
                        self.reset(
                            ResetReason::Trimmed,
                            after,
                            generation.line.id_of(head),
                            selector,
                        )
                        .await?,
                    );
                }
                first.extend(
                    page.entries
                        .iter()
                        .filter_map(|entry| publication::encode(entry, None)),
                );
                let synced = self
                    .wording
                    .synced(first.len(), generation.line.id_of(head));
                first.push(synced);
                Start {
                    resumed: None,
                    cursor: None,
                    reset: None,
                }
            }
            Requested::Nothing => Start {
                resumed: None,
                cursor: Some(generation.line.id_of(head).to_string()),
                reset: None,
            },
            Requested::Everything => {
                subscription.start_at(floor);
                self.traffic.resumed();
                Start {
                    resumed: Some(true),
                    cursor: Some(after.to_string()),
                    reset: None,
                }
            }
            Requested::After(position) if position >= floor => {
                subscription.start_at(position);
                self.traffic.resumed();
                Start {
                    resumed: Some(true),
                    cursor: Some(after.to_string()),
                    reset: None,
                }
            }
            Requested::After(_) => {
                first.push(
                    self.reset(
                        ResetReason::Trimmed,
                        after,
                        generation.line.id_of(head),
                        selector,
                    )
                    .await?,
                );
                Start {
                    resumed: Some(false),
                    cursor: Some(after.to_string()),
                    reset: Some(ResetReason::Trimmed),
                }
            }
            Requested::Unknown(reason) => {
                first.push(
                    self.reset(reason, after, generation.line.id_of(head), selector)
                        .await?,
                );
                let echo = (reason != ResetReason::Malformed).then(|| after.to_string());
                Start {
                    resumed: Some(false),
                    cursor: echo,
                    reset: Some(reason),
                }
            }
        };
        subscription.send_first(first);
        Ok(start)
    }

    /// Finds the place that `after` stands for on the line of `generation`. An id that seems to be
    /// ahead of the log, or of an unknown epoch, is checked again once the journal is certain: the
    /// client may have seen the event at another server, and this one may not have received it yet.
    pub(crate) async fn locate(
        &self,
        generation: &Generation,
        after: &After,
    ) -> Result<Requested, tidings_journal::Error> {
        let id = match after {
            After::Now => return Ok(Requested::Nothing),
            After::Earliest => return Ok(Requested::Everything),
            After::Id(text) => match EventId::parse(text) {
                Ok(id) => id,
                Err(IdError::Malformed) => return Ok(Requested::Unknown(ResetReason::Malformed)),
                Err(IdError::ForeignEpoch) => return Ok(Requested::Unknown(ResetReason::Epoch)),
            },
        };
        let mut found = generation.line.epochs().locate(id, self.journal.head());
        if found.is_err() {
            self.certain().await?;
            // Ask the journal itself, because the tail may not have told this generation everything
            // yet.
            found = self.journal.epochs().locate(id, self.journal.head());
        }
        match found {
            Ok(position) => {
                // Some server has shown the event, so it is about to be visible here. A stream that
                // started below it would repeat it.
                generation.until_visible(position).await?;
                // If the line has broken meanwhile, another event may have the position.
                let known = generation
                    .line
                    .epochs()
                    .locate(id, generation.fanout.visible_position());
                known.map(Requested::After).map_err(|_| line::broken())
            }
            Err(CursorError::UnknownEpoch) => Ok(Requested::Unknown(ResetReason::Epoch)),
            Err(CursorError::Ahead) => Ok(Requested::Unknown(ResetReason::Ahead)),
        }
    }

    /// Calls [`Journal::certain`](tidings_journal::Journal::certain), with a timeout.
    pub(crate) async fn certain(&self) -> Result<(), tidings_journal::Error> {
        let timed_out = |_| generation::timed_out("it did not confirm whether an id is its own");
        tokio::time::timeout(generation::VISIBILITY_TIMEOUT, self.journal.certain())
            .await
            .map_err(timed_out)?
    }

    /// Returns the id of the oldest stored event of `selector`. The id comes from the journal and
    /// not from the line, because the event may not be visible yet.
    pub(crate) async fn oldest(
        &self,
        selector: &Selector,
    ) -> Result<Option<EventId>, tidings_journal::Error> {
        let oldest = self.journal.oldest(selector).await?;
        Ok(oldest.map(|oldest| self.journal.epochs().id_of(oldest)))
    }

    async fn reset(
        &self,
        reason: ResetReason,
        requested: &After,
        resumed_from: EventId,
        selector: &Selector,
    ) -> Result<Frame, tidings_journal::Error> {
        let oldest = self.oldest(selector).await?;
        self.traffic.reset(reason);
        Ok(self.wording.reset(&Reset {
            reason,
            requested: requested.to_string(),
            resumed_from,
            oldest,
        }))
    }
}

impl From<LimitReached> for Error {
    fn from(limit: LimitReached) -> Self {
        Self::LimitReached(limit)
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
