//! Frames that were joined into one for readers that are behind.
//!
//! When a thousand readers are behind at the same place, one of them copies the frames, and all of
//! them are written the same bytes.

use std::collections::VecDeque;

use tidings_sse::Frame;

use super::slot::{CollectedFrame, Mark, Seq};

/// The most joined frames that a ring keeps, with those that are still being written to a reader:
/// stalled readers can keep these in memory and no more. Readers that are behind are mostly behind
/// at the same few places.
const MAX_JOINED: usize = 16;

/// The frames that were joined lately, oldest first.
#[derive(Default)]
pub(super) struct JoinedFrames {
    frames: VecDeque<Joined>,
}

/// Several frames as one.
struct Joined {
    first: Seq,
    last: Mark,
    events: u64,
    frame: Frame,
}

impl JoinedFrames {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frame that begins with the one at `first` and ends at or before `until`. `at_ms` is when
    /// the one at `first` was delivered.
    pub(super) fn find(&self, first: Seq, until: Seq, at_ms: i64) -> Option<CollectedFrame> {
        let joined = self.frames.iter().find(|one| one.first == first && one.last.seq <= until)?;
        Some(CollectedFrame { mark: joined.last, frame: joined.frame.clone(), events: joined.events, at_ms })
    }

    /// Makes room for one more, if one that is not being written to a reader can be dropped.
    /// Returns whether there is room.
    pub(super) fn make_room(&mut self) -> bool {
        if self.frames.len() < MAX_JOINED {
            return true;
        }
        let unused = self.frames.iter().position(|one| one.frame.is_unique());
        unused.and_then(|unused| self.frames.remove(unused)).is_some()
    }

    /// Keeps `joined`, which begins with the frame at `first`.
    pub(super) fn keep(&mut self, first: Seq, joined: &CollectedFrame) {
        let CollectedFrame { mark: last, events, ref frame, .. } = *joined;
        self.frames.push_back(Joined { first, last, events, frame: frame.clone() });
    }

    /// Drops those that are not being written to a reader.
    pub(super) fn drop_unused(&mut self) {
        self.frames.retain(|one| !one.frame.is_unique());
    }
}
