//! Keyed state in the log: one of the server's own topics that keeps one value for each key, and
//! may let values expire.
//!
//! The log decides which value a key has. A value is appended with its key, under a [`Condition`]
//! if two callers might do it at the same time. It is ended by a record that ends the key.
//! [`KeyedState`] is the copy in memory from which calls are answered: a [`Fold`] of that one
//! topic. A ticket, for example, is created if its key is absent, used if its value still stands
//! where it was read (compare and set), and ended; if several callers try, exactly one succeeds,
//! even if they ask different servers.
//!
//! A value may contain the log time ([`LogClock`](tidings_journal::LogClock)) at which it expires:
//! its publisher adds the lifetime to [`Hub::log_ms`](crate::Hub::log_ms) and writes the sum into
//! the value, so that all readers agree. An expired value is not found. It takes up space in the
//! log until its key is ended. The hub does that ([`Fold::expired`]) on the condition that the
//! value is still there, so that only one of several servers succeeds.
//!
//! The log limits the number of keys of each topic ([`Bounds`](tidings_journal::Bounds)), so the
//! copy is limited too. A value for which there is no capacity is refused (`Full`), and replaces no
//! other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use tidings_journal::{Condition, Entry, Position, Record, TopicName};

use crate::fold::{Expired, Fold};

/// The values of all keys of one topic.
pub struct KeyedState<V> {
    topic: [TopicName; 1],
    read: fn(&Record) -> Option<Value<V>>,
    live: RwLock<Live<V>>,
}

/// The value that a record gives to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<V> {
    /// The value.
    pub value: V,
    /// When the value expires, in milliseconds by log time; `None` if it is kept until its key is
    /// ended.
    pub expires_at_ms: Option<i64>,
}

/// A value and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue<V> {
    /// The value.
    pub value: V,
    /// The position of its record.
    pub position: Position,
    /// When the value expires, see [`Value::expires_at_ms`].
    pub expires_at_ms: Option<i64>,
}

struct Live<V> {
    by_key: HashMap<Arc<str>, StoredValue<V>>,
    /// The values that expire, in the order of expiry.
    expiries: BTreeSet<(i64, Arc<str>)>,
}

impl<V> KeyedState<V> {
    /// Creates the state of `topic`. `read` parses the value in a record. It returns `None` if it
    /// can't, for example because a newer version wrote the record.
    pub fn new(topic: TopicName, read: fn(&Record) -> Option<Value<V>>) -> Self {
        Self {
            topic: [topic],
            read,
            live: RwLock::new(Live {
                by_key: HashMap::new(),
                expiries: BTreeSet::new(),
            }),
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &TopicName {
        let [topic] = &self.topic;
        topic
    }

    /// Returns how many keys have a value, expired or not. This number counts against the log's
    /// limit.
    pub fn len(&self) -> usize {
        self.live.read().by_key.len()
    }

    /// Returns whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the condition that the topic has no value for `key`, under which a value is created.
    /// An expired value whose key was not ended yet still counts.
    pub fn absent(&self, key: impl Into<Arc<str>>) -> Condition {
        Condition::Absent(self.topic().clone(), key.into())
    }

    /// Returns the condition that the value for `key` is still the one at `position`, under which
    /// it is changed or ended.
    pub fn current(&self, key: impl Into<Arc<str>>, position: Position) -> Condition {
        Condition::Current(self.topic().clone(), key.into(), position)
    }
}

impl<V: Clone> KeyedState<V> {
    /// Returns the value for `key`, unless it has expired by `now_ms`, in log time.
    pub fn get(&self, key: &str, now_ms: i64) -> Option<StoredValue<V>> {
        self.live
            .read()
            .by_key
            .get(key)
            .filter(|value| !value.has_expired(now_ms))
            .cloned()
    }

    /// Returns all keys whose value has not expired by `now_ms`, in log time, in no particular
    /// order. Only for rare calls, because no entry is applied meanwhile.
    pub fn all(&self, now_ms: i64) -> Vec<(Arc<str>, StoredValue<V>)> {
        let live = self.live.read();
        let values = live
            .by_key
            .iter()
            .filter(|(_, value)| !value.has_expired(now_ms));
        values
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

impl<V> StoredValue<V> {
    fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|end| end <= now_ms)
    }
}

impl<V> Live<V> {
    fn remove(&mut self, key: &Arc<str>) {
        if let Some(end) = self
            .by_key
            .remove(key)
            .and_then(|value| value.expires_at_ms)
        {
            self.expiries.remove(&(end, key.clone()));
        }
    }

    fn apply(&mut self, entry: &Entry, read: fn(&Record) -> Option<Value<V>>) {
        let Some(key) = &entry.record.key else { return };
        self.remove(key);
        if entry.record.ends_key {
            return;
        }
        let Some(Value {
            value,
            expires_at_ms,
        }) = read(&entry.record)
        else {
            tracing::warn!(id = %entry.id, "one of the server's own records holds no value that \
                                            this version knows; its key counts as absent");
            return;
        };
        if let Some(end) = expires_at_ms {
            self.expiries.insert((end, key.clone()));
        }
        self.by_key.insert(
            key.clone(),
            StoredValue {
                value,
                position: entry.id.position,
                expires_at_ms,
            },
        );
    }
}

impl<V: Send + Sync + 'static> Fold for KeyedState<V> {
    fn topics(&self) -> &[TopicName] {
        &self.topic
    }

    fn begin(&self, _: u64, keyed: &[Arc<Entry>]) {
        let mut begun = Live {
            by_key: HashMap::with_capacity(keyed.len()),
            expiries: BTreeSet::new(),
        };
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
        let keys = live
            .expiries
            .iter()
            .take_while(|(expires_at_ms, _)| *expires_at_ms <= now_ms)
            .take(most);
        let expired = |(_, key): &(i64, Arc<str>)| {
            let position = live.by_key.get(key)?.position;
            Some(Expired {
                topic: self.topic().clone(),
                key: key.clone(),
                position,
            })
        };
        keys.filter_map(expired).collect()
    }
}
