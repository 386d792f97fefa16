//! What goes: what is over a limit, what is too old, and what is erased.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Replica;
use super::order::LineId;
use crate::{Entry, Position, Selector, TopicName};

/// How far the log's time has to move on, in milliseconds, before an append looks for what is too old.
const LOOK_AGAIN: i64 = 1_000;

impl Replica {
    /// Lets go of what is too old at `now_ms`, in log time, and of the receipts that have expired.
    pub fn expire(&mut self, now_ms: i64) {
        self.now_ms = Some(now_ms);
        self.keep_ages(now_ms);
        self.tell_time(now_ms);
        self.receipts.expire(self.clock.now_ms());
    }

    fn keep_ages(&mut self, now_ms: i64) {
        self.looked_ms = now_ms;
        loop {
            let (entries, timeline) = (&self.entries, &self.timeline);
            let age = |position: Position| {
                let at_ms = entries.get(&position)?.record.at_ms.saturating_add(timeline.skew_at(position));
                Some(now_ms.saturating_sub(at_ms))
            };
            let Some(too_old) = self.order.too_old(age) else { return };
            self.forget(too_old);
        }
    }

    /// Has what is over a limit go, now that `entry` has come.
    pub(super) fn trim(&mut self, entry: &Arc<Entry>, line: LineId) {
        if line > 0 {
            self.keep_rule(entry);
        }
        // What it bears was read from the wall clock, which may have been set since the log's time was told.
        let now_ms = self.now_ms.unwrap_or(entry.record.at_ms);
        if now_ms.saturating_sub(self.looked_ms) >= LOOK_AGAIN {
            self.keep_ages(now_ms);
        }
        while (self.order.kept() > self.retention.max_events || self.order.bytes() > self.retention.max_bytes)
            && let Some(oldest) = self.order.oldest(|position| self.entries.contains_key(&position))
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

    /// Has the oldest of what was published to the topic of `entry` go, until it holds what its rule allows.
    fn keep_rule(&mut self, entry: &Entry) {
        let Some(name) = entry.record.topics.first() else { return };
        loop {
            let entries = &self.entries;
            let is_own = |position: Position| {
                let record = entries.get(&position).map(|entry| &entry.record);
                record.is_some_and(|record| !record.is_keyed() && record.topics.first() == Some(name))
            };
            let Some(oldest) = self.topics.surplus(name, &self.retention.rules, is_own) else { return };
            self.forget(oldest);
        }
    }

    /// Raises the floor of a topic: something was trimmed away from it elsewhere, up to `floor`.
    pub fn raise(&mut self, topic: &TopicName, floor: Position) {
        self.topics.raise(topic, floor, &self.retention);
    }

    /// Raises the floor of every topic, of those that are not known too: what stood up to `floor` was lost, and whoever did not
    /// see it is told so.
    pub fn raise_all(&mut self, floor: Position) {
        self.topics.raise_all(floor);
    }

    /// The floor of every topic that is not known, and that of each that is, in no order.
    pub fn floors(&self) -> (Position, impl Iterator<Item = (&TopicName, Position)>) {
        self.topics.floors()
    }

    /// Erases every entry that stands in one of `topics` at or below `until`, from all topics that it stands in. Returns these,
    /// with their floors.
    pub fn erase(&mut self, topics: &[TopicName], until: Position) -> Vec<(TopicName, Position)> {
        let mut touched = BTreeSet::new();
        for position in self.topics.merged(&Selector::topics(topics), Position::START, until, usize::MAX) {
            if let Some(entry) = self.entries.get(&position) {
                touched.extend(entry.record.topics.iter().cloned());
                self.forget(position);
            }
        }
        touched.into_iter().map(|name| (self.topics.floor_of(&name), name)).map(|(floor, name)| (name, floor)).collect()
    }

    fn forget(&mut self, position: Position) {
        let Some(entry) = self.entries.remove(&position) else { return };
        let line = self.topics.trim(&entry);
        if !entry.record.is_keyed() {
            let entries = &self.entries;
            self.order.gone(line, entry.record.weight(), |position| entries.contains_key(&position));
            self.trimmed += 1;
        }
    }
}
