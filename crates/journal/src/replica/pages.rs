//! Reading a replica: pages in both directions, floors, and topics.

use super::Replica;
use crate::{Earlier, Holding, Limit, Page, Position, Selector, TopicName};

impl Replica {
    /// Reads forwards, see [`Journal::read`](crate::Journal::read).
    pub fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Page {
        let until = until.min(self.head);
        let mut page = Page {
            entries: Vec::new(),
            next: until.max(after),
            floor: self.topics.floor(selector),
            damaged: false,
        };
        let mut bytes = 0;
        for position in self.topics.merged(selector, after, until, limit.events) {
            let full = page.entries.len() >= limit.events || bytes >= limit.bytes;
            if let Some(last) = page.entries.last().filter(|_| full) {
                page.next = last.id.position;
                break;
            }
            if let Some(entry) = self.entries.get(&position) {
                bytes += entry.record.data.len();
                page.entries.push(entry.clone());
            }
        }
        page
    }

    /// Reads backwards, see [`Journal::read_before`](crate::Journal::read_before).
    pub fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Earlier {
        let before = before.min(self.head.next());
        let floor = self.topics.floor(selector);
        let mut page = Earlier {
            entries: Vec::new(),
            prev: before,
            end: true,
            damaged: false,
            floor,
        };
        let mut bytes = 0;
        for position in self
            .topics
            .merged_before(selector, floor, before, limit.events.max(1))
        {
            if page.entries.len() >= limit.events.max(1) || bytes >= limit.bytes.max(1) {
                page.end = false;
                break;
            }
            if let Some(entry) = self.entries.get(&position) {
                bytes += entry.record.data.len();
                page.entries.push(entry.clone());
            }
            page.prev = position;
        }
        page.entries.reverse();
        page
    }

    /// Returns the position of the oldest entry, see [`Journal::oldest`](crate::Journal::oldest).
    pub fn oldest(&self, selector: &Selector) -> Option<Position> {
        self.topics.oldest(selector, |position| {
            self.entries
                .get(&position)
                .is_some_and(|entry| entry.record.is_keyed())
        })
    }

    /// Returns the floor, see [`Journal::floor`](crate::Journal::floor).
    pub fn floor(&self, selector: &Selector) -> Position {
        self.topics.floor(selector)
    }

    /// Returns whether a topic is known, see [`Journal::knows`](crate::Journal::knows).
    pub fn knows(&self, topic: &TopicName) -> bool {
        self.topics.knows(topic)
    }

    /// Lists topics, see [`Journal::topics`](crate::Journal::topics).
    pub fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.topics.list(prefix, after, most)
    }
}
