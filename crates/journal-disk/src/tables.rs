//! The tables of a log, in one database of the storage engine.
//!
//! What the engine is told here, and why:
//!
//! - It has no thread of its own that would bring down what waits to be written out: [`Tables::is_congested`] is asked
//!   before each batch, as the engine, once it halts a writer, never lets go of it if a background write has failed.
//! - It compresses on every level. By itself it would from the third on, and what a merge brings up from there again took
//!   several times its place, which nobody had seen coming.
//! - Its write-ahead log is kept until every table has written out what it holds of it, so that tables which are seldom
//!   written have to be made to ([`Tables::settle`]).

use std::path::Path;
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::compaction::filter::Factory;
use fjall::config::CompressionPolicy;
use fjall::{
    AbstractTree as _, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
};

use super::filter::{Floors, Trimmed};
use super::keys;
use super::options::Options;

/// The table of batches.
pub(super) const ORDER: &str = "order";
const RECEIPTS: &str = "receipts";
const EVENTS: &str = "events-";

/// A key that sorts behind all others and means nothing: see [`Tables::settle`].
pub(super) const BEAT: &[u8] = &[0xff; 24];

/// The most files of one table that overlap. From 20 on, the engine slows a writer down; from 30 on, it halts it.
const MOST_RUNS: usize = 16;

/// All tables.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) db: Database,
    pub(super) events: [Keyspace; keys::SHARDS],
    pub(super) order: Keyspace,
    pub(super) topics: Keyspace,
    pub(super) keys: Keyspace,
    pub(super) receipts: Keyspace,
    pub(super) meta: Keyspace,
    /// Bytes that a table holds in memory before it writes a file.
    memtable_bytes: u64,
}

/// Which event table has this name.
pub(super) fn shard_of_name(name: &str) -> Option<usize> {
    name.strip_prefix(EVENTS)?.parse().ok()
}

impl Tables {
    /// The number that the engine gave to the table `order`: tables are made in this order, all at once (see `open`).
    pub(super) const ORDER_ID: u64 = 1 + keys::SHARDS as u64;

    /// The numbers of all tables, the engine's own list of them first. A directory without one of these is damaged: who adds a
    /// table needs a new format.
    pub(super) const IDS: std::ops::RangeInclusive<u64> = 0..=Self::ORDER_ID + 4;

    /// Opens the tables in `path`, making those that are not there.
    pub(super) fn open(path: &Path, options: &Options, floors: &Arc<Floors>) -> Result<Self, fjall::Error> {
        let filtered = floors.clone();
        let filters = move |name: &str| {
            let has_filter = shard_of_name(name).is_some() || name == ORDER || name == RECEIPTS;
            has_filter.then(|| Arc::new(Trimmed::new(name, filtered.clone())) as Arc<dyn Factory>)
        };
        let db = Database::builder(path)
            .cache_size(options.cache_bytes)
            .max_cached_files(Some(options.open_files.max(10)))
            // About: the engine looks only when a table is written out.
            .max_journaling_size(options.tuning.log_bytes.max(64 << 20))
            // The thread that all wait for would do it.
            .journal_compression(CompressionType::None)
            // With more, the first gives each request to merge back to the queue and takes it out again, over and over, for as
            // long as another merges: a core that everything else here goes without.
            .worker_threads(1)
            .with_compaction_filter_factories(Arc::new(filters))
            .open()?;
        let memtable = options.tuning.memtable_bytes;
        let table = |name: &str| {
            db.keyspace(name, || {
                let leveled = Leveled::default().with_table_target_size(2 * memtable);
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable)
                    .compaction_strategy(Arc::new(leveled))
                    .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
            })
        };
        let mut events = Vec::with_capacity(keys::SHARDS);
        for shard in 0..keys::SHARDS {
            events.push(table(&format!("{EVENTS}{shard}"))?);
        }
        Ok(Self {
            events: events.try_into().map_err(|_| fjall::Error::Unrecoverable)?, // never: the length is right
            order: table(ORDER)?,
            topics: table("topics")?,
            keys: table("keys")?,
            receipts: table(RECEIPTS)?,
            meta: table("meta")?,
            memtable_bytes: memtable,
            db,
        })
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Keyspace> {
        self.events.iter().chain([&self.order, &self.topics, &self.keys, &self.receipts, &self.meta])
    }

    /// Whether so much waits to be written out that the engine would soon halt a writer.
    pub(super) fn is_congested(&self) -> bool {
        self.all().any(|table| table.sealed_memtable_count() >= 3 || table.tree.l0_run_count() >= MOST_RUNS)
    }

    /// Whether it is better to ask the engine for nothing more: it would soon halt a writer, or has yet to begin with what it was
    /// asked for before. Its thread has a queue of a thousand requests, to which it adds itself, and waits for room in it: once
    /// that is full, it may wait for itself for ever.
    pub(super) fn is_busy(&self) -> bool {
        self.is_congested() || self.db.outstanding_flushes() > 0
    }

    /// Whether the engine writes out or merges, or is about to.
    pub(super) fn is_at_work(&self) -> bool {
        let is_written_out = |table: &Keyspace| table.sealed_memtable_count() > 0;
        self.db.active_compactions() > 0 || self.db.outstanding_flushes() > 0 || self.all().any(is_written_out)
    }

    /// Merges files where there are too many. The engine does it by itself, but only as often as a table was written out:
    /// if nothing may be written until it has, that may be once too few.
    pub(super) fn help(&self) -> Result<(), fjall::Error> {
        for table in self.all().filter(|table| table.tree.l0_run_count() >= MOST_RUNS) {
            table.tree.compact(table.config.compaction_strategy.clone(), 0)?;
        }
        Ok(())
    }

    /// Fails if a write in the background has failed.
    pub(super) fn check(&self) -> Result<(), fjall::Error> {
        self.db.persist(PersistMode::Buffer)
    }

    /// What all tables hold in memory, in bytes: it will be written out.
    pub(super) fn pending(&self) -> u64 {
        self.db.write_buffer_size()
    }

    /// What the engine may write beside what is there when it merges files of one table, in bytes, about: one thread of it
    /// merges, and only the upper levels are merged whole. What is still in memory may be merged as soon as it has a file.
    pub(super) fn largest_merge(&self) -> u64 {
        let largest = self.all().map(Keyspace::disk_space).max().unwrap_or_default() + self.pending();
        largest.min(self.most_merged())
    }

    /// The most that it is, about: all files that overlap, and all of the level below, which are four of twice the size.
    pub(super) fn most_merged(&self) -> u64 {
        (MOST_RUNS as u64 + 8) * self.memtable_bytes
    }

    /// Has every table write out what it holds in memory if that is more than `pending` bytes, or the write-ahead log takes
    /// more than `most`, so that it can go.
    ///
    /// The engine lets go of a part of it once each table has a file with something newer. A table whose newest records
    /// were all left out by compaction has none, and would hold on to it for ever: so one that holds nothing in memory is given
    /// something new.
    pub(super) fn settle(&self, most: u64, pending: u64) -> Result<(), fjall::Error> {
        // What waits to be written out comes first.
        if self.pending() <= pending && self.db.journal_disk_space()? <= most || self.is_busy() {
            return Ok(());
        }
        self.write_out()
    }

    /// Has every table write out what it holds in memory, and one that holds nothing something new.
    ///
    /// Only such a one: with a key at the very end, a file of events overlaps all that come later, and the engine, which
    /// otherwise moves the files of a topic down as they are, would write them once more to merge them.
    pub(super) fn write_out(&self) -> Result<(), fjall::Error> {
        let mut batch = self.db.batch();
        let idle = self.all().filter(|table| table.tree.active_memtable().is_empty());
        idle.for_each(|table| batch.insert(table, BEAT, []));
        batch.commit()?;
        self.all().try_for_each(|table| table.rotate_memtable().map(drop))
    }

    /// Has the engine remove the files that it has replaced.
    ///
    /// It keeps them for those who still read an older state, and looks whether there are any whenever a table is written
    /// out; then a table must have something to be written out, and whoever shows the log must have taken a newer state.
    pub(super) fn let_go(&self) -> Result<(), fjall::Error> {
        self.meta.rotate_memtable().map(drop)
    }

    /// Takes one key-value pair out of the way if it is no row of ours.
    pub(super) fn is_beat(key: &[u8]) -> bool {
        key == BEAT
    }
}

/// The one way by which anything gets into the tables: where tests put a disk that fails.
pub(super) trait Commit: Send {
    /// Writes `batch` whole or not at all, and has it on the device if `sync`, else with the operating system.
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error>;

    /// Has everything on the device.
    fn sync(&mut self) -> Result<(), fjall::Error>;
}

impl Commit for Database {
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        batch.durability(Some(mode)).commit()
    }

    fn sync(&mut self) -> Result<(), fjall::Error> {
        self.persist(PersistMode::SyncData)
    }
}
