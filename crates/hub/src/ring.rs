//! The newest frames of one topic, and the readers that wait for the next one.
//!
//! A ring is bounded by count, bytes and age. The newest stored event that it has evicted is its
//! floor: a cursor below the floor reads the journal instead. A ring does not know how far its
//! readers are, so a slow reader costs the server nothing but an older number in the reader's
//! cursor.

mod frames;
mod joined;
mod slot;
mod waiters;

use std::task::Waker;

use tidings_journal::{Position, TopicName};

use self::frames::Frames;
pub use self::slot::Limits;
pub(crate) use self::slot::{BelowFloor, CollectedFrame, Mark, Seq, Slot, Window};
pub(crate) use self::waiters::Registration;
use self::waiters::Waiters;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// The newest frames of one topic.
pub struct Ring {
    topic: TopicName,
    /// The `seq` of the newest frame that was ever pushed, or of the floor; never below the floor.
    /// A reader that is there already need not take the lock. Stored before the batch becomes
    /// visible.
    newest: AtomicU64,
    state: Mutex<State>,
}

struct State {
    frames: Frames,
    waiters: Waiters,
}

impl Ring {
    /// Creates an empty ring. `floor` is what was visible when it was made.
    pub(crate) fn new(topic: TopicName, floor: Mark) -> Self {
        let state = State {
            frames: Frames::new(floor),
            waiters: Waiters::new(),
        };
        Self {
            topic,
            newest: AtomicU64::new(floor.seq.0),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Adds the next frame, and evicts what exceeds the limits.
    pub(crate) fn push(&self, slot: Slot, limits: &Limits) {
        let mut state = self.state.lock();
        self.newest.store(slot.mark.seq.0, Ordering::Release);
        let now_ms = slot.at_ms;
        state.frames.push(slot);
        state.frames.evict(limits, now_ms);
    }

    /// Evicts what is too old, and drops joined frames that are not being written to a reader.
    pub(crate) fn expire(&self, limits: &Limits, now_ms: i64) {
        let mut state = self.state.lock();
        state.frames.drop_unused_joined();
        state.waiters.shrink();
        state.frames.evict(limits, now_ms);
    }

    /// Drops everything at or below `floor` in the log, because it was erased.
    pub(crate) fn forget(&self, floor: Position) {
        self.state.lock().frames.forget(floor);
    }

    /// Returns the newest place that the ring ever held. A reader that has taken everything up to
    /// there finds nothing here, and has missed nothing.
    pub(crate) fn newest(&self) -> Seq {
        Seq(self.newest.load(Ordering::Acquire))
    }

    /// Returns whether at least two frames came after `after` and all of them together have less
    /// than `bytes`.
    pub(crate) fn is_filling(&self, after: Seq, bytes: u64) -> bool {
        self.state.lock().frames.is_filling(after, bytes)
    }

    /// Gives the frames of `window` to `take`, in order. Returns the place of the last one if
    /// `max_bytes` ended the call before `until`; `Err` if a stored event of the window is no
    /// longer here.
    pub(crate) fn collect(
        &self,
        window: Window,
        take: impl FnMut(CollectedFrame),
    ) -> Result<Option<Seq>, BelowFloor> {
        self.state.lock().frames.collect(&window, take)
    }

    /// Returns the bytes of the frames after `after` that are still here.
    pub(crate) fn bytes_after(&self, after: Seq) -> u64 {
        if self.newest() <= after {
            return 0; // true of nearly every stream, and the metrics ask about all of them
        }
        self.state.lock().frames.bytes_after(after)
    }

    /// Returns how many bytes that were delivered by `until_ms` (in milliseconds since 1970) a
    /// reader at `after` has not taken. Evicted frames count too. Where their sizes are no longer
    /// known, the result is too low rather than too high.
    pub(crate) fn overdue_bytes(&self, after: Mark, until_ms: i64) -> u64 {
        if self.newest() <= after.seq {
            return 0;
        }
        let state = self.state.lock();
        state
            .frames
            .bytes_by(until_ms)
            .saturating_sub(state.frames.bytes_up_to(after))
    }

    /// Returns the place of the last frame at or before `position`. A reader that has seen
    /// everything up to `position` stands at least there. `Err` if an event after `position` is no
    /// longer here.
    pub(crate) fn locate(&self, position: Position) -> Result<Seq, BelowFloor> {
        self.state.lock().frames.locate(position)
    }

    /// Registers `waker` to be woken at the next delivery. `earlier` is what this reader's last
    /// call returned.
    pub(crate) fn register(&self, waker: &Waker, earlier: Option<Registration>) -> Registration {
        self.state.lock().waiters.register(waker, earlier)
    }

    /// Removes a registration.
    pub(crate) fn deregister(&self, registration: Registration) {
        self.state.lock().waiters.deregister(registration);
    }

    /// Moves all registered wakers to `out`. The caller wakes them after it has released every
    /// lock.
    pub(crate) fn take_waiting(&self, out: &mut Vec<Waker>) {
        self.state.lock().waiters.take(out);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
