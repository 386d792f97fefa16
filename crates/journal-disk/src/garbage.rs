//! The garbage: what was trimmed and may still be on disk, until the storage engine rewrites its
//! tables.

use std::collections::HashMap;

use super::keys::{self, SHARDS, TopicId};
use super::maintenance::TrimStep;
use super::topics::Topics;
use tidings_journal::Position;

/// How many trimmed bytes of one topic make it likely that whole files hold nothing else.
const DROPPABLE_BYTES: u64 = 32 << 20;

/// The most topics whose garbage is counted one by one. Above it, topics with little garbage are
/// left out, because no file will soon hold nothing else.
const MAX_GARBAGE_TOPICS: usize = 4_096;

/// What was trimmed and may still be on disk.
#[derive(Default)]
pub(super) struct Garbage {
    /// The trimmed bytes of each table.
    pub(super) bytes_by_shard: [u64; SHARDS],
    /// The trimmed bytes of each topic, and the highest trimmed position.
    topics: HashMap<TopicId, (u64, Position)>,
}

impl Garbage {
    /// Adds what is about to be trimmed.
    pub(super) fn add(&mut self, topics: &Topics, trim: &TrimStep) {
        let others = trim
            .others
            .iter()
            .map(|other| (&other.topic, other.floor, other.bytes));
        for (name, floor, bytes) in
            std::iter::once((&trim.topic, trim.floor, trim.own_bytes)).chain(others)
        {
            let Some(id) = topics.get(name).map(|topic| topic.row.id) else {
                continue;
            };
            self.bytes_by_shard[keys::shard(id)] += bytes;
            let known = self.topics.entry(id).or_default();
            *known = (known.0 + bytes, known.1.max(floor));
        }
        if self.topics.len() > MAX_GARBAGE_TOPICS {
            self.topics
                .retain(|_, (bytes, _)| *bytes > DROPPABLE_BYTES / 8);
        }
    }

    /// Adds a topic that is about to be trimmed whole, with its copies in other topics.
    pub(super) fn add_whole(&mut self, topic: TopicId, bytes: u64) {
        self.bytes_by_shard[keys::shard(topic)] += bytes;
        self.topics.remove(&topic);
    }

    /// Takes the topics of which so much was trimmed that whole files may hold nothing else.
    pub(super) fn take_droppable(&mut self) -> Vec<(TopicId, Position)> {
        let droppable = self
            .topics
            .extract_if(|_, (bytes, _)| *bytes >= DROPPABLE_BYTES);
        droppable.map(|(id, (_, floor))| (id, floor)).collect()
    }
}
