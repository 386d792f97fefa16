//! How much a replica keeps.

use std::time::Duration;

use crate::{Bounds, Rule};

/// How much is kept. What is over it goes, oldest first.
///
/// The newest record of each key is exempt: a service that last reported a month ago still has a status. How many of those
/// there may be, [`Retention::bounds`] says: an append that finds no room is refused, and nothing goes for it.
#[derive(Clone, Debug)]
pub struct Retention {
    /// For single topics, beside what holds for all together. A record is governed by its first topic, the one it was published
    /// to, and counts there alone.
    pub rules: Vec<Rule>,
    /// Entries without a key.
    pub max_events: usize,
    /// Their [`Record::weight`](crate::Record::weight), in bytes.
    pub max_bytes: usize,
    /// Their age, where no rule matches.
    pub max_age: Duration,
    /// Entries with a key.
    pub bounds: Bounds,
    /// Topics that hold something: each takes memory. Over it, those whose newest entry is oldest go whole. Topics whose name
    /// begins with `_` or `system/` count, and stay, and so does a topic as long as an entry with a key stands in it.
    pub max_topics: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            max_events: 100_000,
            max_bytes: 256 << 20,
            max_age: Duration::from_hours(24),
            bounds: Bounds::default(),
            max_topics: 200_000,
        }
    }
}

/// In milliseconds.
pub(super) fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
