//! A reader's place: a set of topics, and how far it has read.
//!
//! The position is advanced when frames are taken. A connection that dies while they are on their way loses nothing: the
//! client comes back with the last id that it saw.

use std::sync::Arc;
use std::task::{Context, Poll};

use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

use crate::fanout::Fanout;
use crate::ring::{BelowFloor, Mark, Registration, Ring, Seq, Slot, Window};

/// A set of topics and a place in the log.
pub struct Cursor {
    fanout: Arc<Fanout>,
    topics: Arc<[TopicName]>,
    rings: SmallVec<[Listening; 2]>,
    /// Everything up to here was taken.
    taken: Mark,
    /// What was handed out at the cursor's birth: events that are not stored are never taken from before it.
    born: Seq,
}

struct Listening {
    ring: Arc<Ring>,
    /// Where this cursor's waker stands, if it sleeps.
    registration: Option<Registration>,
}

/// The rings no longer hold what comes next: read the journal after [`Cursor::position`], then [`Cursor::rejoin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

impl Cursor {
    /// A cursor that has seen everything that is visible now.
    pub fn at_head(fanout: Arc<Fanout>, topics: Arc<[TopicName]>) -> Self {
        let (rings, newest) = fanout.follow(&topics);
        let rings = rings.into_iter().map(|ring| Listening { ring, registration: None }).collect();
        Self { fanout, topics, rings, taken: newest, born: newest.seq }
    }

    /// The topics it follows.
    pub fn topics(&self) -> &Arc<[TopicName]> {
        &self.topics
    }

    /// Everything stored up to here was taken.
    pub fn position(&self) -> Position {
        self.taken.position
    }

    /// Everything handed out up to here was taken.
    pub(crate) fn seq(&self) -> Seq {
        self.taken.seq
    }

    /// Moves to `position`, in either direction: everything up to it counts as taken.
    pub fn seek(&mut self, position: Position) -> Result<(), Behind> {
        self.taken.position = position;
        self.rejoin()
    }

    /// Moves past everything that is visible now.
    pub fn skip_to_head(&mut self) {
        self.taken = self.fanout.newest();
    }

    /// Finds this cursor's position in the rings.
    pub fn rejoin(&mut self) -> Result<(), Behind> {
        let mut seq = Seq::default();
        for listening in &self.rings {
            // The latest of them: whatever any ring holds after `position` was handed out after that.
            seq = seq.max(listening.ring.locate(self.taken.position).map_err(|BelowFloor| Behind)?);
        }
        self.taken.seq = seq;
        Ok(())
    }

    /// Takes the frames after the cursor, in order, about `max_bytes` of them, and advances. Pending when there are none:
    /// the task is woken when there are. `out` is only added to.
    pub fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<Frame>,
        max_bytes: usize,
    ) -> Poll<Result<(), Behind>> {
        loop {
            let visible = self.fanout.visible();
            if visible.seq > self.taken.seq {
                let before = out.len();
                if let Err(BelowFloor) = self.take(visible, out, max_bytes) {
                    return Poll::Ready(Err(Behind));
                }
                if out.len() > before {
                    return Poll::Ready(Ok(()));
                }
            }
            for listening in &mut self.rings {
                listening.registration = Some(listening.ring.register(cx.waker(), listening.registration));
            }
            if self.fanout.visible().seq == self.taken.seq {
                return Poll::Pending;
            }
        }
    }

    fn take(&mut self, visible: Mark, out: &mut Vec<Frame>, max_bytes: usize) -> Result<(), BelowFloor> {
        let mut window = Window {
            after: self.taken.seq,
            until: visible.seq,
            ephemeral_after: self.born,
            now_ms: self.fanout.now_ms(),
            max_bytes,
        };
        let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
        for listening in &self.rings {
            // Where one ring is cut, the others are too: nothing after the cut may overtake what was left out.
            if let Some(cut) = listening.ring.collect(window, &mut slots)? {
                window.until = cut;
            }
        }
        if self.rings.len() > 1 {
            slots.retain(|slot| slot.mark.seq <= window.until);
            slots.sort_unstable_by_key(|slot| slot.mark.seq);
            slots.dedup_by_key(|slot| slot.mark.seq); // one frame may stand in several rings
        }
        self.taken = match slots.last() {
            Some(last) if window.until < visible.seq => last.mark,
            // Loaded first, the visible position may be older than what was just taken.
            Some(last) => Mark { seq: visible.seq, position: visible.position.max(last.mark.position) },
            None => visible,
        };
        out.extend(slots.into_iter().map(|slot| slot.frame));
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        for listening in &self.rings {
            if let Some(registration) = listening.registration {
                listening.ring.deregister(registration);
            }
        }
        self.fanout.unfollow(&self.topics);
    }
}
