//! What the hub itself says on a stream. It decides *that* something is said; the words are the embedder's, because the
//! hub knows nothing of JSON.

use std::time::Duration;

use rand::RngExt as _;
use tidings_journal::EventId;
use tidings_sse::{EventName, Frame};

/// Puts the hub's own events into words.
pub trait Wording: Send + Sync + 'static {
    /// The stream is alive.
    fn heartbeat(&self, now_ms: i64) -> Frame;
    /// What was asked for can't be replayed whole; the stream goes on from [`Reset::resumed_from`].
    fn reset(&self, reset: &Reset) -> Frame;
    /// The server ends this stream.
    fn ending(&self, ending: &Ending) -> Frame;
    /// A snapshot of `count` events is complete; it holds for `at`.
    fn synced(&self, count: usize, at: EventId) -> Frame;
}

/// Why a cursor can't be served whole, and from where the stream goes on.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Why.
    pub reason: Reason,
    /// What was asked for, as it came.
    pub requested: String,
    /// The head: live events follow.
    pub resumed_from: EventId,
    /// The oldest event of these topics that could still be had.
    pub oldest: Option<EventId>,
}

/// Why a cursor can't be served whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Something after it is no longer kept.
    Trimmed,
    /// It belongs to another log.
    Epoch,
    /// It is ahead of the log.
    Ahead,
    /// It was never a cursor.
    Malformed,
}

/// How the server ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// After how long to come back, if at all.
    pub retry: Option<Duration>,
}

/// Why the server ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The stream's credential is refused from now on; the same one will not be taken again.
    Expired,
    /// An operator ended it; its credential stays good.
    Disconnected,
    /// The peer reads more slowly than its topics speak. It comes back with its last id and reads on from there.
    Slow,
    /// The server is about to stop.
    Shutdown,
    /// The stream has lived as long as any may, so that nobody pays for ever for a peer that is gone behind a proxy that
    /// is not.
    Age,
    /// The journal can't be read, or its history is another than the one that was shown; another try may find it well.
    Journal,
}

impl Ending {
    /// See [`Cause::Expired`].
    pub const EXPIRED: Self = Self { cause: Cause::Expired, retry: None };
    /// See [`Cause::Slow`].
    pub const SLOW: Self = Self { cause: Cause::Slow, retry: Some(Duration::from_secs(1)) };
    /// See [`Cause::Age`].
    pub const AGED: Self = Self { cause: Cause::Age, retry: Some(Duration::from_millis(500)) };
    /// See [`Cause::Journal`].
    pub const JOURNAL: Self = Self { cause: Cause::Journal, retry: Some(Duration::from_secs(5)) };

    /// The log's history is not the one that was shown on this stream; another try is judged by what the log has. At random,
    /// as all streams are told at once.
    pub(crate) fn broken() -> Self {
        Self { cause: Cause::Journal, retry: Some(Duration::from_millis(rand::rng().random_range(500..=5_000))) }
    }
}

impl Cause {
    /// The word on the wire, more precise than the event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::Disconnected => "disconnected",
            Self::Slow => "too_far_behind",
            Self::Shutdown => "shutdown",
            Self::Age => "max_age",
            Self::Journal => "journal_unavailable",
        }
    }

    /// The name of the event that tells it.
    pub fn event(self) -> EventName {
        match self {
            Self::Expired => const { EventName::from_static("expired") },
            Self::Disconnected => const { EventName::from_static("revoked") },
            Self::Slow => const { EventName::from_static("slow") },
            Self::Shutdown | Self::Age => const { EventName::from_static("draining") },
            Self::Journal => const { EventName::from_static("busy") },
        }
    }

    /// Whether the client is to come back.
    pub fn reconnect(self) -> bool {
        self != Self::Expired
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Trimmed, Self::Epoch, Self::Ahead, Self::Malformed];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Trimmed => 0,
            Self::Epoch => 1,
            Self::Ahead => 2,
            Self::Malformed => 3,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Malformed => "malformed",
        }
    }
}
