//! From one to many: puts each event into the rings of its topics and wakes who sleeps there.
//!
//! The protocol, which `tests/concurrency.rs` checks under every schedule it can find:
//!
//! - [`Fanout::deliver`] puts a batch into *all* its rings, only then stores `visible`, only then wakes.
//! - A reader ([`Cursor`](crate::cursor::Cursor)) loads `visible` *first*, takes from each of its rings only what is at
//!   or below it, and with nothing to take registers its waker in all its rings, loads `visible` again, and sleeps only
//!   if it did not move. Without this, a reader of two rings that scans the first, then sees event 6 in the second after
//!   event 5 entered the first, would skip 5 for ever.
//! - A ring is born and buried under the same lock that a batch is delivered under, so that no event falls between a
//!   ring's birth and its floor.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

use crate::ring::{Limits, Mark, Ring, Seq, Slot};
use crate::slack;
use crate::sync::{AtomicI64, AtomicU64, Mutex, Ordering};

/// Something to hand out.
pub trait Delivery {
    /// The topics it stands in.
    fn topics(&self) -> &[TopicName];
    /// Its place in the log; `None` if it is not stored.
    fn position(&self) -> Option<Position>;
    /// Its bytes. Asked for once, and only if somebody follows one of the topics.
    fn encode(&self) -> Option<Frame>;
}

/// The rings of all topics that somebody follows.
pub struct Fanout {
    /// Everything up to here stands in its rings. Stored before `visible_position`, loaded after it, so that a reader's
    /// position never claims more than its seq has shown.
    visible_seq: AtomicU64,
    visible_position: AtomicU64,
    /// The time of the last delivery or tick: precise enough for ages, and no system call per reader.
    now_ms: AtomicI64,
    limits: Limits,
    rings: Mutex<Rings>,
}

struct Rings {
    /// Each knows its topic.
    by_topic: HashTable<Followed>,
    hasher: RandomState,
    /// The newest thing handed out.
    newest: Mark,
}

struct Followed {
    ring: Arc<Ring>,
    /// Cursors. The last one that leaves takes the ring with it; who comes back reads the journal.
    followers: usize,
}

impl Fanout {
    /// No rings yet, everything up to `position` delivered.
    pub fn new(position: Position, limits: Limits) -> Self {
        let newest = Mark { seq: Seq::default(), position };
        Self {
            visible_seq: AtomicU64::new(0),
            visible_position: AtomicU64::new(position.get()),
            now_ms: AtomicI64::new(0),
            limits,
            rings: Mutex::new(Rings { by_topic: HashTable::new(), hasher: RandomState::new(), newest }),
        }
    }

    /// Hands out `batch`. Stored events must come in the order of the log, each once.
    pub fn deliver(&self, batch: impl IntoIterator<Item = impl Delivery>, now_ms: i64) {
        let mut touched: Vec<Arc<Ring>> = Vec::new();
        {
            let mut rings = self.rings.lock();
            for delivery in batch {
                rings.hand_out(&delivery, now_ms, &self.limits, &mut touched);
            }
            self.now_ms.store(now_ms, Ordering::Relaxed);
            self.visible_seq.store(rings.newest.seq.0, Ordering::Release);
            self.visible_position.store(rings.newest.position.get(), Ordering::Release);
        }
        let mut waiting = Vec::new();
        for ring in &touched {
            ring.take_waiting(&mut waiting);
        }
        for waker in waiting {
            waker.wake();
        }
    }

    /// Everything that readers may see.
    pub(crate) fn visible(&self) -> Mark {
        let position = Position::new(self.visible_position.load(Ordering::Acquire));
        Mark { seq: Seq(self.visible_seq.load(Ordering::Acquire)), position }
    }

    /// The same, with both counts of the same moment; for the few who must not be a moment behind.
    pub(crate) fn newest(&self) -> Mark {
        self.rings.lock().newest
    }

    /// The newest stored event that readers may see.
    pub fn visible_position(&self) -> Position {
        Position::new(self.visible_position.load(Ordering::Acquire))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Tells the time to rings that nothing was delivered to, so that age empties them.
    pub fn tick(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
        let rings: Vec<_> = self.rings.lock().by_topic.iter().map(|followed| followed.ring.clone()).collect();
        for ring in rings {
            ring.expire(&self.limits, now_ms);
        }
    }

    /// The rings of `topics`, and what was visible at that moment. Each is kept until [`Fanout::unfollow`].
    pub(crate) fn follow(&self, topics: &[TopicName]) -> (SmallVec<[Arc<Ring>; 2]>, Mark) {
        let mut rings = self.rings.lock();
        let newest = rings.newest;
        (topics.iter().map(|topic| rings.follow(topic)).collect(), newest)
    }

    /// Ends what [`Fanout::follow`] began.
    pub(crate) fn unfollow(&self, followed: &[Arc<Ring>]) {
        let mut rings = self.rings.lock();
        for ring in followed {
            rings.unfollow(ring.topic());
        }
    }

    /// Has the rings of `floors` let go of what stands at or below them. Readers that have not taken it are behind, and the
    /// journal tells them that it is gone.
    pub(crate) fn forget(&self, floors: &[(TopicName, Position)]) {
        for (topic, floor) in floors {
            let ring = self.rings.lock().get(topic).map(|followed| followed.ring.clone());
            if let Some(ring) = ring {
                ring.forget(*floor);
            }
        }
    }

    /// Has every ring let go of what stands at or below `floor`: who has not taken it reads the journal. What was not handed out by
    /// now stays, as who is sent to the journal for that would find nothing there yet.
    pub(crate) fn forget_all(&self, floor: Position) {
        let (rings, floor): (Vec<_>, _) = {
            let rings = self.rings.lock();
            (rings.by_topic.iter().map(|followed| followed.ring.clone()).collect(), floor.min(rings.newest.position))
        };
        for ring in rings {
            ring.forget(floor);
        }
    }

    /// How many cursors follow each of `topics`.
    pub(crate) fn followers<'a>(&self, topics: impl IntoIterator<Item = &'a TopicName>) -> Vec<usize> {
        let rings = self.rings.lock();
        topics.into_iter().map(|topic| rings.get(topic).map_or(0, |followed| followed.followers)).collect()
    }

    /// How many topics have followers.
    pub fn followed_topics(&self) -> usize {
        self.rings.lock().by_topic.len()
    }
}

impl Rings {
    fn follow(&mut self, topic: &TopicName) -> Arc<Ring> {
        let Self { by_topic, hasher, newest } = self;
        let same = |followed: &Followed| followed.ring.topic() == topic;
        match by_topic.entry(hasher.hash_one(topic), same, |followed| hasher.hash_one(followed.ring.topic())) {
            Entry::Occupied(mut followed) => {
                followed.get_mut().followers += 1;
                followed.get().ring.clone()
            }
            Entry::Vacant(place) => {
                let ring = Arc::new(Ring::new(topic.clone(), *newest));
                place.insert(Followed { ring: ring.clone(), followers: 1 });
                ring
            }
        }
    }

    fn unfollow(&mut self, topic: &TopicName) {
        let found = self.by_topic.find_entry(self.hasher.hash_one(topic), |followed| followed.ring.topic() == topic);
        if let Ok(mut followed) = found {
            followed.get_mut().followers -= 1;
            if followed.get().followers == 0 {
                followed.remove();
                if let Some(room) = slack::excess(self.by_topic.len(), self.by_topic.capacity()) {
                    self.by_topic.shrink_to(room, |followed| self.hasher.hash_one(followed.ring.topic()));
                }
            }
        }
    }

    fn get(&self, topic: &TopicName) -> Option<&Followed> {
        self.by_topic.find(self.hasher.hash_one(topic), |followed| followed.ring.topic() == topic)
    }

    fn hand_out(&mut self, delivery: &impl Delivery, now_ms: i64, limits: &Limits, touched: &mut Vec<Arc<Ring>>) {
        self.newest.seq.0 += 1;
        if let Some(position) = delivery.position() {
            self.newest.position = position;
        }
        let mut frame = None;
        for topic in delivery.topics() {
            let Some(followed) = self.get(topic) else {
                continue;
            };
            if frame.is_none() {
                frame = delivery.encode();
            }
            let Some(frame) = frame.clone() else { return };
            let stored = delivery.position().is_some();
            followed.ring.push(Slot { mark: self.newest, stored, at_ms: now_ms, frame }, limits);
            // Always, even if nobody waits there now: a reader may be between its last look and its sleep.
            if !touched.iter().rev().take(8).any(|ring| Arc::ptr_eq(ring, &followed.ring)) {
                touched.push(followed.ring.clone());
            }
        }
    }
}
