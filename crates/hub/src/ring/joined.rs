//! Frames that were joined into one for readers that are behind.
//!
//! If a thousand readers are behind at the same place, the first of them copies the frames, and the
//! same bytes are written to all of them.

use std::collections::VecDeque;

use tidings_sse::Frame;

use super::slot::{CollectedFrame, Mark, Seq};

/// The most joined frames that a ring keeps, including those that are still being written to a
/// reader. So this is the most that stalled readers can keep in memory. Readers that are behind are
/// mostly behind at the same few places.
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

    /// Returns the joined frame that begins with the frame at `first` and ends at or before
    /// `until`. `at_ms` is when the frame at `first` was delivered.
    pub(super) fn find(&self, first: Seq, until: Seq, at_ms: i64) -> Option<CollectedFrame> {
        let joined = self
            .frames
            .iter()
            .find(|one| one.first == first && one.last.seq <= until)?;
        Some(CollectedFrame {
            mark: joined.last,
            frame: joined.frame.clone(),
            events: joined.events,
            at_ms,
        })
    }

    /// Makes space for one more frame, if necessary by dropping one that is not being written to a
    /// reader. Returns whether there is space.
    pub(super) fn make_space(&mut self) -> bool {
        if self.frames.len() < MAX_JOINED {
            return true;
        }
        let unused = self.frames.iter().position(|one| one.frame.is_unique());
        unused
            .and_then(|unused| self.frames.remove(unused))
            .is_some()
    }

    /// Keeps `joined`, which begins with the frame at `first`.
    pub(super) fn keep(&mut self, first: Seq, joined: &CollectedFrame) {
        let CollectedFrame {
            mark: last,
            events,
            ref frame,
            ..
        } = *joined;
        self.frames.push_back(Joined {
            first,
            last,
            events,
            frame: frame.clone(),
        });
    }

    /// Drops the frames that are not being written to a reader.
    pub(super) fn drop_unused(&mut self) {
        self.frames.retain(|one| !one.frame.is_unique());
    }
}
