//! Fan-out: puts each event into the rings of its topics, and wakes the readers that wait there.
//!
//! This is the protocol, which `tests/concurrency.rs` checks under very many schedules:
//!
//! - [`Fanout::deliver`] puts a batch into *all* of its rings, then stores `visible`, and then
//!   wakes the readers.
//! - A reader ([`Cursor`](crate::cursor::Cursor)) loads `visible` *first*, and takes from each of
//!   its rings only what is not above it. If there is nothing to take, it registers its waker in
//!   all of its rings, loads `visible` again, and sleeps only if that has not changed. Otherwise a
//!   reader that scans its first ring, and then finds event 6 in the second one after event 5 has
//!   entered the first, would skip 5 for ever.
//! - A ring is created and removed under the lock under which batches are delivered, so that no
//!   event falls between the creation of a ring and its floor.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

use crate::ring::{Limits, Mark, Ring, Seq, Slot};
use crate::sync::{AtomicI64, AtomicU64, Mutex, Ordering};
use crate::table;

/// An event that is delivered.
pub trait Delivery {
    /// Returns the topics that show the event.
    fn topics(&self) -> &[TopicName];
    /// Returns the event's position in the log; `None` if it is not stored.
    fn position(&self) -> Option<Position>;
    /// Encodes the event. Called once, and only if one of the topics is followed.
    fn encode(&self) -> Option<Frame>;
}

/// The rings of all topics that are followed.
pub struct Fanout {
    /// Everything up to here is in its rings. Stored before `visible_position` and loaded after it,
    /// so that a reader's position never covers more than its seq has shown.
    visible_seq: AtomicU64,
    visible_position: AtomicU64,
    /// The time of the last delivery or tick, in milliseconds since 1970. It is precise enough for
    /// ages, and saves each reader a system call.
    now_ms: AtomicI64,
    limits: Limits,
    rings: Mutex<Rings>,
}

struct Rings {
    /// The rings, hashed by topic. The ring holds its topic, so the table needs no keys.
    by_topic: HashTable<Followed>,
    hasher: RandomState,
    /// The newest place that was delivered.
    newest: Mark,
}

struct Followed {
    ring: Arc<Ring>,
    /// How many cursors follow the topic. The ring is removed when the last of them leaves. A
    /// reader that comes back reads the journal.
    followers: usize,
}

impl Fanout {
    /// Creates a fan-out without rings, in which everything up to `position` counts as delivered.
    pub fn new(position: Position, limits: Limits) -> Self {
        let newest = Mark {
            seq: Seq::default(),
            position,
        };
        Self {
            visible_seq: AtomicU64::new(0),
            visible_position: AtomicU64::new(position.get()),
            now_ms: AtomicI64::new(0),
            limits,
            rings: Mutex::new(Rings {
                by_topic: HashTable::new(),
                hasher: RandomState::new(),
                newest,
            }),
        }
    }

    /// Delivers `batch`. Stored events must come in the order of the log, each exactly once.
    pub fn deliver(&self, batch: impl IntoIterator<Item = impl Delivery>, now_ms: i64) {
        let mut touched: Vec<Arc<Ring>> = Vec::new();
        {
            let mut rings = self.rings.lock();
            for delivery in batch {
                rings.hand_out(&delivery, now_ms, &self.limits, &mut touched);
            }
            self.now_ms.store(now_ms, Ordering::Relaxed);
            self.visible_seq
                .store(rings.newest.seq.0, Ordering::Release);
            self.visible_position
                .store(rings.newest.position.get(), Ordering::Release);
        }
        let mut waiting = Vec::new();
        for ring in &touched {
            ring.take_waiting(&mut waiting);
        }
        for waker in waiting {
            waker.wake();
        }
    }

    /// Returns the place up to which readers may see everything.
    pub(crate) fn visible(&self) -> Mark {
        let position = Position::new(self.visible_position.load(Ordering::Acquire));
        Mark {
            seq: Seq(self.visible_seq.load(Ordering::Acquire)),
            position,
        }
    }

    /// Returns the newest place that was delivered, with both numbers of the same moment. Takes the
    /// lock, unlike [`Fanout::visible`].
    pub(crate) fn newest(&self) -> Mark {
        self.rings.lock().newest
    }

    /// Returns the newest stored event that readers may see.
    pub fn visible_position(&self) -> Position {
        Position::new(self.visible_position.load(Ordering::Acquire))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Evicts what is too old from all rings, including those to which nothing is delivered.
    pub fn tick(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
        let rings: Vec<_> = self
            .rings
            .lock()
            .by_topic
            .iter()
            .map(|followed| followed.ring.clone())
            .collect();
        for ring in rings {
            ring.expire(&self.limits, now_ms);
        }
    }

    /// Follows `topics`. Returns their rings, and what was visible at that moment. Each ring is
    /// kept until [`Fanout::unfollow`].
    pub(crate) fn follow(&self, topics: &[TopicName]) -> (SmallVec<[Arc<Ring>; 2]>, Mark) {
        let mut rings = self.rings.lock();
        let newest = rings.newest;
        (
            topics.iter().map(|topic| rings.follow(topic)).collect(),
            newest,
        )
    }

    /// Ends a [`Fanout::follow`].
    pub(crate) fn unfollow(&self, followed: &[Arc<Ring>]) {
        let mut rings = self.rings.lock();
        for ring in followed {
            rings.unfollow(ring.topic());
        }
    }

    /// Drops, from the ring of each topic in `floors`, everything at or below the topic's floor. A
    /// reader that has not taken the dropped events is then behind, and learns from the journal
    /// that they are gone.
    pub(crate) fn forget(&self, floors: &[(TopicName, Position)]) {
        for (topic, floor) in floors {
            let ring = self
                .rings
                .lock()
                .get(topic)
                .map(|followed| followed.ring.clone());
            if let Some(ring) = ring {
                ring.forget(*floor);
            }
        }
    }

    /// Drops everything at or below `floor` from all rings. A reader that has not taken it reads
    /// the journal. Events that were not delivered yet are not affected: they are not visible yet,
    /// so a reader would not find them in the journal.
    pub(crate) fn forget_all(&self, floor: Position) {
        let (rings, floor): (Vec<_>, _) = {
            let rings = self.rings.lock();
            (
                rings
                    .by_topic
                    .iter()
                    .map(|followed| followed.ring.clone())
                    .collect(),
                floor.min(rings.newest.position),
            )
        };
        for ring in rings {
            ring.forget(floor);
        }
    }

    /// Returns how many cursors follow each of `topics`.
    pub(crate) fn followers<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a TopicName>,
    ) -> Vec<usize> {
        let rings = self.rings.lock();
        topics
            .into_iter()
            .map(|topic| rings.get(topic).map_or(0, |followed| followed.followers))
            .collect()
    }

    /// Returns how many topics have followers.
    pub fn followed_topics(&self) -> usize {
        self.rings.lock().by_topic.len()
    }
}

impl Rings {
    fn follow(&mut self, topic: &TopicName) -> Arc<Ring> {
        let Self {
            by_topic,
            hasher,
            newest,
        } = self;
        let same = |followed: &Followed| followed.ring.topic() == topic;
        match by_topic.entry(hasher.hash_one(topic), same, |followed| {
            hasher.hash_one(followed.ring.topic())
        }) {
            Entry::Occupied(mut followed) => {
                followed.get_mut().followers += 1;
                followed.get().ring.clone()
            }
            Entry::Vacant(place) => {
                let ring = Arc::new(Ring::new(topic.clone(), *newest));
                place.insert(Followed {
                    ring: ring.clone(),
                    followers: 1,
                });
                ring
            }
        }
    }

    fn unfollow(&mut self, topic: &TopicName) {
        let found = self
            .by_topic
            .find_entry(self.hasher.hash_one(topic), |followed| {
                followed.ring.topic() == topic
            });
        if let Ok(mut followed) = found {
            followed.get_mut().followers -= 1;
            if followed.get().followers == 0 {
                followed.remove();
                if let Some(capacity) =
                    table::shrunk_capacity(self.by_topic.len(), self.by_topic.capacity())
                {
                    self.by_topic.shrink_to(capacity, |followed| {
                        self.hasher.hash_one(followed.ring.topic())
                    });
                }
            }
        }
    }

    fn get(&self, topic: &TopicName) -> Option<&Followed> {
        self.by_topic.find(self.hasher.hash_one(topic), |followed| {
            followed.ring.topic() == topic
        })
    }

    fn hand_out(
        &mut self,
        delivery: &impl Delivery,
        now_ms: i64,
        limits: &Limits,
        touched: &mut Vec<Arc<Ring>>,
    ) {
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
            followed.ring.push(
                Slot {
                    mark: self.newest,
                    stored,
                    at_ms: now_ms,
                    frame,
                },
                limits,
            );
            // The ring is listed even if no reader waits there now, because one may be between its
            // last check and its sleep.
            if !touched
                .iter()
                .rev()
                .take(8)
                .any(|ring| Arc::ptr_eq(ring, &followed.ring))
            {
                touched.push(followed.ring.clone());
            }
        }
    }
}
