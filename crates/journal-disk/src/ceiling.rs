//! The ceiling on the size of the directory.
//!
//! Garbage records take space until the storage engine rewrites the tables that they are in, and
//! rewriting takes more space for a while. The ceiling therefore measures the actual size on disk,
//! and acts well below the limit. It first has the engine give back what was trimmed already, one
//! of its eight tables at a time, and only then trims more.
//!
//! More space is needed than the files on disk show. Records that are still in memory take space
//! twice: they are in the write-ahead log now, and are written to a file of their table before the
//! log is released. The engine also merges files at times of its own. Both are counted as if they
//! were on disk already.
//!
//! A directory that is at or above its ceiling already, because the ceiling was lowered or because
//! of files that are not the log's, has no space for rewriting. Once enough is trimmed, it exceeds
//! the ceiling for a while, by one of the eight tables at a time. Otherwise everything would be
//! trimmed and nothing given back.

use std::time::Duration;

use fjall::AbstractTree as _;

use super::keys::{self, Kind, SHARDS, TopicId};
use super::log::Log;
use super::request::Stopped;
use tidings_journal::Position;

/// The percentage of the tables' space that the tables may fill. The rest is for rewriting them.
const USED_PERCENT: u64 = 70;

/// The percentage of the ceiling from which on appends wait.
const FULL_PERCENT: u64 = 95;

/// The percentage of garbage below which a table is not worth rewriting.
const GARBAGE_PERCENT: u64 = 15;

/// The part of the tables' limit down to which topics are trimmed, so that not every append needs
/// trimming.
const TRIMMED_PERCENT: u64 = 90;

/// The least size of the write-ahead log's active file. Most of it is a hole.
const ACTIVE_WAL_BYTES: u64 = 64 << 20;

/// The most bytes that may be left in files that the engine has replaced but not removed.
const MAX_REPLACED_BYTES: u64 = 16 << 20;

/// How often the retention task checks whether the engine is quiet, and how many times: half a
/// second in total. Several checks in a row must succeed, because the engine may be between two
/// operations.
const QUIET_POLL_INTERVAL: Duration = Duration::from_millis(5);
const MAX_QUIET_POLLS: u32 = 100;
const QUIET_IN_A_ROW: u32 = 3;

/// How often the engine is asked to remove files while the task waits. Files that are still there
/// are being read.
const MAX_REMOVALS: u32 = 3;

/// The write-ahead log may take the ceiling divided by this: a quarter. For the lowest ceiling,
/// that is just the size of the log's active file. If it could take less, every pass would write
/// all tables out.
const WAL_DIVISOR: u64 = 4;

/// The size of a step of the committer is at most about the ceiling divided by this. For the lowest
/// ceiling, that is the size at which a step takes no further append.
const STEP_DIVISOR: u64 = 32;

/// While appends wait for space, the tables may hold the ceiling divided by this in memory. This is
/// little, because what is in memory takes space twice.
const PENDING_DIVISOR: u64 = 64;

/// Keeps the directory below its ceiling.
pub(super) struct Ceiling {
    max_bytes: u64,
    /// The size that the tables may have.
    tables_limit: u64,
    /// The size that the write-ahead log may have.
    wal_bytes: u64,
    is_near: bool,
    /// The size of the tables when nothing was left to trim and nothing to give back.
    exhausted_at: Option<u64>,
}

impl Ceiling {
    pub(super) fn new(log: &Log) -> Self {
        let max_bytes = log.options.ceiling_bytes();
        let wal_bytes = log
            .options
            .tuning
            .max_wal_bytes
            .min(max_bytes / WAL_DIVISOR);
        // Twice, because what the write-ahead log holds may be in memory too, and be written to
        // tables.
        let tables_limit =
            max_bytes.saturating_sub(2 * wal_bytes + ACTIVE_WAL_BYTES / 2) / 100 * USED_PERCENT;
        // If appends wait and the engine is idle, there must be space left for one more merge and
        // for a few steps. Otherwise the appends would wait for ever.
        let rest = max_bytes / 100 * FULL_PERCENT;
        let rest = rest.saturating_sub(
            ACTIVE_WAL_BYTES
                + MAX_REPLACED_BYTES
                + 2 * (max_bytes / PENDING_DIVISOR)
                + 3 * (max_bytes / STEP_DIVISOR),
        );
        let tables_limit =
            tables_limit.min((rest / 2).max(rest.saturating_sub(log.tables.most_merged())));
        Self {
            max_bytes,
            tables_limit,
            wal_bytes,
            is_near: false,
            exhausted_at: None,
        }
    }

    /// Returns whether the ceiling is near enough to measure often.
    pub(super) fn is_near(&self) -> bool {
        self.is_near
    }

    /// Measures what is on disk, adds what will be there without another append, and sets how much
    /// may be appended before the next measurement. An append is written to the log, once more to a
    /// table, and a third time when that is merged. `reserved` bytes are kept free for
    /// a rewrite. Returns what is on disk.
    pub(super) fn measure(&mut self, log: &Log, reserved: u64) -> u64 {
        let tables = tables_bytes(log);
        let disk = log.directory.disk_bytes().unwrap_or_else(|error| {
            tracing::warn!(%error, "the size of the journal on disk can't be determined, and is \
                                    estimated");
            tables + log.tables.db.journal_disk_space().unwrap_or(self.wal_bytes)
        });
        log.set_disk_bytes(disk);
        let coming = log.tables.pending() + log.tables.largest_merge();
        let headroom =
            (self.max_bytes / 100 * FULL_PERCENT).saturating_sub(disk + coming + reserved) / 3;
        let headroom = headroom.saturating_sub(self.max_bytes / STEP_DIVISOR);
        self.is_near = tables > self.tables_limit / 2 || headroom < 2 * ACTIVE_WAL_BYTES;
        log.set_headroom(headroom);
        if headroom > 0 && !log.tables.is_congested() {
            log.recover();
        }
        disk
    }

    /// Makes space if there is too little. `trim_to` trims the largest topics until all together
    /// hold at most the given number of bytes. `remove_replaced_files` has the engine remove the
    /// files that it has replaced.
    pub(super) fn enforce(
        &mut self,
        log: &Log,
        mut trim_to: impl FnMut(u64) -> Result<u64, Stopped>,
        mut remove_replaced_files: impl FnMut() -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        while !log.is_closing() {
            drop_files(log)?;
            if self.is_near && replaced_bytes(log) > MAX_REPLACED_BYTES {
                remove_replaced_files()?;
            }
            self.measure(log, 0);
            if log.is_full() {
                // Writes the tables' memory to disk, so that the engine can release most of the
                // write-ahead log. Then there is space again.
                shrink_wal(log, ACTIVE_WAL_BYTES, self.max_bytes / PENDING_DIVISOR)?;
            } else {
                shrink_wal(log, self.wal_bytes, u64::MAX)?;
            }
            let tables = tables_bytes(log);
            if tables <= self.tables_limit {
                self.exhausted_at = None;
                return Ok(());
            }
            let garbage = take_garbage(log);
            let (_, held) = log.topics.read().totals();
            let garbage_bytes: u64 = garbage.iter().sum();
            let target = Scale {
                tables,
                weight: held + garbage_bytes,
            }
            .weight(self.tables_limit / 100 * TRIMMED_PERCENT);
            let is_worth_it = garbage_bytes > (held + garbage_bytes) / 100 * GARBAGE_PERCENT;
            if is_worth_it {
                let is_idle = wait_until_idle(log, &mut remove_replaced_files)?;
                if log.is_closing() {
                    return Ok(());
                }
                if !is_idle && (log.tables.is_at_work() || !log.is_full()) {
                    trim_to(target)?;
                    // a later pass rewrites the table, at the latest when appends have stopped
                    return Ok(());
                }
                if self.rewrite(log, held <= target)? {
                    continue;
                }
            }
            // Garbage records that still take space count like kept ones until it is worth
            // rewriting their table.
            let most_held = if is_worth_it {
                target
            } else {
                target.saturating_sub(garbage_bytes)
            };
            if trim_to(most_held)? > 0 {
                continue;
            }
            // Nothing is left to trim, so the counts and estimates that led here can't be used any
            // more.
            if self
                .exhausted_at
                .is_some_and(|exhausted_at| tables >= exhausted_at)
            {
                return Ok(());
            }
            self.give_back_all(log)?;
            self.exhausted_at = Some(tables_bytes(log));
        }
        Ok(())
    }

    /// Rewrites the table with the most garbage for which there is space, or, if it `has_to`, the
    /// table whose rewriting takes the least. Returns whether the table became smaller.
    fn rewrite(&mut self, log: &Log, has_to: bool) -> Result<bool, Stopped> {
        let garbage = take_garbage(log);
        let headroom = self.max_bytes.saturating_sub(self.measure(log, 0));
        let scale = Scale::of(log);
        let size_after = |shard: usize| {
            log.tables.events[shard]
                .disk_space()
                .saturating_sub(scale.on_disk(garbage[shard]))
        };
        let wasteful = || (0..SHARDS).filter(|&shard| garbage[shard] > 0);
        let fitting = wasteful()
            .filter(|&shard| size_after(shard) <= headroom)
            .max_by_key(|&shard| garbage[shard]);
        let least = || {
            wasteful()
                .filter(|_| has_to)
                .min_by_key(|&shard| size_after(shard))
        };
        let Some(shard) = fitting.or_else(least) else {
            return Ok(false);
        };
        self.measure(log, size_after(shard));
        let table = &log.tables.events[shard];
        let before = table.disk_space();
        table.major_compact().map_err(|error| fail(log, &error))?;
        log.garbage.lock().bytes_by_shard[shard] = 0;
        log.floors.take_left_out(shard);
        Ok(table.disk_space() < before)
    }

    /// Has the engine give back everything that it can.
    fn give_back_all(&mut self, log: &Log) -> Result<(), Stopped> {
        let floors: Vec<_> = {
            let topics = log.topics.read();
            let floors = topics
                .iter()
                .map(|(_, topic)| (topic.row.id, topic.row.floor));
            floors
                .filter(|(_, floor)| *floor > Position::START)
                .collect()
        };
        for (topic, floor) in floors {
            drop_below(log, topic, floor)?;
        }
        shrink_wal(log, ACTIVE_WAL_BYTES, u64::MAX)?;
        for table in log.tables.all() {
            let disk = self.measure(log, table.disk_space());
            let is_over = disk > self.max_bytes; // then there would never be enough space
            if (is_over || table.disk_space() <= self.max_bytes - disk) && !log.is_closing() {
                table.major_compact().map_err(|error| fail(log, &error))?;
            }
        }
        Ok(())
    }
}

/// Converts between the weight of records and their size in the tables, which differ because the
/// tables are compressed.
#[derive(Clone, Copy)]
struct Scale {
    tables: u64,
    /// The weight of all records in the tables, including trimmed ones.
    weight: u64,
}

impl Scale {
    fn of(log: &Log) -> Self {
        let garbage_bytes: u64 = log.garbage.lock().bytes_by_shard.iter().sum();
        let (_, held) = log.topics.read().totals();
        Self {
            tables: tables_bytes(log),
            weight: held + garbage_bytes,
        }
    }

    /// Returns about the weight of records that have this size on disk.
    fn weight(self, bytes: u64) -> u64 {
        share(bytes, self.weight, self.tables)
    }

    /// Returns about the size on disk of records that have this weight.
    fn on_disk(self, weight: u64) -> u64 {
        share(weight, self.tables, self.weight)
    }
}

fn share(of: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Waits until the engine is idle and has removed the files that it replaced, because rewriting
/// takes space on top of them. Returns whether that was reached; while appends go on, it may never
/// be.
fn wait_until_idle(
    log: &Log,
    remove_replaced_files: &mut impl FnMut() -> Result<(), Stopped>,
) -> Result<bool, Stopped> {
    let (mut in_a_row, mut removals) = (0, 0);
    for _ in 0..MAX_QUIET_POLLS {
        if log.is_closing() {
            break;
        }
        if log.tables.is_at_work() {
            in_a_row = 0; // what was just written out may be merged next
        } else if replaced_bytes(log) > MAX_REPLACED_BYTES {
            if removals < MAX_REMOVALS {
                remove_replaced_files()?;
            }
            (in_a_row, removals) = (0, removals + 1);
        } else {
            in_a_row += 1;
        }
        if in_a_row == QUIET_IN_A_ROW {
            return Ok(true);
        }
        std::thread::sleep(QUIET_POLL_INTERVAL);
    }
    Ok(false)
}

/// Returns the size of table files that are not in use: files that were replaced, and files that
/// are being written.
fn replaced_bytes(log: &Log) -> u64 {
    log.directory
        .table_bytes()
        .unwrap_or_default()
        .saturating_sub(tables_bytes(log))
}

fn tables_bytes(log: &Log) -> u64 {
    log.tables.all().map(fjall::Keyspace::disk_space).sum()
}

/// Has the engine drop the files that hold nothing but trimmed records of one topic.
fn drop_files(log: &Log) -> Result<(), Stopped> {
    let droppable = log.garbage.lock().take_droppable();
    for (topic, floor) in droppable {
        drop_below(log, topic, floor)?;
    }
    Ok(())
}

fn drop_below(log: &Log, topic: TopicId, floor: Position) -> Result<(), Stopped> {
    let shard = keys::shard(topic);
    let table = &log.tables.events[shard];
    let (scale, before) = (Scale::of(log), table.disk_space());
    let range =
        keys::event(topic, Kind::Plain, Position::START)..=keys::event(topic, Kind::Plain, floor);
    table
        .tree
        .drop_range(range)
        .map_err(|error| fail(log, &error.into()))?;
    let dropped = scale.weight(before.saturating_sub(table.disk_space()));
    let garbage = &mut log.garbage.lock().bytes_by_shard[shard];
    *garbage = garbage.saturating_sub(dropped);
    Ok(())
}

/// Lets the engine release the write-ahead log if it takes more than `most` bytes, or if the tables
/// hold more than `pending` bytes in memory.
fn shrink_wal(log: &Log, most: u64, pending: u64) -> Result<(), Stopped> {
    log.tables
        .flush_if_above(most, pending)
        .map_err(|error| fail(log, &error))
}

/// Returns how many bytes of garbage each table has.
fn take_garbage(log: &Log) -> [u64; SHARDS] {
    let mut garbage = log.garbage.lock();
    for (shard, bytes) in garbage.bytes_by_shard.iter_mut().enumerate() {
        *bytes = bytes.saturating_sub(log.floors.take_left_out(shard));
    }
    garbage.bytes_by_shard
}

fn fail(log: &Log, error: &fjall::Error) -> Stopped {
    log.fail("freeing space in the journal", error);
    Stopped
}
