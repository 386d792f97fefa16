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
use crate::ring::{BelowFloor, Mark, Registration, Ring, Seq, Taken, Window};

/// A place in the log, for whoever follows some topics.
pub struct Cursor<F: Follower = Following> {
    follower: F,
    /// Everything up to here was taken.
    taken: Mark,
    /// What was handed out at the cursor's birth: events that are not stored are never taken from before it.
    born: Seq,
    /// Where its waker stands in each ring, while it sleeps.
    registrations: SmallVec<[Option<Registration>; 2]>,
}

/// Who holds the rings that a cursor reads. The rings of an open stream are held by its
/// [`Connection`](crate::connection::Connection), so that there is one list of them.
pub trait Follower {
    /// Where the rings belong.
    #[doc(hidden)]
    fn fanout(&self) -> &Fanout;
    /// One for each topic.
    #[doc(hidden)]
    fn rings(&self) -> &[Arc<Ring>];
}

/// A follower that is nothing else.
pub struct Following {
    fanout: Arc<Fanout>,
    rings: SmallVec<[Arc<Ring>; 2]>,
}

/// The rings no longer hold what comes next: read the journal after [`Cursor::position`], then [`Cursor::rejoin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

/// What a cursor took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// How many events; several may stand in one frame.
    pub events: u64,
    /// When the oldest of them was handed out, in milliseconds since 1970.
    pub oldest_ms: i64,
}

impl Took {
    fn add(&mut self, taken: &Taken) {
        self.oldest_ms = if self.events == 0 { taken.at_ms } else { self.oldest_ms };
        self.events += taken.events;
    }
}

impl Follower for Following {
    fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    fn rings(&self) -> &[Arc<Ring>] {
        &self.rings
    }
}

impl Cursor {
    /// A cursor that has seen everything that is visible now.
    pub fn at_head(fanout: Arc<Fanout>, topics: &[TopicName]) -> Self {
        let (rings, newest) = fanout.follow(topics);
        Self::new(Following { fanout, rings }, newest)
    }
}

impl<F: Follower> Cursor<F> {
    /// A cursor at `newest`, which is what was visible when `follower` began to follow. It ends that when it is dropped.
    pub(crate) fn new(follower: F, newest: Mark) -> Self {
        let registrations = follower.rings().iter().map(|_| None).collect();
        Self { follower, taken: newest, born: newest.seq, registrations }
    }

    pub(crate) fn follower(&self) -> &F {
        &self.follower
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
        self.taken = self.follower.fanout().newest();
    }

    /// Finds this cursor's position in the rings.
    pub fn rejoin(&mut self) -> Result<(), Behind> {
        let mut seq = Seq::default();
        for ring in self.follower.rings() {
            // The latest of them: whatever any ring holds after `position` was handed out after that.
            seq = seq.max(ring.locate(self.taken.position).map_err(|BelowFloor| Behind)?);
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
    ) -> Poll<Result<Took, Behind>> {
        loop {
            let visible = self.follower.fanout().visible();
            if visible.seq > self.taken.seq {
                match self.take(visible, out, max_bytes) {
                    Err(BelowFloor) => return Poll::Ready(Err(Behind)),
                    Ok(Took { events: 0, .. }) => {}
                    Ok(took) => return Poll::Ready(Ok(took)),
                }
            }
            for (ring, registration) in self.follower.rings().iter().zip(&mut self.registrations) {
                *registration = Some(ring.register(cx.waker(), *registration));
            }
            if self.follower.fanout().visible().seq == self.taken.seq {
                return Poll::Pending;
            }
        }
    }

    /// Whether a ring has several frames after the cursor, which make less than `bytes` together.
    pub(crate) fn is_filling(&self, bytes: u64) -> bool {
        // Of one thing that was handed out, no ring has several frames: mostly, none need be asked.
        let several = self.follower.fanout().visible().seq.0 > self.taken.seq.0 + 1;
        several && self.follower.rings().iter().any(|ring| ring.is_filling(self.taken.seq, bytes))
    }

    fn take(&mut self, visible: Mark, out: &mut Vec<Frame>, max_bytes: usize) -> Result<Took, BelowFloor> {
        let mut window = Window {
            after: self.taken.seq,
            until: visible.seq,
            ephemeral_after: self.born,
            now_ms: self.follower.fanout().now_ms(),
            max_bytes,
            joined: false,
        };
        let (mut last, mut took) = (None, Took::default());
        let rings = self.follower.rings().iter();
        let speaking: SmallVec<[&Arc<Ring>; 2]> = rings.filter(|ring| ring.newest() > window.after).collect();
        if let [ring] = speaking[..] {
            window.joined = true;
            let cut = ring.collect(window, |taken| {
                last = Some(taken.mark);
                took.add(&taken);
                out.push(taken.frame);
            })?;
            window.until = cut.unwrap_or(window.until);
        } else {
            let mut merged: SmallVec<[Taken; 4]> = SmallVec::new();
            for ring in speaking {
                // Where one ring is cut, the others are too: nothing after the cut may overtake what was left out.
                window.until = ring.collect(window, |taken| merged.push(taken))?.unwrap_or(window.until);
            }
            merged.retain(|taken| taken.mark.seq <= window.until);
            merged.sort_unstable_by_key(|taken| taken.mark.seq);
            merged.dedup_by_key(|taken| taken.mark.seq); // one frame may stand in several rings
            last = merged.last().map(|taken| taken.mark);
            merged.iter().for_each(|taken| took.add(taken));
            out.extend(merged.into_iter().map(|taken| taken.frame));
        }
        self.taken = match last {
            Some(last) if window.until < visible.seq => last,
            // Loaded first, the visible position may be older than what was just taken.
            Some(last) => Mark { seq: visible.seq, position: visible.position.max(last.position) },
            None => visible,
        };
        Ok(took)
    }
}

impl<F: Follower> Drop for Cursor<F> {
    fn drop(&mut self) {
        for (ring, registration) in self.follower.rings().iter().zip(&self.registrations) {
            if let Some(registration) = registration {
                ring.deregister(*registration);
            }
        }
        self.follower.fanout().unfollow(self.follower.rings());
    }
}
