//! The options of a log on disk.

use std::path::PathBuf;
use std::time::Duration;

pub use tidings_journal::Rule;
use tidings_journal::{Bounds, TopicName};

/// How a log on disk is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory, which must be the log's alone. It is created if it does not exist.
    pub dir: PathBuf,
    /// When an append counts as done.
    pub sync: Sync,
    /// How much is kept.
    pub retention: Retention,
    /// The most memory for the cache of blocks that were read, in bytes.
    pub cache_bytes: u64,
    /// The most files that are kept open for reading, at least 10. About 60 more are open at the
    /// same time.
    pub open_files: usize,
    pub(crate) tuning: Tuning,
}

/// When an append is as durable as the log promises. Before that, it is not answered, and no reader
/// sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the device has it (`fdatasync`). An append survives the loss of power.
    Always,
    /// When the operating system has it. The device is synced at this interval. An append survives
    /// the end of the process; a loss of power costs at most what was appended since the last sync
    /// began.
    Interval(Duration),
    /// When the operating system has it, which writes to the device at a time of its own. An append
    /// survives the end of the process.
    Never,
}

/// How much is kept. A background thread trims what is above a limit, the oldest records of a topic
/// first.
///
/// A record is governed by its first topic, the one that it was published to. Its other topics show
/// it until it is trimmed, or until a newer record that also stands in them is trimmed, because a
/// topic never has a gap. For example, `chat/room/a` and `chat/room/b` are both shown in `chat`. If
/// records of the first room are trimmed, `chat` begins behind the last of these, and `chat/room/b`
/// still has all of its records.
///
/// The live record of each key is exempt from all limits: a service that last reported a month ago
/// still has a status. [`Retention::bounds`] limits the number of live records.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Limits for some of the topics. The most specific rule that matches a topic governs it, and a
    /// limit that this rule leaves out does not apply.
    pub rules: Vec<Rule>,
    /// The greatest age of a record that no rule governs.
    pub max_age: Option<Duration>,
    /// The most records in all topics together. Above it, the topics that hold the most records are
    /// trimmed first.
    pub max_events: u64,
    /// The most bytes in all topics together, as they are written. Above it, the topics that hold
    /// the most bytes are trimmed first.
    pub max_bytes: u64,
    /// The most bytes that the whole directory may take on disk, at least
    /// [`Retention::MIN_DISK_BYTES`]. The topics that hold the most bytes are trimmed first.
    /// Appends wait rather than exceed it; after ten seconds they are refused until there is space.
    pub max_disk: u64,
    /// The most live records with a key.
    pub bounds: Bounds,
    /// The most topics that hold records, because each topic takes memory. Above it, the topics
    /// whose newest records are oldest are trimmed whole. Topics whose name begins with `_` or
    /// `system/` are counted but never trimmed for this, and neither is a topic in which a record
    /// with a key stands.
    pub max_topics: usize,
}

/// Values that only tests change.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// The size at which a table in memory is written to a file, in bytes.
    pub(crate) memtable_bytes: u64,
    /// After how many appended records the topics' counts are written.
    pub(crate) checkpoint_every: u64,
    /// The most records that are trimmed from a topic in one step.
    pub(crate) max_trim_records: u64,
    /// The most topics without records whose floor is remembered by name.
    pub(crate) max_empty_topics: usize,
    /// How long the retention task rests.
    pub(crate) retention_interval: Duration,
    /// How long an append waits for space before it and all others are refused.
    pub(crate) append_timeout: Duration,
    /// The lower limit of the ceiling, see [`Retention::MIN_DISK_BYTES`].
    pub(crate) min_disk_bytes: u64,
    /// The approximate size of the write-ahead log, in bytes, at which every table writes out what
    /// it holds in memory.
    pub(crate) max_wal_bytes: u64,
}

impl Options {
    /// Returns the default options for the log in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            sync: Sync::Always,
            retention: Retention::default(),
            cache_bytes: 16 << 20,
            open_files: 128,
            tuning: Tuning::default(),
        }
    }

    /// Returns the size that the directory may have, in bytes.
    pub(crate) fn ceiling_bytes(&self) -> u64 {
        self.retention.max_disk.max(self.tuning.min_disk_bytes)
    }
}

impl Retention {
    /// The lower limit of [`Retention::max_disk`]: 256 MiB, because what was written last is stored
    /// twice for a while.
    pub const MIN_DISK_BYTES: u64 = 256 << 20;

    /// Returns the index of the rule that governs `topic`.
    pub(crate) fn rule_of(&self, topic: &TopicName) -> Option<usize> {
        Rule::governing(&self.rules, topic)
    }
}

impl Default for Retention {
    /// Returns limits of seven days, and 4 GiB on disk.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            max_age: Some(Duration::from_hours(7 * 24)),
            max_events: u64::MAX,
            max_bytes: u64::MAX,
            max_disk: 4 << 30,
            bounds: Bounds::default(),
            max_topics: 200_000,
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            memtable_bytes: 8 << 20,
            checkpoint_every: 65_536,
            max_trim_records: 1_000,
            max_empty_topics: 65_536,
            retention_interval: Duration::from_secs(1),
            append_timeout: Duration::from_secs(10),
            min_disk_bytes: Retention::MIN_DISK_BYTES,
            max_wal_bytes: 128 << 20,
        }
    }
}
