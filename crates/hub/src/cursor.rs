//! A cursor: the place of a reader in the log, and the topics that it reads.
//!
//! The cursor advances when frames are taken. If the connection breaks before the client has
//! received them, nothing is lost: the client reconnects with the last id that it saw.

use std::sync::Arc;
use std::task::{Context, Poll};

use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

use crate::fanout::Fanout;
use crate::ring::{BelowFloor, CollectedFrame, Mark, Registration, Ring, Seq, Window};

/// The place of a reader in the log, for the topics that it reads.
pub struct Cursor<S: Source = OwnRings> {
    source: S,
    /// Everything up to here was taken.
    taken: Mark,
    /// The newest place when the cursor was made. Ephemeral events up to there are never taken.
    created_at: Seq,
    /// Where its waker is registered in each ring.
    registrations: SmallVec<[Option<Registration>; 2]>,
}

/// What a cursor reads. An open stream has its list of rings in its
/// [`Connection`](crate::connection::Connection), so the cursor does not need a list of its own.
pub trait Source {
    /// Returns the fan-out to which the rings belong.
    #[doc(hidden)]
    fn fanout(&self) -> &Fanout;
    /// Returns the rings, one for each topic.
    #[doc(hidden)]
    fn rings(&self) -> &[Arc<Ring>];
}

/// A source with a list of rings of its own.
pub struct OwnRings {
    fanout: Arc<Fanout>,
    rings: SmallVec<[Arc<Ring>; 2]>,
}

/// The error of a cursor whose next event is no longer in the rings. The reader has to read the
/// journal after [`Cursor::position`], and then call [`Cursor::seek`] or [`Cursor::rejoin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

/// What [`Cursor::poll_take`] took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenEvents {
    /// The number of events. One frame may hold several.
    pub events: u64,
    /// When the oldest of them was delivered, in milliseconds since 1970.
    pub oldest_ms: i64,
}

impl TakenEvents {
    fn add(&mut self, taken: &CollectedFrame) {
        self.oldest_ms = if self.events == 0 {
            taken.at_ms
        } else {
            self.oldest_ms
        };
        self.events += taken.events;
    }
}

impl Source for OwnRings {
    fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    fn rings(&self) -> &[Arc<Ring>] {
        &self.rings
    }
}

impl Cursor {
    /// Creates a cursor at the newest place: everything that is visible counts as taken.
    pub fn at_head(fanout: Arc<Fanout>, topics: &[TopicName]) -> Self {
        let (rings, newest) = fanout.follow(topics);
        Self::new(OwnRings { fanout, rings }, newest)
    }
}

impl<S: Source> Cursor<S> {
    /// Creates a cursor at `newest`, which is what was visible when the topics of `source` were
    /// followed. The cursor unfollows them when it is dropped.
    pub(crate) fn new(source: S, newest: Mark) -> Self {
        let registrations = source.rings().iter().map(|_| None).collect();
        Self {
            source,
            taken: newest,
            created_at: newest.seq,
            registrations,
        }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Returns the position up to which everything stored was taken.
    pub fn position(&self) -> Position {
        self.taken.position
    }

    /// Returns the place in the order of delivery up to which everything was taken.
    pub(crate) fn seq(&self) -> Seq {
        self.taken.seq
    }

    /// Moves to `position`, forwards or backwards: everything up to it counts as taken.
    pub fn seek(&mut self, position: Position) -> Result<(), Behind> {
        self.taken.position = position;
        self.rejoin()
    }

    /// Moves to the newest place: everything that is visible counts as taken.
    pub fn skip_to_head(&mut self) {
        self.taken = self.source.fanout().newest();
    }

    /// Finds the cursor's position in the rings.
    pub fn rejoin(&mut self) -> Result<(), Behind> {
        let mut seq = Seq::default();
        for ring in self.source.rings() {
            // The highest place counts: what any ring holds after `position` was delivered after
            // it.
            seq = seq.max(
                ring.locate(self.taken.position)
                    .map_err(|BelowFloor| Behind)?,
            );
        }
        self.taken.seq = seq;
        Ok(())
    }

    /// Adds the frames after the cursor to `out`, in order, up to about `max_bytes`, and advances.
    /// Pending if there are none; the task is woken when one comes.
    pub fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<Frame>,
        max_bytes: usize,
    ) -> Poll<Result<TakenEvents, Behind>> {
        loop {
            let visible = self.source.fanout().visible();
            if visible.seq > self.taken.seq {
                match self.take(visible, out, max_bytes) {
                    Err(BelowFloor) => return Poll::Ready(Err(Behind)),
                    Ok(TakenEvents { events: 0, .. }) => {}
                    Ok(took) => return Poll::Ready(Ok(took)),
                }
            }
            for (ring, registration) in self.source.rings().iter().zip(&mut self.registrations) {
                *registration = Some(ring.register(cx.waker(), *registration));
            }
            if self.source.fanout().visible().seq == self.taken.seq {
                return Poll::Pending;
            }
        }
    }

    /// Returns whether a ring has at least two frames after the cursor, and all of them together
    /// have less than `bytes`.
    pub(crate) fn is_filling(&self, bytes: u64) -> bool {
        // If only one frame was delivered, no ring has two, so usually no ring is asked.
        let several = self.source.fanout().visible().seq.0 > self.taken.seq.0 + 1;
        several
            && self
                .source
                .rings()
                .iter()
                .any(|ring| ring.is_filling(self.taken.seq, bytes))
    }

    fn take(
        &mut self,
        visible: Mark,
        out: &mut Vec<Frame>,
        max_bytes: usize,
    ) -> Result<TakenEvents, BelowFloor> {
        let mut window = Window {
            after: self.taken.seq,
            until: visible.seq,
            ephemeral_after: self.created_at,
            now_ms: self.source.fanout().now_ms(),
            max_bytes,
            joined: false,
        };
        let (mut last, mut took) = (None, TakenEvents::default());
        let rings = self.source.rings().iter();
        let with_frames: SmallVec<[&Arc<Ring>; 2]> =
            rings.filter(|ring| ring.newest() > window.after).collect();
        if let [ring] = with_frames[..] {
            window.joined = true;
            let cut = ring.collect(window, |taken| {
                last = Some(taken.mark);
                took.add(&taken);
                out.push(taken.frame);
            })?;
            window.until = cut.unwrap_or(window.until);
        } else {
            let mut merged: SmallVec<[CollectedFrame; 4]> = SmallVec::new();
            for ring in with_frames {
                // Where one ring is cut off, the others are cut off too, because nothing after that
                // place may overtake what was left out.
                window.until = ring
                    .collect(window, |taken| merged.push(taken))?
                    .unwrap_or(window.until);
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
            // `visible.position` was loaded before `visible.seq`, so it may be lower than the
            // position of the last frame that was taken.
            Some(last) => Mark {
                seq: visible.seq,
                position: visible.position.max(last.position),
            },
            None => visible,
        };
        Ok(took)
    }
}

impl<S: Source> Drop for Cursor<S> {
    fn drop(&mut self) {
        for (ring, registration) in self.source.rings().iter().zip(&self.registrations) {
            if let Some(registration) = registration {
                ring.deregister(*registration);
            }
        }
        self.source.fanout().unfollow(self.source.rings());
    }
}
