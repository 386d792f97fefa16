//! The frames that a ring holds, and how many bytes went through it.
//!
//! How far a reader is behind is the difference of two byte counts, so each frame is kept with the
//! number of bytes that were pushed up to its end. A few of these counts are kept after their
//! frames were evicted, because a slow reader may be behind all that the ring still holds.

use std::collections::VecDeque;

use tidings_journal::Position;
use tidings_sse::Frame;

use super::joined::JoinedFrames;
use super::slot::{BelowFloor, CollectedFrame, Limits, Mark, Seq, Slot, Window};

/// The fewest frames that are joined. Fewer frames are written one by one.
const MIN_JOINED_FRAMES: usize = 8;

/// The least time between two evicted frames whose byte counts are kept, in milliseconds. For a
/// reader that is further behind than the ring reaches, the computed lag is too low by at most what
/// was delivered in that time.
const EVICTED_INTERVAL_MS: i64 = 500;

/// The frames of a ring.
pub(super) struct Frames {
    /// The frames, in the order of `seq`.
    entries: VecDeque<Entry>,
    /// The bytes of all frames that were ever pushed.
    pushed_bytes: u64,
    /// The newest stored event that is no longer here; of a new ring, what was visible when it was
    /// made.
    floor: Mark,
    rare: Option<Box<Rare>>,
}

struct Entry {
    slot: Slot,
    /// [`Frames::pushed_bytes`] after this frame.
    end_bytes: u64,
}

/// What only few rings have. It is boxed for that reason.
#[derive(Default)]
struct Rare {
    joined: JoinedFrames,
    /// Some of the frames that were evicted before they were too old, oldest first.
    evicted: VecDeque<Evicted>,
}

/// The place of a frame that is no longer here.
#[derive(Clone, Copy)]
struct Evicted {
    mark: Mark,
    stored: bool,
    at_ms: i64,
    /// [`Frames::pushed_bytes`] after this frame.
    end_bytes: u64,
}

impl Frames {
    pub(super) fn new(floor: Mark) -> Self {
        Self {
            entries: VecDeque::new(),
            pushed_bytes: 0,
            floor,
            rare: None,
        }
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.pushed_bytes += bytes_of(&slot.frame);
        self.entries.push_back(Entry {
            slot,
            end_bytes: self.pushed_bytes,
        });
    }

    /// Evicts what exceeds `limits`, and ephemeral events that can no longer be delivered.
    pub(super) fn evict(&mut self, limits: &Limits, now_ms: i64) {
        let max_age = i64::try_from(limits.age.as_millis()).unwrap_or(i64::MAX);
        let max_bytes = u64::try_from(limits.bytes).unwrap_or(u64::MAX);
        while let Some(entry) = self.entries.front() {
            let oldest = &entry.slot;
            let full = self.entries.len() > limits.events || self.bytes_from(entry) > max_bytes;
            let expired = now_ms.saturating_sub(oldest.at_ms) > max_age;
            if !full && !expired && (oldest.stored || oldest.is_fresh(now_ms)) {
                break;
            }
            if oldest.stored {
                self.floor = oldest.mark;
            }
            if let Some(entry) = self.entries.pop_front().filter(|_| full) {
                self.remember(&entry);
            }
        }
        self.forget_evicted(now_ms.saturating_sub(max_age));
        if self.entries.is_empty() && self.entries.capacity() > 0 {
            self.entries = VecDeque::new(); // a user's own topic is quiet nearly all the time
        }
    }

    /// Drops everything at or below `floor` in the log.
    pub(super) fn forget(&mut self, floor: Position) {
        let end = self
            .entries
            .partition_point(|entry| entry.slot.mark.position <= floor);
        // Ephemeral events after the last stored one stay: they have its position, but they were
        // not erased.
        let Some(last) = self
            .entries
            .iter()
            .take(end)
            .rposition(|entry| entry.slot.stored)
        else {
            return;
        };
        self.floor = self.entries[last].slot.mark;
        self.entries.drain(..=last);
        self.rare = None;
    }

    pub(super) fn is_filling(&self, after: Seq, bytes: u64) -> bool {
        let several = self
            .entries
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|entry| entry.slot.mark.seq > after);
        several
            && self
                .entries
                .get(self.first_after(after))
                .is_some_and(|first| self.bytes_from(first) < bytes)
    }

    pub(super) fn collect(
        &mut self,
        window: &Window,
        mut take: impl FnMut(CollectedFrame),
    ) -> Result<Option<Seq>, BelowFloor> {
        if window.after < self.floor.seq {
            return Err(BelowFloor);
        }
        let first = self.first_after(window.after);
        if window.joined
            && let Some(joined) = self.join(first, window)
        {
            let last = joined.mark.seq;
            take(joined);
            return Ok((last < window.until).then_some(last));
        }
        let mut bytes = 0;
        for Entry { slot, .. } in self.entries.range(first..) {
            if slot.mark.seq > window.until {
                break;
            }
            if slot.stored
                || (slot.mark.seq > window.ephemeral_after && slot.is_fresh(window.now_ms))
            {
                take(CollectedFrame {
                    mark: slot.mark,
                    frame: slot.frame.clone(),
                    events: 1,
                    at_ms: slot.at_ms,
                });
                bytes += slot.frame.len();
            }
            if bytes >= window.max_bytes {
                return Ok(Some(slot.mark.seq));
            }
        }
        Ok(None)
    }

    pub(super) fn locate(&self, position: Position) -> Result<Seq, BelowFloor> {
        if position < self.floor.position {
            return Err(BelowFloor);
        }
        let after = self
            .entries
            .partition_point(|entry| entry.slot.mark.position <= position);
        Ok(after
            .checked_sub(1)
            .map_or(self.floor.seq, |last| self.entries[last].slot.mark.seq))
    }

    pub(super) fn bytes_after(&self, after: Seq) -> u64 {
        self.entries
            .get(self.first_after(after))
            .map_or(0, |first| self.bytes_from(first))
    }

    /// Returns the bytes of all frames up to `mark`, or slightly more.
    pub(super) fn bytes_up_to(&self, mark: Mark) -> u64 {
        // Both numbers are compared, because a reader of the journal advances only its position. An
        // ephemeral event has the position of the stored event before it.
        let taken = |one: Mark, stored: bool| {
            let by_position = if stored {
                one.position <= mark.position
            } else {
                one.position < mark.position
            };
            one.seq <= mark.seq || by_position
        };
        let at = self
            .entries
            .partition_point(|entry| taken(entry.slot.mark, entry.slot.stored));
        if let Some(last) = at.checked_sub(1) {
            return self.entries[last].end_bytes;
        }
        let next = self.evicted().find(|one| !taken(one.mark, one.stored));
        let first = || {
            self.entries.front().map_or(self.pushed_bytes, |one| {
                one.end_bytes - bytes_of(&one.slot.frame)
            })
        };
        next.map_or_else(first, |evicted| evicted.end_bytes)
    }

    /// Returns the bytes of all frames that were delivered by `ms`, or slightly less.
    pub(super) fn bytes_by(&self, ms: i64) -> u64 {
        let at = self.entries.partition_point(|entry| entry.slot.at_ms <= ms);
        let evicted = || self.evicted().rev().find(|one| one.at_ms <= ms);
        match at.checked_sub(1) {
            Some(last) => self.entries[last].end_bytes,
            None => evicted().map_or(0, |one| one.end_bytes),
        }
    }

    /// Drops the joined frames that are not being written to a reader.
    pub(super) fn drop_unused_joined(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        rare.joined.drop_unused();
        if rare.joined.is_empty() && rare.evicted.is_empty() {
            self.rare = None;
        }
    }

    fn first_after(&self, after: Seq) -> usize {
        self.entries
            .partition_point(|entry| entry.slot.mark.seq <= after)
    }

    /// Returns the bytes of `entry` and of everything after it.
    fn bytes_from(&self, entry: &Entry) -> u64 {
        self.pushed_bytes - entry.end_bytes + bytes_of(&entry.slot.frame)
    }

    /// Joins the frames from index `first` on; `None` if there are too few.
    fn join(&mut self, first: usize, window: &Window) -> Option<CollectedFrame> {
        let Slot {
            mark: Mark { seq: start, .. },
            at_ms,
            ..
        } = self.entries.get(first)?.slot;
        if let Some(known) = self
            .rare
            .as_ref()
            .and_then(|rare| rare.joined.find(start, window.until, at_ms))
        {
            return Some(known);
        }
        let mut bytes = 0;
        let belongs = |entry: &&Entry| {
            bytes += entry.slot.frame.len();
            entry.slot.stored && entry.slot.mark.seq <= window.until && bytes <= window.max_bytes
        };
        let entries = self.entries.range(first..);
        let count = entries.clone().take_while(belongs).count();
        if count < MIN_JOINED_FRAMES {
            return None;
        }
        let joined = &mut self.rare.get_or_insert_default().joined;
        if !joined.make_space() {
            return None;
        }
        let mark = self.entries.get(first + count - 1)?.slot.mark;
        let frame = Frame::join(entries.take(count).map(|entry| &entry.slot.frame))?;
        let taken = CollectedFrame {
            mark,
            frame,
            events: count as u64,
            at_ms,
        };
        joined.keep(start, &taken);
        Some(taken)
    }

    fn evicted(&self) -> impl DoubleEndedIterator<Item = &Evicted> {
        self.rare.iter().flat_map(|rare| &rare.evicted)
    }

    /// Keeps the byte count of an evicted frame, unless the count of a frame close to it is kept.
    fn remember(&mut self, entry: &Entry) {
        let Slot {
            mark,
            stored,
            at_ms,
            ..
        } = entry.slot;
        let evicted = &mut self.rare.get_or_insert_default().evicted;
        if evicted
            .back()
            .is_none_or(|last| at_ms - last.at_ms >= EVICTED_INTERVAL_MS)
        {
            evicted.push_back(Evicted {
                mark,
                stored,
                at_ms,
                end_bytes: entry.end_bytes,
            });
        }
    }

    /// Drops the byte counts of frames that were delivered before `before_ms`, because no lag is
    /// computed from them any more.
    fn forget_evicted(&mut self, before_ms: i64) {
        let Some(Rare { evicted, .. }) = self.rare.as_deref_mut() else {
            return;
        };
        while evicted.front().is_some_and(|first| first.at_ms < before_ms) {
            evicted.pop_front();
        }
    }

    #[cfg(all(test, not(shuttle)))]
    pub(super) fn keeps_joined(&self) -> bool {
        self.rare.is_some()
    }
}

fn bytes_of(frame: &Frame) -> u64 {
    u64::try_from(frame.len()).unwrap_or(u64::MAX) // events have a maximum size
}
