//! The hub's own events on a stream. The hub decides when one is sent; the application decides its
//! text, because the hub knows nothing of JSON.

use std::time::Duration;

use rand::RngExt as _;
use tidings_journal::EventId;
use tidings_sse::{EventName, Frame};

/// Writes the hub's own events.
pub trait Wording: Send + Sync + 'static {
    /// Writes a heartbeat, which shows that the stream is alive.
    fn heartbeat(&self, now_ms: i64) -> Frame;
    /// Writes the event which says that the events after the cursor can't be replayed in full, and
    /// that the stream goes on from [`Reset::resumed_from`].
    fn reset(&self, reset: &Reset) -> Frame;
    /// Writes the event which says that the server ends the stream, and why.
    fn ending(&self, ending: &Ending) -> Frame;
    /// Writes the event which says that a snapshot of `count` events is complete, and shows the
    /// state at `at`.
    fn synced(&self, count: usize, at: EventId) -> Frame;
}

/// What a `reset` says: why a cursor can't be served in full, and where the stream goes on.
#[derive(Clone, Debug)]
pub struct Reset {
    /// The reason.
    pub reason: ResetReason,
    /// The cursor, as the client sent it.
    pub requested: String,
    /// The newest event when the stream was reset. The events after it follow.
    pub resumed_from: EventId,
    /// The oldest event of the stream's topics that is still in the log.
    pub oldest: Option<EventId>,
}

/// Why a cursor can't be served in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// An event after the cursor is no longer in the log.
    Trimmed,
    /// The cursor belongs to another log.
    Epoch,
    /// The cursor is ahead of the log.
    Ahead,
    /// The cursor is not an id of any log.
    Malformed,
}

/// The last event that the server sends on a stream that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The cause.
    pub cause: EndingCause,
    /// How long the client is to wait before it reconnects; `None` if it is not to reconnect.
    pub retry: Option<Duration>,
}

/// Why the server ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingCause {
    /// The stream's credential has expired, and will not be accepted again.
    Expired,
    /// An operator ended the stream. Its credential is still valid.
    Disconnected,
    /// The peer reads more slowly than events arrive. It reconnects with its last id and reads on
    /// from there.
    Slow,
    /// The server is about to stop.
    Shutdown,
    /// The stream has reached the maximum age. Without one, a stream whose peer is gone would stay
    /// open as long as a proxy between them keeps its connection.
    Age,
    /// The journal can't be read, or its history is not the one that was shown. A reconnect may
    /// succeed.
    Journal,
}

impl Ending {
    /// See [`EndingCause::Expired`].
    pub const EXPIRED: Self = Self {
        cause: EndingCause::Expired,
        retry: None,
    };
    /// See [`EndingCause::Slow`].
    pub const SLOW: Self = Self {
        cause: EndingCause::Slow,
        retry: Some(Duration::from_secs(1)),
    };
    /// See [`EndingCause::Age`].
    pub const AGED: Self = Self {
        cause: EndingCause::Age,
        retry: Some(Duration::from_millis(500)),
    };
    /// See [`EndingCause::Journal`].
    pub const JOURNAL: Self = Self {
        cause: EndingCause::Journal,
        retry: Some(Duration::from_secs(5)),
    };

    /// Returns the ending of a stream whose shown history is no longer that of the log. When the
    /// client reconnects, its cursor is checked against the log. The delay is random, because all
    /// streams are ended at once.
    pub(crate) fn broken() -> Self {
        Self {
            cause: EndingCause::Journal,
            retry: Some(Duration::from_millis(rand::rng().random_range(500..=5_000))),
        }
    }
}

impl EndingCause {
    /// Returns the cause as it is sent. It is more precise than the event's name.
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

    /// Returns the name of the event that gives this cause.
    pub fn event(self) -> EventName {
        match self {
            Self::Expired => const { EventName::from_static("expired") },
            Self::Disconnected => const { EventName::from_static("revoked") },
            Self::Slow => const { EventName::from_static("slow") },
            Self::Shutdown | Self::Age => const { EventName::from_static("draining") },
            Self::Journal => const { EventName::from_static("busy") },
        }
    }

    /// Returns whether the client is to reconnect.
    pub fn reconnect(self) -> bool {
        self != Self::Expired
    }
}

impl ResetReason {
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

    /// Returns the reason as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Malformed => "malformed",
        }
    }
}
