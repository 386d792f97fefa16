//! What the hub itself says on a stream. It decides *that* something is said; the words are the embedder's, because the
//! hub knows nothing of JSON.

use std::time::Duration;

use tidings_journal::EventId;
use tidings_sse::Frame;

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

/// Why the server ends a stream, and whether the client should come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The event's name: `expired`, `revoked`, `slow`, `draining`, `busy`.
    pub event: &'static str,
    /// A word for programs, more precise than the event's name.
    pub reason: &'static str,
    /// Whether to come back.
    pub reconnect: bool,
    /// After how long, if at all.
    pub retry: Option<Duration>,
}

impl Ending {
    /// The stream's credential is refused from now on; the same one will not be taken again.
    pub const EXPIRED: Self = Self { event: "expired", reason: "token_expired", reconnect: false, retry: None };

    /// The peer reads more slowly than its topics speak. It comes back with its last id and reads on from there.
    pub const SLOW: Self =
        Self { event: "slow", reason: "too_far_behind", reconnect: true, retry: Some(Duration::from_secs(1)) };

    /// The stream has lived as long as any may, so that nobody pays for ever for a peer that is gone behind a proxy that
    /// is not.
    pub const AGED: Self =
        Self { event: "draining", reason: "max_age", reconnect: true, retry: Some(Duration::from_millis(500)) };

    /// The journal can't be read; another try may find it well.
    pub const JOURNAL: Self =
        Self { event: "busy", reason: "journal_unavailable", reconnect: true, retry: Some(Duration::from_secs(5)) };
}

impl Reason {
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
