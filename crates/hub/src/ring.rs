//! The newest frames of one topic, and who waits for the next.
//!
//! A ring is bounded by count, bytes and age. What it let go it remembers as its floor: a cursor below the floor reads
//! the journal instead. The ring never knows who its readers are or how far they are; being slow costs the server
//! nothing but an older number in the reader.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

use crate::sync::Mutex;

/// How long an event that is not stored stays deliverable, in milliseconds. A "typing…" of ten seconds ago is a lie.
const EPHEMERAL_MS: i64 = 5_000;

/// How much a ring holds. What is over it goes, oldest first; readers that are further behind read the journal.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Frames.
    pub events: usize,
    /// Their bytes, framing included.
    pub bytes: usize,
    /// Their age.
    pub age: Duration,
}

/// A place in the order of everything handed out by this process. Unlike a position, it counts what is not stored too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seq(pub(crate) u64);

/// A point in the stream of everything handed out, in both counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) seq: Seq,
    /// The newest stored event at or before `seq`.
    pub(crate) position: Position,
}

/// A frame in its place.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) mark: Mark,
    pub(crate) stored: bool,
    /// When it was handed out, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) frame: Frame,
}

/// What [`Ring::collect`] gives out.
pub(crate) struct Taken {
    pub(crate) mark: Mark,
    pub(crate) frame: Frame,
}

/// The newest frames of one topic.
pub struct Ring {
    topic: TopicName,
    state: Mutex<State>,
}

struct State {
    /// In the order of `seq`.
    slots: VecDeque<Held>,
    /// The bytes of all frames that were ever here.
    pushed: u64,
    /// The newest stored event that is no longer here; for a new ring, what was visible at its birth.
    floor: Mark,
    /// Wakers of the cursors that sleep. Taken all at once by [`Ring::take_waiting`].
    waiting: Slab<Waker>,
    /// Counts the times that `waiting` was taken, so that a cursor knows whether its registration still stands.
    generation: u32,
}

/// A slot, and [`State::pushed`] after it.
struct Held {
    slot: Slot,
    pushed: u64,
}

/// Where a cursor's waker stands in a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    generation: u32,
    /// The key, plus one.
    place: NonZeroU32,
}

/// What a reader asks of a ring.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Exclusive.
    pub(crate) after: Seq,
    /// Inclusive.
    pub(crate) until: Seq,
    /// Events that are not stored are taken only from here on: they are never replayed.
    pub(crate) ephemeral_after: Seq,
    pub(crate) now_ms: i64,
    pub(crate) max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 4_096, bytes: 2 << 20, age: Duration::from_mins(1) }
    }
}

impl Ring {
    pub(crate) fn new(topic: TopicName, floor: Mark) -> Self {
        let (slots, waiting) = (VecDeque::new(), Slab::new());
        Self { topic, state: Mutex::new(State { slots, pushed: 0, floor, waiting, generation: 0 }) }
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(crate) fn push(&self, slot: Slot, limits: &Limits) {
        let mut state = self.state.lock();
        let now_ms = slot.at_ms;
        state.pushed += bytes_of(&slot.frame);
        let pushed = state.pushed;
        state.slots.push_back(Held { slot, pushed });
        state.evict(limits, now_ms);
    }

    /// Lets go of what is too old.
    pub(crate) fn expire(&self, limits: &Limits, now_ms: i64) {
        self.state.lock().evict(limits, now_ms);
    }

    /// Whether anything came after `after`; `Err` if a stored event of that is no longer here.
    pub(crate) fn has_after(&self, after: Seq) -> Result<bool, BelowFloor> {
        let state = self.state.lock();
        if after < state.floor.seq {
            return Err(BelowFloor);
        }
        Ok(state.slots.back().is_some_and(|newest| newest.slot.mark.seq > after))
    }

    /// Gives the window's frames to `take`, in order. Returns where it stopped, if `max_bytes` made it stop before `until`;
    /// `Err` if a stored event of the window is no longer here.
    pub(crate) fn collect(&self, window: Window, mut take: impl FnMut(Taken)) -> Result<Option<Seq>, BelowFloor> {
        let state = self.state.lock();
        if window.after < state.floor.seq {
            return Err(BelowFloor);
        }
        let mut bytes = 0;
        for Held { slot, .. } in state.slots.range(state.first_after(window.after)..) {
            if slot.mark.seq > window.until {
                break;
            }
            if slot.stored || (slot.mark.seq > window.ephemeral_after && slot.is_fresh(window.now_ms)) {
                take(Taken { mark: slot.mark, frame: slot.frame.clone() });
                bytes += slot.frame.len();
            }
            if bytes >= window.max_bytes {
                return Ok(Some(slot.mark.seq));
            }
        }
        Ok(None)
    }

    /// The bytes of the frames after `after`; of all frames that are here, if there were more.
    pub(crate) fn bytes_after(&self, after: Seq) -> u64 {
        let state = self.state.lock();
        state.slots.get(state.first_after(after)).map_or(0, |first| state.bytes_from(first))
    }

    /// The last slot at or before `position`: a reader that saw everything up to `position` is at least here.
    /// `Err` if something after `position` is no longer here.
    pub(crate) fn locate(&self, position: Position) -> Result<Seq, BelowFloor> {
        let state = self.state.lock();
        if position < state.floor.position {
            return Err(BelowFloor);
        }
        let after = state.slots.partition_point(|held| held.slot.mark.position <= position);
        Ok(after.checked_sub(1).map_or(state.floor.seq, |last| state.slots[last].slot.mark.seq))
    }

    /// Has `waker` woken with the next [`Ring::take_waiting`]. `earlier` is what the last call returned.
    pub(crate) fn register(&self, waker: &Waker, earlier: Option<Registration>) -> Registration {
        let mut state = self.state.lock();
        let generation = state.generation;
        if let Some(earlier) = earlier.filter(|earlier| earlier.generation == generation)
            && let Some(registered) = state.waiting.get_mut(earlier.key())
        {
            registered.clone_from(waker);
            return earlier;
        }
        if state.waiting.capacity() == 0 {
            state.waiting.reserve_exact(1); // most topics of users have one reader, most of the time
        }
        let key = state.waiting.insert(waker.clone());
        // More than 4 billion sleepers have no memory to sleep in.
        let place = u32::try_from(key).map_or(NonZeroU32::MAX, |key| NonZeroU32::MIN.saturating_add(key));
        Registration { generation, place }
    }

    /// Takes a registration back.
    pub(crate) fn deregister(&self, registration: Registration) {
        let mut state = self.state.lock();
        if registration.generation == state.generation {
            state.waiting.try_remove(registration.key());
        }
    }

    /// Moves the wakers of all sleepers to `out`. They are woken after every lock is let go.
    pub(crate) fn take_waiting(&self, out: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.generation = state.generation.wrapping_add(1);
        out.extend(state.waiting.drain());
    }
}

impl Registration {
    fn key(self) -> usize {
        self.place.get() as usize - 1
    }
}

/// Something in the asked range has left the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BelowFloor;

impl State {
    fn first_after(&self, after: Seq) -> usize {
        self.slots.partition_point(|held| held.slot.mark.seq <= after)
    }

    /// The bytes of `held` and of all that came after it.
    fn bytes_from(&self, held: &Held) -> u64 {
        self.pushed - held.pushed + bytes_of(&held.slot.frame)
    }

    fn evict(&mut self, limits: &Limits, now_ms: i64) {
        let max_age = i64::try_from(limits.age.as_millis()).unwrap_or(i64::MAX);
        let max_bytes = u64::try_from(limits.bytes).unwrap_or(u64::MAX);
        while let Some(held) = self.slots.front() {
            let oldest = &held.slot;
            let full = self.slots.len() > limits.events || self.bytes_from(held) > max_bytes;
            let expired = now_ms.saturating_sub(oldest.at_ms) > max_age;
            if !full && !expired && (oldest.stored || oldest.is_fresh(now_ms)) {
                break;
            }
            if oldest.stored {
                self.floor = oldest.mark;
            }
            self.slots.pop_front();
        }
        if self.slots.is_empty() && self.slots.capacity() > 0 {
            self.slots = VecDeque::new(); // a user's own topic is quiet nearly always
        }
    }
}

fn bytes_of(frame: &Frame) -> u64 {
    u64::try_from(frame.len()).unwrap_or(u64::MAX) // an event has an upper size
}

impl Slot {
    fn is_fresh(&self, now_ms: i64) -> bool {
        self.stored || now_ms.saturating_sub(self.at_ms) <= EPHEMERAL_MS
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use tidings_sse::{Event, EventName};

    fn slot(seq: u64, stored: bool, at_ms: i64) -> Slot {
        let mark = Mark { seq: Seq(seq), position: Position::new(seq) };
        Slot { mark, stored, at_ms, frame: Event::new(EventName::from_static("e"), "x").encode() }
    }

    fn topic() -> TopicName {
        TopicName::parse("a").expect("a topic")
    }

    fn ring() -> Ring {
        Ring::new(topic(), Mark::default())
    }

    fn window(after: u64) -> Window {
        let [after, until] = [Seq(after), Seq(u64::MAX)];
        Window { after, until, ephemeral_after: Seq(0), now_ms: 0, max_bytes: usize::MAX }
    }

    fn seqs(ring: &Ring, window: Window) -> Result<Vec<u64>, BelowFloor> {
        let mut seqs = Vec::new();
        ring.collect(window, |taken| seqs.push(taken.mark.seq.0))?;
        Ok(seqs)
    }

    #[test]
    fn what_was_let_go_is_the_floor() {
        let ring = ring();
        for seq in 1..=5 {
            ring.push(slot(seq, true, 0), &Limits { events: 3, ..Limits::default() });
        }
        assert_eq!(seqs(&ring, window(2)), Ok(vec![3, 4, 5]));
        assert_eq!(seqs(&ring, window(1)), Err(BelowFloor));
        assert_eq!(ring.locate(Position::new(1)), Err(BelowFloor));
        assert_eq!(ring.locate(Position::new(4)), Ok(Seq(4)));
        assert_eq!(ring.locate(Position::new(9)), Ok(Seq(5)));
    }

    #[test]
    fn an_event_that_is_not_stored_leaves_without_raising_the_floor() {
        let ring = ring();
        let limits = Limits::default();
        ring.push(slot(1, false, 0), &limits);
        assert_eq!(seqs(&ring, window(0)), Ok(vec![1]));
        assert_eq!(seqs(&ring, Window { now_ms: 5_001, ..window(0) }), Ok(vec![]));
        assert_eq!(seqs(&ring, Window { ephemeral_after: Seq(1), ..window(0) }), Ok(vec![]));
        ring.push(slot(2, true, 5_001), &limits);
        assert_eq!(seqs(&ring, window(0)), Ok(vec![2]));
    }

    #[test]
    fn age_empties_a_quiet_ring() {
        let ring = ring();
        let limits = Limits { age: Duration::from_secs(10), ..Limits::default() };
        ring.push(slot(1, true, 0), &limits);
        ring.expire(&limits, 10_000);
        assert_eq!(seqs(&ring, window(0)), Ok(vec![1]));
        ring.expire(&limits, 10_001);
        assert_eq!(seqs(&ring, window(0)), Err(BelowFloor));
    }

    #[test]
    fn the_bytes_a_reader_has_yet_to_take_are_those_of_the_frames_after_it() {
        let ring = ring();
        for seq in 1..=5 {
            ring.push(slot(seq, true, 0), &Limits { events: 3, ..Limits::default() });
        }
        let one = bytes_of(&slot(1, true, 0).frame);
        for (after, frames) in [(5, 0), (4, 1), (3, 2), (2, 3), (0, 3)] {
            assert_eq!(ring.bytes_after(Seq(after)), frames * one, "after {after}");
        }
    }

    #[test]
    fn a_full_window_says_where_it_stopped() {
        let ring = ring();
        for seq in 1..=3 {
            ring.push(slot(seq, true, 0), &Limits::default());
        }
        let mut taken = 0;
        assert_eq!(ring.collect(Window { max_bytes: 1, ..window(0) }, |_| taken += 1), Ok(Some(Seq(1))));
        assert_eq!(taken, 1);
    }

    #[test]
    fn registering_twice_takes_one_place_and_deregistering_frees_it() {
        let ring = ring();
        let first = ring.register(Waker::noop(), None);
        let again = ring.register(Waker::noop(), Some(first));
        assert_eq!(ring.state.lock().waiting.len(), 1);
        ring.deregister(again);
        assert_eq!(ring.state.lock().waiting.len(), 0);
        let second = ring.register(Waker::noop(), None);
        ring.take_waiting(&mut Vec::new());
        let other = ring.register(Waker::noop(), None);
        ring.deregister(second);
        assert_eq!(ring.state.lock().waiting.len(), 1, "a registration of an earlier generation removes nobody else's");
        ring.deregister(other);
    }

    #[test]
    fn a_quiet_ring_is_small() {
        assert!(size_of::<Ring>() <= 128, "{}", size_of::<Ring>());
    }
}
