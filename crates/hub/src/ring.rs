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

use crate::slack;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// How long an event that is not stored stays deliverable, in milliseconds. A "typing…" of ten seconds ago is a lie.
const EPHEMERAL_MS: i64 = 5_000;

/// From how many frames on they are joined: below that, a write takes them as they are.
const JOINED: usize = 8;

/// How many runs there are at a time, those included that are still being written to somebody: stalled readers can pin
/// these and no more. Readers who are behind are mostly behind at the same few places.
const RUNS: usize = 16;

/// The time between two frames of which it is remembered where they stood when they are let go, in milliseconds. What is
/// said of readers who are further behind than that is that much too little.
const PAST_MS: i64 = 500;

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
    /// How many events the frame has.
    pub(crate) events: u64,
    /// When the first of them was handed out, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// The newest frames of one topic.
pub struct Ring {
    topic: TopicName,
    /// The `seq` of the latest slot that was ever here, or of the floor: who is there need not lock. Stored before the
    /// batch becomes visible, and never below the floor.
    newest: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// In the order of `seq`.
    slots: VecDeque<Held>,
    /// The bytes of all frames that were ever here.
    pushed: u64,
    /// The newest stored event that is no longer here; for a new ring, what was visible at its birth.
    floor: Mark,
    /// What was joined lately, for the next reader who is sent the same.
    runs: Option<Box<Runs>>,
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

/// Where a frame stood that is no longer here.
#[derive(Clone, Copy)]
struct Past {
    mark: Mark,
    stored: bool,
    at_ms: i64,
    /// [`State::pushed`] after it.
    pushed: u64,
}

/// What was joined, and what was let go early. Few rings have any, so it is boxed.
#[derive(Default)]
struct Runs {
    /// Oldest first.
    runs: VecDeque<Run>,
    /// Where some of those frames stood that were let go before they were old, oldest first.
    past: VecDeque<Past>,
}

/// Several frames as one. When a thousand readers are behind, one copies the frames, and all are written the same bytes.
struct Run {
    first: Seq,
    last: Mark,
    events: u64,
    frame: Frame,
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
    /// Whether frames may be joined: not by a reader who merges them with another ring's.
    pub(crate) joined: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 4_096, bytes: 2 << 20, age: Duration::from_mins(1) }
    }
}

impl Ring {
    pub(crate) fn new(topic: TopicName, floor: Mark) -> Self {
        let (slots, waiting) = (VecDeque::new(), Slab::new());
        let newest = AtomicU64::new(floor.seq.0);
        Self { topic, newest, state: Mutex::new(State { slots, pushed: 0, floor, runs: None, waiting, generation: 0 }) }
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(crate) fn push(&self, slot: Slot, limits: &Limits) {
        let mut state = self.state.lock();
        let now_ms = slot.at_ms;
        self.newest.store(slot.mark.seq.0, Ordering::Release);
        state.pushed += bytes_of(&slot.frame);
        let pushed = state.pushed;
        state.slots.push_back(Held { slot, pushed });
        state.evict(limits, now_ms);
    }

    /// Lets go of what is too old, and of what was joined.
    pub(crate) fn expire(&self, limits: &Limits, now_ms: i64) {
        let mut state = self.state.lock();
        state.runs = state.runs.take().and_then(Runs::pinned);
        if slack::excess(state.waiting.len(), state.waiting.capacity()).is_some() {
            state.waiting.shrink_to_fit();
        }
        state.evict(limits, now_ms);
    }

    /// Lets go of what stands at or below `floor` in the log.
    pub(crate) fn forget(&self, floor: Position) {
        let mut state = self.state.lock();
        let upto = state.slots.partition_point(|held| held.slot.mark.position <= floor);
        // What is not stored and came after the last of them stays: it has the same position, and was not erased.
        let Some(last) = state.slots.iter().take(upto).rposition(|held| held.slot.stored) else {
            return;
        };
        state.floor = state.slots[last].slot.mark;
        state.slots.drain(..=last);
        state.runs = None;
    }

    /// The latest that was ever here: a reader who has taken so much finds nothing, and has missed nothing.
    pub(crate) fn newest(&self) -> Seq {
        Seq(self.newest.load(Ordering::Acquire))
    }

    /// Whether several frames came after `after`, which make less than `bytes` together.
    pub(crate) fn is_filling(&self, after: Seq, bytes: u64) -> bool {
        let state = self.state.lock();
        let several = state.slots.iter().rev().nth(1).is_some_and(|held| held.slot.mark.seq > after);
        several && state.slots.get(state.first_after(after)).is_some_and(|first| state.bytes_from(first) < bytes)
    }

    /// Gives the window's frames to `take`, in order. Returns where it stopped, if `max_bytes` made it stop before `until`;
    /// `Err` if a stored event of the window is no longer here.
    pub(crate) fn collect(&self, window: Window, mut take: impl FnMut(Taken)) -> Result<Option<Seq>, BelowFloor> {
        let mut state = self.state.lock();
        if window.after < state.floor.seq {
            return Err(BelowFloor);
        }
        let first = state.first_after(window.after);
        if window.joined
            && let Some(run) = state.run(first, &window)
        {
            let last = run.mark.seq;
            take(run);
            return Ok((last < window.until).then_some(last));
        }
        let mut bytes = 0;
        for Held { slot, .. } in state.slots.range(first..) {
            if slot.mark.seq > window.until {
                break;
            }
            if slot.stored || (slot.mark.seq > window.ephemeral_after && slot.is_fresh(window.now_ms)) {
                take(Taken { mark: slot.mark, frame: slot.frame.clone(), events: 1, at_ms: slot.at_ms });
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
        if self.newest() <= after {
            return 0; // as for nearly every stream: who watches asks for all of them
        }
        let state = self.state.lock();
        state.slots.get(state.first_after(after)).map_or(0, |first| state.bytes_from(first))
    }

    /// The bytes of the frames after `after` that were handed out by `until_ms`, in milliseconds since 1970: how much of what
    /// is that old a reader has yet to take who took everything up to `after`. Counts frames that are no longer here too, and
    /// where it is not known how many, fewer rather than more.
    pub(crate) fn overdue_bytes(&self, after: Mark, until_ms: i64) -> u64 {
        if self.newest() <= after.seq {
            return 0;
        }
        let state = self.state.lock();
        state.pushed_by(until_ms).saturating_sub(state.pushed_up_to(after))
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

    /// The bytes of all frames up to `mark`, or of a few more.
    fn pushed_up_to(&self, mark: Mark) -> u64 {
        // By either count: of a reader who reads the journal only the position goes on. What is not stored has the position of
        // what stands before it.
        let taken = |one: Mark, stored: bool| {
            let by_position = if stored { one.position <= mark.position } else { one.position < mark.position };
            one.seq <= mark.seq || by_position
        };
        let at = self.slots.partition_point(|held| taken(held.slot.mark, held.slot.stored));
        if let Some(last) = at.checked_sub(1) {
            return self.slots[last].pushed;
        }
        let next = self.runs.iter().flat_map(|runs| &runs.past).find(|past| !taken(past.mark, past.stored));
        let here = || self.slots.front().map_or(self.pushed, |first| first.pushed - bytes_of(&first.slot.frame));
        next.map_or_else(here, |past| past.pushed)
    }

    /// The bytes of all frames that were handed out by `ms`, or of a few less.
    fn pushed_by(&self, ms: i64) -> u64 {
        let at = self.slots.partition_point(|held| held.slot.at_ms <= ms);
        let past = || self.runs.iter().flat_map(|runs| runs.past.iter().rev()).find(|past| past.at_ms <= ms);
        match at.checked_sub(1) {
            Some(last) => self.slots[last].pushed,
            None => past().map_or(0, |past| past.pushed),
        }
    }

    /// Remembers where a frame stood that is let go, if none near it is remembered.
    fn remember(&mut self, held: &Held) {
        let Slot { mark, stored, at_ms, .. } = held.slot;
        let past = &mut self.runs.get_or_insert_default().past;
        if past.back().is_none_or(|last| at_ms - last.at_ms >= PAST_MS) {
            past.push_back(Past { mark, stored, at_ms, pushed: held.pushed });
        }
    }

    /// Forgets what was let go so long ago that no reader is asked about it any more.
    fn forget(&mut self, before_ms: i64) {
        let Some(Runs { past, .. }) = self.runs.as_deref_mut() else { return };
        while past.front().is_some_and(|first| first.at_ms < before_ms) {
            past.pop_front();
        }
    }

    /// The bytes of `held` and of all that came after it.
    fn bytes_from(&self, held: &Held) -> u64 {
        self.pushed - held.pushed + bytes_of(&held.slot.frame)
    }

    /// The frames from the slot `first` on as one, with the place of the last of them; `None` if they are few.
    fn run(&mut self, first: usize, window: &Window) -> Option<Taken> {
        let Slot { mark: Mark { seq: start, .. }, at_ms, .. } = self.slots.get(first)?.slot;
        let mut known = self.runs.iter().flat_map(|runs| &runs.runs);
        if let Some(run) = known.find(|run| run.first == start && run.last.seq <= window.until) {
            return Some(Taken { mark: run.last, frame: run.frame.clone(), events: run.events, at_ms });
        }
        let mut bytes = 0;
        let belongs = |held: &&Held| {
            bytes += held.slot.frame.len();
            held.slot.stored && held.slot.mark.seq <= window.until && bytes <= window.max_bytes
        };
        let slots = self.slots.range(first..);
        let count = slots.clone().take_while(belongs).count();
        if count < JOINED {
            return None;
        }
        if !self.runs.get_or_insert_default().make_room() {
            return None;
        }
        let last = self.slots.get(first + count - 1)?.slot.mark;
        let frame = Frame::join(slots.take(count).map(|held| &held.slot.frame))?;
        let events = count as u64;
        self.runs.get_or_insert_default().runs.push_back(Run { first: start, last, events, frame: frame.clone() });
        Some(Taken { mark: last, frame, events, at_ms })
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
            if let Some(held) = self.slots.pop_front().filter(|_| full) {
                self.remember(&held);
            }
        }
        self.forget(now_ms.saturating_sub(max_age));
        if self.slots.is_empty() && self.slots.capacity() > 0 {
            self.slots = VecDeque::new(); // a user's own topic is quiet nearly always
        }
    }
}

impl Runs {
    /// Makes room for one more, if one that nobody is being written can go.
    fn make_room(&mut self) -> bool {
        if self.runs.len() < RUNS {
            return true;
        }
        let free = self.runs.iter().position(|run| run.frame.is_unique());
        free.and_then(|free| self.runs.remove(free)).is_some()
    }

    /// Those that somebody is still being written, and what was let go early.
    fn pinned(mut self: Box<Self>) -> Option<Box<Self>> {
        self.runs.retain(|run| !run.frame.is_unique());
        (!self.runs.is_empty() || !self.past.is_empty()).then_some(self)
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
        Window { after, until, ephemeral_after: Seq(0), now_ms: 0, max_bytes: usize::MAX, joined: false }
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
    fn what_was_erased_is_taken_by_nobody_and_what_came_after_it_is() {
        let ring = ring();
        for (seq, position, stored) in [(1, 1, true), (2, 4, true), (3, 4, false), (4, 6, true)] {
            let mark = Mark { seq: Seq(seq), position: Position::new(position) };
            ring.push(Slot { mark, ..slot(seq, stored, 0) }, &Limits::default());
        }
        ring.forget(Position::new(0));
        assert_eq!(seqs(&ring, window(0)), Ok(vec![1, 2, 3, 4]));
        ring.forget(Position::new(5));
        assert_eq!(seqs(&ring, window(1)), Err(BelowFloor));
        assert_eq!(
            seqs(&ring, window(2)),
            Ok(vec![3, 4]),
            "what is not stored stands behind the event whose position it has"
        );
        assert_eq!(ring.locate(Position::new(3)), Err(BelowFloor));
        assert_eq!(ring.bytes_after(Seq(0)), 2 * bytes_of(&slot(1, true, 0).frame));
    }

    #[test]
    fn a_run_that_was_joined_before_is_not_given_out_after_it_was_erased() {
        let ring = ring();
        for seq in 1..=20 {
            ring.push(slot(seq, true, 0), &Limits::default());
        }
        let joined = |after| {
            let mut last = Vec::new();
            let window = Window { joined: true, ..window(after) };
            ring.collect(window, |taken| last.push((taken.events, taken.mark.seq.0))).map(|_| last)
        };
        assert_eq!(joined(0), Ok(vec![(20, 20)]));
        ring.forget(Position::new(10));
        assert_eq!(joined(0), Err(BelowFloor));
        assert_eq!(joined(10), Ok(vec![(10, 20)]));
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
    fn many_frames_are_joined_once_for_all_who_are_behind_at_the_same_place() {
        let ring = ring();
        for seq in 1..=20 {
            ring.push(slot(seq, seq != 15, 0), &Limits::default());
        }
        let taken = |after, until| {
            let mut taken = Vec::new();
            let window = Window { until: Seq(until), joined: true, ..window(after) };
            let cut = ring.collect(window, |one| taken.push((one.mark.seq.0, one.frame))).unwrap();
            (taken, cut)
        };
        let (first, cut) = taken(2, 12);
        assert_eq!((first.len(), first[0].0, cut), (1, 12, None));
        assert_eq!(first[0].1, Frame::join(vec![&slot(1, true, 0).frame; 10].into_iter()).unwrap());
        // Who sees more by now takes the same bytes, and comes again for the rest.
        let (second, cut) = taken(2, 20);
        assert_eq!((second[0].1.chunked().as_ptr(), cut), (first[0].1.chunked().as_ptr(), Some(Seq(12))));
        // Few are not joined, nor is what is not stored, as not everybody takes that.
        assert_eq!(taken(12, 20).0.iter().map(|one| one.0).collect::<Vec<_>>(), [13, 14, 15, 16, 17, 18, 19, 20]);
        // What a reader may not see yet is in none of its runs.
        assert_eq!(taken(2, 11).0[0].0, 11);
    }

    #[test]
    fn stalled_readers_pin_a_few_runs_and_no_more() {
        let ring = ring();
        for seq in 1..=100 {
            ring.push(slot(seq, true, 0), &Limits::default());
        }
        let take = |after| {
            let mut frames = Vec::new();
            let _ = ring.collect(Window { joined: true, ..window(after) }, |taken| frames.push(taken.frame)).unwrap();
            frames
        };
        let held: Vec<_> = (0..16).map(take).collect();
        assert!(held.iter().all(|frames| frames.len() == 1));
        assert_eq!(take(50).len(), 50, "not joined: all runs are pinned");
        ring.expire(&Limits::default(), 0);
        assert_eq!(take(50).len(), 50, "still");
        drop(held);
        assert_eq!(take(50).len(), 1);
        ring.expire(&Limits::default(), 0);
        assert!(ring.state.lock().runs.is_none());
    }

    #[test]
    fn a_write_fills_up_while_several_frames_wait_and_are_not_yet_many() {
        let ring = ring();
        let one = slot(1, true, 0).frame.len() as u64;
        ring.push(slot(1, true, 0), &Limits::default());
        assert!(!ring.is_filling(Seq(0), u64::MAX), "one frame is not held up");
        ring.push(slot(2, true, 0), &Limits::default());
        assert!(ring.is_filling(Seq(0), 2 * one + 1));
        assert!(!ring.is_filling(Seq(0), 2 * one), "enough");
        assert!(!ring.is_filling(Seq(1), u64::MAX), "one is left");
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
        // With the two counters of its `Arc`: 160 bytes, a size that allocators keep.
        assert!(size_of::<Ring>() <= 144, "{}", size_of::<Ring>());
    }
}
