//! The ceiling on what the directory takes.
//!
//! What was trimmed still takes its place until the storage engine rewrites the tables that it is in, and rewriting takes
//! more room for a while. So this looks at what is really on disk, begins well below the ceiling, first has the engine give
//! back what was trimmed already, one table of eight at a time, and only then trims more.

use std::collections::HashMap;

use fjall::AbstractTree as _;

use super::chore::Trim;
use super::janitor::Over;
use super::keys::{self, Kind, SHARDS, TopicId};
use super::log::Log;
use super::options::Retention;
use crate::Position;

/// What the write-ahead log may take: not ours to trim.
pub(super) const LOG_BYTES: u64 = 192 << 20;

/// Of what the ceiling leaves for tables, so much is used; the rest is for rewriting.
const USED_PERCENT: u64 = 70;

/// From so much of the ceiling on, appends wait.
const FULL_PERCENT: u64 = 95;

/// With less than this to be given back, rewriting is not worth it.
const GARBAGE_PERCENT: u64 = 15;

/// From so many trimmed bytes of one topic on, whole files may hold nothing else.
const DROPPABLE: u64 = 32 << 20;

/// The most topics that are kept in mind. Of those of which little was trimmed, no file will be dropped soon.
const MOST_TOPICS: usize = 4_096;

/// What was trimmed and may still be on disk.
#[derive(Default)]
pub(super) struct Trimmed {
    /// By table, in bytes.
    garbage: [u64; SHARDS],
    /// By topic: how much, and up to where.
    topics: HashMap<TopicId, (u64, Position)>,
}

/// What keeps the directory below its ceiling.
pub(super) struct Ceiling {
    most: u64,
    near: bool,
}

impl Trimmed {
    /// Notes what is about to be trimmed.
    pub(super) fn add(&mut self, log: &Log, trim: &Trim) {
        let topics = log.topics.read();
        let Some(topic) = topics.get(&trim.topic) else {
            return;
        };
        let id = topic.row.id;
        self.garbage[keys::shard(id)] += trim.bytes;
        let (bytes, floor) = self.topics.entry(id).or_default();
        *bytes += trim.bytes;
        *floor = trim.floor.max(*floor);
        if self.topics.len() > MOST_TOPICS {
            self.topics.retain(|_, (bytes, _)| *bytes > DROPPABLE / 8);
        }
    }

    /// Takes the topics of which so much was trimmed that whole files may be theirs.
    fn take_droppable(&mut self) -> Vec<(TopicId, Position)> {
        let droppable = self.topics.extract_if(|_, (bytes, _)| *bytes >= DROPPABLE);
        droppable.map(|(id, (_, floor))| (id, floor)).collect()
    }
}

impl Ceiling {
    pub(super) fn new(log: &Log) -> Self {
        let most = log.options.retention.max_disk.max(Retention::LEAST_DISK);
        Self { most, near: false }
    }

    /// Whether the ceiling is near enough to look often.
    pub(super) fn is_near(&self) -> bool {
        self.near
    }

    /// Makes room if there is too little. `trim_to` trims the largest topics until all hold at most so many bytes.
    pub(super) fn hold(&mut self, log: &Log, mut trim_to: impl FnMut(u64) -> Result<u64, Over>) -> Result<(), Over> {
        let goal = (self.most.saturating_sub(LOG_BYTES)) / 100 * USED_PERCENT;
        loop {
            drop_files(log)?;
            settle(log)?;
            let disk = log.home.disk_bytes().unwrap_or_default();
            let tables: u64 = log.tables.all().map(fjall::Keyspace::disk_space).sum();
            log.set_full(disk > self.most / 100 * FULL_PERCENT);
            self.near = tables > goal / 2;
            if tables <= goal {
                return Ok(());
            }
            let garbage = take_garbage(log);
            let (_, held) = log.topics.read().totals();
            let waste: u64 = garbage.iter().sum();
            let room = self.most.saturating_sub(disk);
            if waste > (held + waste) / 100 * GARBAGE_PERCENT && rewrite(log, &garbage, room)? {
                continue;
            }
            // What the records weigh is not what they take: they are compressed, and there is garbage among them.
            let surplus = u128::from(tables - goal / 100 * 95) * u128::from(held + waste) / u128::from(tables);
            let surplus = u64::try_from(surplus).unwrap_or(u64::MAX).max(1);
            if trim_to(held.saturating_sub(surplus))? == 0 {
                return Ok(()); // nothing is left to trim
            }
        }
    }
}

/// Has the engine drop the files that hold nothing but what was trimmed from one topic.
fn drop_files(log: &Log) -> Result<(), Over> {
    let droppable = log.trimmed.lock().take_droppable();
    for (topic, floor) in droppable {
        let shard = keys::shard(topic);
        let table = &log.tables.events[shard];
        let before = table.disk_space();
        let range = keys::event(topic, Kind::Plain, Position::START)..=keys::event(topic, Kind::Plain, floor);
        table.tree.drop_range(range).map_err(|error| broken(log, &error.into()))?;
        let dropped = before.saturating_sub(table.disk_space());
        let garbage = &mut log.trimmed.lock().garbage[shard];
        *garbage = garbage.saturating_sub(dropped);
    }
    Ok(())
}

fn settle(log: &Log) -> Result<(), Over> {
    log.tables.settle().map_err(|error| broken(log, &error))
}

/// What there is to be given back, by table.
fn take_garbage(log: &Log) -> [u64; SHARDS] {
    let mut trimmed = log.trimmed.lock();
    for (shard, garbage) in trimmed.garbage.iter_mut().enumerate() {
        *garbage = garbage.saturating_sub(log.floors.take_left_out(shard));
    }
    trimmed.garbage
}

/// Rewrites the table with the most garbage, if there is room for it. Returns whether it was worth it.
fn rewrite(log: &Log, garbage: &[u64; SHARDS], room: u64) -> Result<bool, Over> {
    let fits = |shard: usize| log.tables.events[shard].disk_space() <= room;
    let Some(shard) = (0..SHARDS).filter(|&shard| fits(shard)).max_by_key(|&shard| garbage[shard]) else {
        return Ok(false);
    };
    let table = &log.tables.events[shard];
    let before = table.disk_space();
    table.major_compact().map_err(|error| broken(log, &error))?;
    log.trimmed.lock().garbage[shard] = 0;
    log.floors.take_left_out(shard);
    Ok(table.disk_space() < before)
}

fn broken(log: &Log, error: &fjall::Error) -> Over {
    log.fail("making room in the journal", error);
    Over
}
