//! How a log on disk behaves.

use std::path::PathBuf;
use std::time::Duration;

pub use tidings_journal::Rule;
use tidings_journal::{Bounds, TopicName};

/// How a log on disk is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that is the log's alone. It is made if it is not there.
    pub dir: PathBuf,
    /// When an append counts as done.
    pub sync: Sync,
    /// How much is kept.
    pub retention: Retention,
    /// The most memory for blocks that were read, in bytes.
    pub cache_bytes: u64,
    /// The most files kept open for reading. At least 10; some 60 more are open beside them.
    pub open_files: usize,
    pub(crate) tuning: Tuning,
}

/// When the promise holds: before that, no append is answered, and nothing is shown to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Once the device has it (`fdatasync`). Survives the loss of power.
    Always,
    /// Once the operating system has it; every so often, the device is made to take what it has. Survives the end of the
    /// process; the loss of power costs at most what was appended in that time, and while the device was at it.
    Interval(Duration),
    /// Once the operating system has it, which writes when it likes. Survives the end of the process.
    Never,
}

/// How much is kept. What is over it goes, the oldest of a topic first, in the background.
///
/// A record is governed by its first topic, the one it was published to. Its other topics show it until it goes, or
/// something newer goes that stood there too: a topic never has a hole. So if of `chat/room/a` and `chat/room/b`, which are
/// both shown under `chat`, one is trimmed, `chat` begins behind what was trimmed last, and `chat/room/b` still has all.
///
/// The live record of each key is exempt from all of it: a service that last reported a month ago still has a status.
/// [`Retention::bounds`] says how many of those there may be.
#[derive(Clone, Debug)]
pub struct Retention {
    /// For single topics; of those that match, the most specific holds, and what it leaves open is not limited.
    pub rules: Vec<Rule>,
    /// The age of records that no rule matches.
    pub max_age: Option<Duration>,
    /// The records of all topics together. Over it, the topics that hold most go first.
    pub max_events: u64,
    /// What all topics hold together, in bytes as they are written. Over it, the topics that hold most go first.
    pub max_bytes: u64,
    /// What the directory takes on disk, in bytes, everything included; at least [`Retention::LEAST_DISK`]. The topics that
    /// hold most go first. Appends wait rather than let it pass, and are refused after ten seconds, until there is room.
    pub max_disk: u64,
    /// Live records with a key.
    pub bounds: Bounds,
    /// Topics that hold something: each takes memory. Over it, those whose newest record is oldest go whole. Topics whose name
    /// begins with `_` or `system/` count, and stay, and so does a topic as long as a record with a key stands in it.
    pub max_topics: usize,
}

/// What only tests turn.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// Bytes that a table holds in memory before it writes a file.
    pub(crate) memtable_bytes: u64,
    /// How many records may be appended before the counts are written down.
    pub(crate) checkpoint_every: u64,
    /// The most records that go in one step of trimming.
    pub(crate) trim_step: u64,
    /// How many names of topics that hold nothing are remembered.
    pub(crate) max_vanished: usize,
    /// How long the janitor rests.
    pub(crate) rest: Duration,
    /// How long an append waits for room, before it and all others are refused until there is some.
    pub(crate) patience: Duration,
    /// See [`Retention::LEAST_DISK`].
    pub(crate) least_disk: u64,
    /// What the write-ahead log may take, about, before every table has to write out what it holds.
    pub(crate) log_bytes: u64,
}

impl Options {
    /// The defaults, in `dir`.
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
}

impl Retention {
    /// The least that [`Retention::max_disk`] may be: 256 MiB, as what was written last is kept twice for a while.
    pub const LEAST_DISK: u64 = 256 << 20;

    /// The index of the rule that governs `topic`.
    pub(crate) fn rule_of(&self, topic: &TopicName) -> Option<usize> {
        Rule::governing(&self.rules, topic)
    }
}

impl Default for Retention {
    /// Seven days, and 4 GiB on disk.
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
            trim_step: 1_000,
            max_vanished: 65_536,
            rest: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            least_disk: Retention::LEAST_DISK,
            log_bytes: 128 << 20,
        }
    }
}
