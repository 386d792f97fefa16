//! The tables of a log, which are in one database of the storage engine.
//!
//! The engine is used in these ways:
//!
//! - It gets no thread of its own that would help with a backlog of writes. Instead,
//!   [`Tables::is_congested`] is checked before each batch, because the engine, once it has halted
//!   a writer, never releases it if a background write has failed.
//! - It compresses on every level. By default it compresses only from the third level on. What a
//!   merge then moved up from there took several times its size, which no estimate had predicted.
//! - Its write-ahead log is kept until every table has written out what it holds of it, so tables
//!   that are seldom written have to be made to write ([`Tables::flush_if_above`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::compaction::filter::Factory;
use fjall::config::CompressionPolicy;
use fjall::{
    AbstractTree as _, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch,
    PersistMode,
};

use super::directory::Directory;
use super::error::OpenError;
use super::filter::{FilterFactory, Floors};
use super::keys;
use super::options::Options;

/// The most files of one table that overlap. From 20 on, the engine slows writers down; from 30 on,
/// it halts them.
const MAX_RUNS: usize = 16;

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
    /// The size at which a table in memory is written to a file, in bytes.
    memtable_bytes: u64,
}

impl Tables {
    /// The number that the engine gave to the table `order`. All tables are created together, in
    /// this order (see `open`).
    pub(super) const ORDER_ID: u64 = 1 + keys::SHARDS as u64;

    /// The numbers of all tables. The first one is the engine's own list of tables. A directory
    /// that lacks one of them is damaged, so another table would need a new format.
    pub(super) const IDS: std::ops::RangeInclusive<u64> = 0..=Self::ORDER_ID + 4;

    /// Opens the tables. The storage engine panics on some damaged files, which is reported as
    /// damage.
    pub(super) fn open_in(
        directory: &Directory,
        path: &Path,
        options: &Options,
        floors: &Arc<Floors>,
    ) -> Result<Self, OpenError> {
        match catch_unwind(AssertUnwindSafe(|| Self::open(path, options, floors))) {
            Ok(opened) => opened.map_err(|error| OpenError::engine(directory.path(), error)),
            Err(_) => Err(OpenError::damaged(
                directory.path(),
                "the storage engine could not read its files",
            )),
        }
    }

    /// Opens the tables in `path`, and creates those that do not exist.
    pub(super) fn open(
        path: &Path,
        options: &Options,
        floors: &Arc<Floors>,
    ) -> Result<Self, fjall::Error> {
        let filtered = floors.clone();
        let filters = move |name: &str| {
            let has_filter = keys::shard_of_name(name).is_some()
                || name == keys::ORDER
                || name == keys::RECEIPTS;
            has_filter
                .then(|| Arc::new(FilterFactory::new(name, filtered.clone())) as Arc<dyn Factory>)
        };
        let db = Database::builder(path)
            .cache_size(options.cache_bytes)
            .max_cached_files(Some(options.open_files.max(10)))
            // Approximate, because the engine checks it only when a table is written out.
            .max_journaling_size(options.tuning.max_wal_bytes.max(64 << 20))
            // Compression would be done by the one thread that all appends wait for.
            .journal_compression(CompressionType::None)
            // With more threads, while one of them merges, another one takes each request to merge
            // out of the queue and puts it back, over and over. That keeps a core busy.
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
            events.push(table(&format!("{}{shard}", keys::EVENTS))?);
        }
        Ok(Self {
            // unreachable: the length is right
            events: events.try_into().map_err(|_| fjall::Error::Unrecoverable)?,
            order: table(keys::ORDER)?,
            topics: table("topics")?,
            keys: table("keys")?,
            receipts: table(keys::RECEIPTS)?,
            meta: table("meta")?,
            memtable_bytes: memtable,
            db,
        })
    }

    /// Returns all tables.
    pub(super) fn all(&self) -> impl Iterator<Item = &Keyspace> {
        self.events.iter().chain([
            &self.order,
            &self.topics,
            &self.keys,
            &self.receipts,
            &self.meta,
        ])
    }

    /// Returns whether so much waits to be written out that the engine would soon halt a writer.
    pub(super) fn is_congested(&self) -> bool {
        self.all().any(|table| {
            table.sealed_memtable_count() >= 3 || table.tree.l0_run_count() >= MAX_RUNS
        })
    }

    /// Returns whether the engine should not be asked for more, because it would soon halt a
    /// writer, or has yet to begin with earlier requests. Its thread has a queue of a thousand
    /// requests, adds requests to that queue itself, and waits if it is full. It may then wait for
    /// itself for ever.
    pub(super) fn is_busy(&self) -> bool {
        self.is_congested() || self.db.outstanding_flushes() > 0
    }

    /// Returns whether the engine is writing out or merging, or is about to.
    pub(super) fn is_at_work(&self) -> bool {
        let is_written_out = |table: &Keyspace| table.sealed_memtable_count() > 0;
        self.db.active_compactions() > 0
            || self.db.outstanding_flushes() > 0
            || self.all().any(is_written_out)
    }

    /// Merges files where there are too many. The engine does so by itself, but only when a table
    /// is written out. If nothing may be written until it has merged, that may be once too few.
    pub(super) fn merge_overlapping(&self) -> Result<(), fjall::Error> {
        for table in self
            .all()
            .filter(|table| table.tree.l0_run_count() >= MAX_RUNS)
        {
            table
                .tree
                .compact(table.config.compaction_strategy.clone(), 0)?;
        }
        Ok(())
    }

    /// Returns an error if a write in the background has failed.
    pub(super) fn check(&self) -> Result<(), fjall::Error> {
        self.db.persist(PersistMode::Buffer)
    }

    /// Returns how many bytes all tables hold in memory, which will be written out.
    pub(super) fn pending(&self) -> u64 {
        self.db.write_buffer_size()
    }

    /// Returns about how many bytes the engine may write when it merges files of one table, in
    /// addition to what is there. It merges with one thread, and merges only the upper levels
    /// whole. What is still in memory may be merged as soon as it has a file.
    pub(super) fn largest_merge(&self) -> u64 {
        let largest = self
            .all()
            .map(Keyspace::disk_space)
            .max()
            .unwrap_or_default()
            + self.pending();
        largest.min(self.most_merged())
    }

    /// Returns about the most bytes that one merge writes: all files that overlap, and all files of
    /// the level below, which are four of twice the size.
    pub(super) fn most_merged(&self) -> u64 {
        (MAX_RUNS as u64 + 8) * self.memtable_bytes
    }

    /// Has every table write out what it holds in memory if that is more than `pending` bytes, or
    /// if the write-ahead log takes more than `most` bytes, so that the log can be released.
    ///
    /// The engine releases a part of the log once each table has a file with something newer. A
    /// table whose newest records were all left out by compaction has no such file, and would keep
    /// the log for ever. So a table that holds nothing in memory is given a new key.
    pub(super) fn flush_if_above(&self, most: u64, pending: u64) -> Result<(), fjall::Error> {
        // If earlier memory waits to be written out, that comes first.
        if self.pending() <= pending && self.db.journal_disk_space()? <= most || self.is_busy() {
            return Ok(());
        }
        self.flush()
    }

    /// Has every table write out what it holds in memory. A table that holds nothing gets a key
    /// without a meaning.
    ///
    /// Other tables get no such key. A key at the very end makes a file of events overlap all later
    /// ones. The engine, which otherwise moves the files of a topic down as they are, would then
    /// have to merge and rewrite them.
    pub(super) fn flush(&self) -> Result<(), fjall::Error> {
        let mut batch = self.db.batch();
        let idle = self
            .all()
            .filter(|table| table.tree.active_memtable().is_empty());
        idle.for_each(|table| batch.insert(table, keys::NOOP_KEY, []));
        batch.commit()?;
        self.all()
            .try_for_each(|table| table.rotate_memtable().map(drop))
    }

    /// Has the engine remove the files that it has replaced.
    ///
    /// It keeps them for readers of older snapshots, and checks whether there are any when a table
    /// is written out. So a table needs something to write out, and the log must show readers a
    /// newer snapshot before.
    pub(super) fn remove_replaced_files(&self) -> Result<(), fjall::Error> {
        self.meta.rotate_memtable().map(drop)
    }

    /// Returns whether a key has no meaning.
    pub(super) fn is_noop(key: &[u8]) -> bool {
        key == keys::NOOP_KEY
    }
}

/// The only way to write to the tables, which tests replace with a disk that fails.
pub(super) trait Commit: Send {
    /// Writes `batch` whole or not at all. If `sync`, it is then on the device, otherwise it is
    /// with the operating system.
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error>;

    /// Syncs everything to the device.
    fn sync(&mut self) -> Result<(), fjall::Error>;
}

impl Commit for Database {
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error> {
        let mode = if sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        batch.durability(Some(mode)).commit()
    }

    fn sync(&mut self) -> Result<(), fjall::Error> {
        self.persist(PersistMode::SyncData)
    }
}
