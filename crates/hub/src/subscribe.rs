//! Where a cursor means something: from what a client asks for to a stream that is sent what comes after it.

use std::fmt;
use std::net::IpAddr;

use tidings_journal::{EventId, IdError, Limit, Position, Selector, Stray, TopicName};
use tidings_sse::Frame;

use crate::connection::Opening;
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
        let (rings, newest) = inner.fanout.follow(&request.topics);
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
        let connection = inner.admit(opening, wishes)?;
        let mut subscription = Subscription::new(inner.clone(), connection, newest);
        match inner.begin(&mut subscription, &request.after, request.snapshot, &selector).await {
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
        subscription: &mut Subscription,
        after: &After,
        snapshot: bool,
        selector: &Selector,
    ) -> Result<Start, tidings_journal::Error> {
        let asked = self.locate(after).await?;
        let head = subscription.skip_to_head();
        let floor = self.journal.floor(selector);
        let mut first = Vec::new();
        let start = match asked {
            Asked::Nothing if snapshot => {
                let _permit = self.replays.permit().await;
                let page = self.journal.read(selector, Position::START, head, Limit::NONE).await?;
                if page.damaged {
                    first.push(self.reset(Reason::Trimmed, after, head, selector).await?);
                }
                first.extend(page.entries.iter().filter_map(|entry| publication::encode(entry, None)));
                let synced = self.wording.synced(first.len(), self.id_of(head));
                first.push(synced);
                Start { resumed: None, cursor: None, reset: None }
            }
            Asked::Nothing => Start { resumed: None, cursor: Some(self.id_of(head).to_string()), reset: None },
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
                first.push(self.reset(Reason::Trimmed, after, head, selector).await?);
                Start { resumed: Some(false), cursor: Some(after.to_string()), reset: Some(Reason::Trimmed) }
            }
            Asked::Stray(reason) => {
                first.push(self.reset(reason, after, head, selector).await?);
                let echo = (reason != Reason::Malformed).then(|| after.to_string());
                Start { resumed: Some(false), cursor: echo, reset: Some(reason) }
            }
        };
        subscription.say_first(first);
        Ok(start)
    }

    pub(crate) async fn locate(&self, after: &After) -> Result<Asked, tidings_journal::Error> {
        let id = match after {
            After::Now => return Ok(Asked::Nothing),
            After::Earliest => return Ok(Asked::Everything),
            After::Id(text) => match EventId::parse(text) {
                Ok(id) => id,
                Err(IdError::Malformed) => return Ok(Asked::Stray(Reason::Malformed)),
                Err(IdError::ForeignEpoch) => return Ok(Asked::Stray(Reason::Epoch)),
            },
        };
        Ok(match self.epochs.locate(id, self.journal.head()) {
            Ok(position) => {
                // It was shown somewhere, so it is about to be shown here; starting below it would repeat it.
                self.until_visible(position).await?;
                Asked::Place(position)
            }
            Err(Stray::Epoch) => Asked::Stray(Reason::Epoch),
            Err(Stray::Ahead) => Asked::Stray(Reason::Ahead),
        })
    }

    async fn reset(
        &self,
        reason: Reason,
        requested: &After,
        head: Position,
        selector: &Selector,
    ) -> Result<Frame, tidings_journal::Error> {
        let oldest = self.journal.oldest(selector).await?.map(|oldest| self.id_of(oldest));
        self.traffic.reset(reason);
        let (requested, resumed_from) = (requested.to_string(), self.id_of(head));
        Ok(self.wording.reset(&Reset { reason, requested, resumed_from, oldest }))
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
