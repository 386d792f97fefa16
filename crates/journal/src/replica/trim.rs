//! Trimming: removes entries that are above a limit or too old, and erases entries on request.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Replica;
use super::order::QueueId;
use crate::{Entry, Position, Selector, TopicName};

/// By how many milliseconds log time has to advance before an append looks for old entries again.
const AGE_CHECK_INTERVAL_MS: i64 = 1_000;

impl Replica {
    /// Removes the entries that are too old at `now_ms`, in log time, and the receipts that have
    /// expired.
    pub fn expire(&mut self, now_ms: i64) {
        self.now_ms = Some(now_ms);
        self.trim_by_age(now_ms);
        self.tell_time(now_ms);
        self.receipts.expire(self.clock.now_ms());
    }

    /// Removes the entries that are too old at `now_ms`, in log time, and the receipts that have
    /// expired by the log's clock, which is not told the time.
    pub fn trim_old(&mut self, now_ms: i64) {
        self.now_ms = Some(now_ms);
        self.trim_by_age(now_ms);
        self.receipts.expire(self.clock.now_ms());
        let oldest = self.oldest_plain().unwrap_or(self.head);
        if let Some(ages) = &mut self.ages {
            ages.forget(oldest);
        }
    }

    fn trim_by_age(&mut self, now_ms: i64) {
        self.age_checked_ms = now_ms;
        loop {
            let (entries, timeline, ages) = (&self.entries, &self.timeline, self.ages.as_ref());
            let age = |position: Position| {
                let stamp_ms = entries.get(&position)?.record.at_ms;
                let at_ms = ages.map_or_else(
                    || stamp_ms.saturating_add(timeline.skew_at(position)),
                    |ages| ages.at(position),
                );
                Some(now_ms.saturating_sub(at_ms))
            };
            let Some(too_old) = self.order.too_old(age) else {
                return;
            };
            self.forget(too_old);
        }
    }

    /// Trims what is above a limit, now that `entry` was added.
    pub(super) fn trim(&mut self, entry: &Arc<Entry>, queue: QueueId) {
        if queue > 0 {
            self.trim_by_rule(entry);
        }
        // The entry's timestamp is from the wall clock, which may have been set since log time was
        // reported.
        let unknown = || {
            if self.ages.is_some() {
                i64::MIN
            } else {
                entry.record.at_ms
            }
        };
        let now_ms = self.now_ms.unwrap_or_else(unknown);
        if now_ms.saturating_sub(self.age_checked_ms) >= AGE_CHECK_INTERVAL_MS {
            self.trim_by_age(now_ms);
        }
        while (self.order.kept() > self.retention.max_events
            || self.order.bytes() > self.retention.max_bytes)
            && let Some(oldest) = self
                .order
                .oldest(|position| self.entries.contains_key(&position))
        {
            self.forget(oldest);
        }
        while self.topics.held() > self.retention.max_topics
            && let Some((name, positions)) = self.topics.take_oldest()
        {
            for position in positions {
                self.forget(position);
            }
            self.topics.forget(&name);
            self.topics_trimmed += 1;
        }
    }

    /// Trims the oldest entries that were published to the topic of `entry` until it holds what its
    /// rule allows.
    fn trim_by_rule(&mut self, entry: &Entry) {
        let Some(name) = entry.record.topics.first() else {
            return;
        };
        loop {
            let entries = &self.entries;
            let is_own = |position: Position| {
                let record = entries.get(&position).map(|entry| &entry.record);
                record
                    .is_some_and(|record| !record.is_keyed() && record.topics.first() == Some(name))
            };
            let Some(oldest) = self.topics.surplus(name, &self.retention.rules, is_own) else {
                return;
            };
            self.forget(oldest);
        }
    }

    /// Raises the floor of a topic. Entries up to `floor` were trimmed from it elsewhere.
    pub fn raise(&mut self, topic: &TopicName, floor: Position) {
        self.topics.raise(topic, floor, &self.retention);
    }

    /// Raises the floor of every topic, including the unknown ones. Everything up to `floor` was
    /// lost, and the floors tell this to readers that did not see it.
    pub fn raise_all(&mut self, floor: Position) {
        self.topics.raise_all(floor);
    }

    /// Returns the floor of every unknown topic, and that of each known one, in no particular
    /// order.
    pub fn floors(&self) -> (Position, impl Iterator<Item = (&TopicName, Position)>) {
        self.topics.floors()
    }

    /// Erases every entry at or below `until` that stands in one of `topics`, from all topics that
    /// it stands in. Returns the affected topics with their floors.
    pub fn erase(&mut self, topics: &[TopicName], until: Position) -> Vec<(TopicName, Position)> {
        let mut touched = BTreeSet::new();
        for position in self.topics.merged(
            &Selector::topics(topics),
            Position::START,
            until,
            usize::MAX,
        ) {
            if let Some(entry) = self.entries.get(&position) {
                touched.extend(entry.record.topics.iter().cloned());
                self.forget(position);
            }
        }
        touched
            .into_iter()
            .map(|name| (self.topics.floor_of(&name), name))
            .map(|(floor, name)| (name, floor))
            .collect()
    }

    fn forget(&mut self, position: Position) {
        let Some(entry) = self.entries.remove(&position) else {
            return;
        };
        let queue = self.topics.trim(&entry);
        if !entry.record.is_keyed() {
            let entries = &self.entries;
            self.order.remove(queue, entry.record.weight(), |position| {
                entries.contains_key(&position)
            });
            self.trimmed += 1;
        }
    }
}
