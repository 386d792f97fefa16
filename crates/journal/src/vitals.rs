//! What a log tells of itself to those who watch it: how much it keeps, how fast it writes, whether it has failed.

use std::time::Duration;

/// What a log tells of itself. What it does not know, or has no such thing, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Entries without a key that are kept.
    pub kept: Option<u64>,
    /// Entries without a key that were let go of since the start.
    pub trimmed: Option<u64>,
    /// Topics of which something is kept.
    pub topics: Option<u64>,
    /// Topics that were let go of since the start because there were too many.
    pub topics_trimmed: Option<u64>,
    /// When the oldest of those that are kept was published, in milliseconds since 1970; may be some seconds old.
    pub oldest_ms: Option<i64>,
    /// The pools of keys. Empty if the log knows of none.
    pub keyed: Vec<PoolVitals>,
    /// Of a log on disk.
    pub disk: Option<DiskVitals>,
}

/// How full a pool of keys is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolVitals {
    /// Its name: see [`Bounds::name`](crate::Bounds::name).
    pub name: String,
    /// How many live records with a key it has.
    pub held: u64,
    /// How many it has room for.
    pub most: u64,
}

/// What only a log on disk has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskVitals {
    /// Whether a write or a sync has failed: no append is taken until the log is opened anew.
    pub failed: bool,
    /// How many places of the log were found that can't be read any more, because a file is damaged.
    pub damaged: u64,
    /// How many files there are in the directory with what was cut off the log though it had been acknowledged, because what
    /// came before it was damaged. The operator removes them.
    pub cut: u64,
    /// What the directory takes on disk, in bytes; may be some seconds old. `None` before the first look.
    pub bytes: Option<u64>,
    /// What it may take, in bytes.
    pub ceiling: Option<u64>,
    /// Batches that were written since the start, each in one step, and the entries in them.
    pub batches: u64,
    /// See `batches`.
    pub records: u64,
    /// How long appends took, from when they were ready to be written until the promise held.
    pub appends: Times,
    /// How long writing took where it ended with a sync, and the syncs between writes.
    pub syncs: Times,
}

/// A histogram of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// Upper bounds, rising, and how many were at most so long and longer than the bound before; the last has no bound.
    pub counts: Vec<(Option<Duration>, u64)>,
    /// All of them together.
    pub sum: Duration,
}
