//! The limits of one topic.

use tidings_journal::Position;

use super::Topic;
use crate::options::Retention;

/// The limits of a topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicLimits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Records that were published before this time, in milliseconds since 1970, are trimmed.
    pub(crate) since_ms: i64,
    /// Records at or below this position are trimmed.
    pub(crate) until: Position,
}

impl TopicLimits {
    pub(crate) const NONE: Self = Self {
        events: u64::MAX,
        bytes: u64::MAX,
        since_ms: i64::MIN,
        until: Position::START,
    };

    /// Returns the limits that its rule sets for `topic`.
    pub(crate) fn of(retention: &Retention, topic: &Topic, now_ms: i64) -> Self {
        let rule = topic.rule.and_then(|rule| retention.rules.get(rule));
        let age = rule.map_or(retention.max_age, |rule| rule.max_age);
        let since_ms = age.map_or(i64::MIN, |age| {
            now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        });
        Self {
            events: rule.and_then(|rule| rule.max_events).unwrap_or(u64::MAX),
            bytes: rule.and_then(|rule| rule.max_bytes).unwrap_or(u64::MAX),
            since_ms,
            until: Position::START,
        }
    }

    /// Returns whether the topic holds too much.
    pub(crate) fn is_exceeded(&self, topic: &Topic) -> bool {
        topic.row.events > self.events || topic.row.bytes > self.bytes
    }

    /// Returns whether the topic may hold records at or below [`TopicLimits::until`].
    pub(crate) fn is_erased(&self, topic: &Topic) -> bool {
        topic.row.events > 0 && topic.row.floor < self.until
    }

    /// Returns whether the topic's oldest record is too old, or may be.
    pub(crate) fn is_aged(&self, topic: &Topic) -> bool {
        topic.row.events > 0
            && self.since_ms > i64::MIN
            && topic.oldest_ms.is_none_or(|oldest| oldest < self.since_ms)
    }
}
