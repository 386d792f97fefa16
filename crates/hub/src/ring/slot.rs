//! Frames with their places, and the window of frames that a reader asks for.

use std::time::Duration;

use tidings_journal::Position;
use tidings_sse::Frame;

/// How long an event that is not stored can be delivered, in milliseconds: "Ann is typing" is no
/// longer true ten seconds later.
const EPHEMERAL_LIFETIME_MS: i64 = 5_000;

/// How much a ring holds. What exceeds one of the limits is evicted, oldest first; a reader that is
/// further behind reads the journal.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of frames.
    pub events: usize,
    /// The bytes of all frames together, with their chunk framing.
    pub bytes: usize,
    /// The age of the oldest frame.
    pub age: Duration,
}

/// A place in the order of everything that this process has delivered. Unlike a position, it counts
/// ephemeral events too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seq(pub(crate) u64);

/// A place in the order of delivery, and the position in the log that belongs to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) seq: Seq,
    /// The newest stored event at or before `seq`.
    pub(crate) position: Position,
}

/// A frame and its place in the order of delivery.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) mark: Mark,
    pub(crate) stored: bool,
    /// When the frame was delivered, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) frame: Frame,
}

/// A frame that [`Ring::collect`] gives to a reader.
pub(crate) struct CollectedFrame {
    pub(crate) mark: Mark,
    pub(crate) frame: Frame,
    /// How many events the frame holds: more than one if it was joined from several frames.
    pub(crate) events: u64,
    /// When the first of the events was delivered, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// The frames that a reader asks a ring for.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// The place before the first frame.
    pub(crate) after: Seq,
    /// The place of the last frame.
    pub(crate) until: Seq,
    /// Ephemeral events at or before this place are left out, because they are never replayed.
    pub(crate) ephemeral_after: Seq,
    pub(crate) now_ms: i64,
    pub(crate) max_bytes: usize,
    /// Whether several frames may be given as one. A reader that merges the frames of two rings
    /// needs them one by one.
    pub(crate) joined: bool,
}

/// A stored event of the range that was asked for is no longer in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BelowFloor;

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 4_096,
            bytes: 2 << 20,
            age: Duration::from_mins(1),
        }
    }
}

impl Slot {
    /// Returns whether the frame can still be delivered: ephemeral events only for a few seconds.
    pub(super) fn is_fresh(&self, now_ms: i64) -> bool {
        self.stored || now_ms.saturating_sub(self.at_ms) <= EPHEMERAL_LIFETIME_MS
    }
}
