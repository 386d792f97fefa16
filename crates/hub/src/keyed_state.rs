//! Keyed state in the log: a topic of the server's own that keeps one value for each key, some of them for a while.
//!
//! The log decides what a key's value is: it is appended with its key, on a [`Condition`] where two might do it at once, and
//! is ended by a record that ends the key. The [`KeyedState`] is the copy that calls look at, a [`Fold`] over that one topic. So
//! a ticket is made (the key is absent), used for the first time (the key's value still stands where it was read: compare and
//! set), and ended, and of several who try, one succeeds, whichever server they ask.
//!
//! What is kept for a while says until when, by the log's clock ([`LogClock`](tidings_journal::LogClock)): its maker adds what it
//! lives to [`Hub::log_ms`](crate::Hub::log_ms) and writes that down with it, so that every reader has the same end. From then on it is not
//! found. It holds its place in the log until somebody ends its key: the hub does ([`Fold::expired`]), on the condition that it
//! is still there, so of several servers one.
//!
//! How many keys there may be is a bound of the log's ([`Bounds`](tidings_journal::Bounds)), a pool for each topic, so the copy is
//! bounded too. A value that finds no room is refused (`Full`), and pushes out no other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use tidings_journal::{Condition, Entry, Position, Record, TopicName};

use crate::fold::{Expired, Fold};

/// The values of one topic's keys.
pub struct KeyedState<V> {
    topic: [TopicName; 1],
    read: fn(&Record) -> Option<Value<V>>,
    live: RwLock<Live<V>>,
}

/// What a record says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<V> {
    /// What is kept.
    pub value: V,
    /// From when on it is not, in milliseconds by the log's clock; `None` if it is kept until it is ended.
    pub ends_at_ms: Option<i64>,
}

/// A key's value in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<V> {
    /// What is kept.
    pub value: V,
    /// Where its record stands.
    pub position: Position,
    /// See [`Value::ends_at_ms`].
    pub ends_at_ms: Option<i64>,
}

struct Live<V> {
    by_key: HashMap<Arc<str>, Held<V>>,
    /// Those that end, in the order of their ends.
    ends: BTreeSet<(i64, Arc<str>)>,
}

impl<V> KeyedState<V> {
    /// The state of `topic`. `read` finds the value in a record; `None` if it has none that is known, as of a newer version.
    pub fn new(topic: TopicName, read: fn(&Record) -> Option<Value<V>>) -> Self {
        Self { topic: [topic], read, live: RwLock::new(Live { by_key: HashMap::new(), ends: BTreeSet::new() }) }
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        let [topic] = &self.topic;
        topic
    }

    /// How many keys have a value, ended by the clock or not: what is held of the pool.
    pub fn len(&self) -> usize {
        self.live.read().by_key.len()
    }

    /// Whether no key has one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That the topic has no value for `key`, whoever else is at it: what a value is made on. One that has ended by the clock
    /// alone is in its way.
    pub fn absent(&self, key: impl Into<Arc<str>>) -> Condition {
        Condition::Absent(self.topic().clone(), key.into())
    }

    /// That the value for `key` is still the one that stands at `position`: what it is changed or ended on.
    pub fn current(&self, key: impl Into<Arc<str>>, position: Position) -> Condition {
        Condition::Current(self.topic().clone(), key.into(), position)
    }
}

impl<V: Clone> KeyedState<V> {
    /// The value for `key`, unless it has ended by `now_ms`, the log's time.
    pub fn get(&self, key: &str, now_ms: i64) -> Option<Held<V>> {
        self.live.read().by_key.get(key).filter(|held| !held.has_ended(now_ms)).cloned()
    }

    /// All keys whose value has not ended by `now_ms`, in no order. Nothing is applied while it collects them: only for what is
    /// seldom asked.
    pub fn all(&self, now_ms: i64) -> Vec<(Arc<str>, Held<V>)> {
        let live = self.live.read();
        let held = live.by_key.iter().filter(|(_, held)| !held.has_ended(now_ms));
        held.map(|(key, held)| (key.clone(), held.clone())).collect()
    }
}

impl<V> Held<V> {
    fn has_ended(&self, now_ms: i64) -> bool {
        self.ends_at_ms.is_some_and(|end| end <= now_ms)
    }
}

impl<V> Live<V> {
    fn remove(&mut self, key: &Arc<str>) {
        if let Some(end) = self.by_key.remove(key).and_then(|held| held.ends_at_ms) {
            self.ends.remove(&(end, key.clone()));
        }
    }

    fn apply(&mut self, entry: &Entry, read: fn(&Record) -> Option<Value<V>>) {
        let Some(key) = &entry.record.key else { return };
        self.remove(key);
        if entry.record.ends_key {
            return;
        }
        let Some(Value { value, ends_at_ms }) = read(&entry.record) else {
            tracing::warn!(id = %entry.id, "a key's value in a topic of the server's own is none; it counts as none");
            return;
        };
        if let Some(end) = ends_at_ms {
            self.ends.insert((end, key.clone()));
        }
        self.by_key.insert(key.clone(), Held { value, position: entry.id.position, ends_at_ms });
    }
}

impl<V: Send + Sync + 'static> Fold for KeyedState<V> {
    fn topics(&self) -> &[TopicName] {
        &self.topic
    }

    fn begin(&self, _: u64, keyed: &[Arc<Entry>]) {
        let mut begun = Live { by_key: HashMap::with_capacity(keyed.len()), ends: BTreeSet::new() };
        for entry in keyed {
            begun.apply(entry, self.read);
        }
        *self.live.write() = begun;
    }

    fn apply(&self, entry: &Arc<Entry>) {
        self.live.write().apply(entry, self.read);
    }

    fn expired(&self, now_ms: i64, most: usize) -> Vec<Expired> {
        let live = self.live.read();
        let ended = live.ends.iter().take_while(|(end, _)| *end <= now_ms).take(most);
        let expired = |(_, key): &(i64, Arc<str>)| {
            let position = live.by_key.get(key)?.position;
            Some(Expired { topic: self.topic().clone(), key: key.clone(), position })
        };
        ended.filter_map(expired).collect()
    }
}
