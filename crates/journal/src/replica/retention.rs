//! How much a replica keeps.

use std::time::Duration;

use crate::{Bounds, Rule};

/// How much a replica keeps. Entries above a limit are trimmed, oldest first.
///
/// The newest record of each key is exempt: a service that last reported a month ago still has a
/// status. [`Retention::bounds`] limits the number of such records. An append that exceeds it is
/// refused, and nothing is trimmed for it.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Limits for some of the topics, in addition to the limits for all topics together. A record
    /// is governed by its first topic, the one that it was published to, and counts there only.
    pub rules: Vec<Rule>,
    /// The most entries without a key.
    pub max_events: usize,
    /// Their greatest total weight in bytes, see [`Record::weight`](crate::Record::weight).
    pub max_bytes: usize,
    /// The greatest age of an entry that no rule governs.
    pub max_age: Duration,
    /// The most live entries with a key.
    pub bounds: Bounds,
    /// The most topics that hold entries, because each topic takes memory. Above it, the topics
    /// whose newest entries are oldest are trimmed whole. Topics whose name begins with `_` or
    /// `system/` are counted but never trimmed for this, and neither is a topic in which an entry
    /// with a key stands.
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

/// Converts to milliseconds.
pub(super) fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
