//! What a log tells of itself to those who watch it: how much it keeps, how fast it writes, whether it has failed.
//!
//! Counted where it happens, by the few threads that write, so plain atomics do. Must never hold up an append.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the times that are told apart, in microseconds: from what a device with a safe cache takes to what
/// one in trouble does.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];

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

/// What the threads of a log on disk count.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) trimmed: AtomicU64,
    pub(crate) topics_trimmed: AtomicU64,
    pub(crate) appends: Stopwatch,
    pub(crate) syncs: Stopwatch,
}

/// Counts times.
#[derive(Default)]
pub(crate) struct Stopwatch {
    /// By bound; the last is for what is above all of them.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// Adds to a count.
pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Stopwatch {
    pub(crate) fn observe(&self, took: Duration) {
        let bound = BOUNDS_US.partition_point(|bound| Duration::from_micros(*bound) < took);
        add(&self.counts[bound], 1);
        add(&self.sum_ns, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> Times {
        let bounds = BOUNDS_US.into_iter().map(|bound| Some(Duration::from_micros(bound))).chain([None]);
        Times {
            counts: bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect(),
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_below_the_first_bound_that_it_does_not_exceed() {
        let stopwatch = Stopwatch::default();
        let times = [0, 50_000, 50_001, 5_000_000_000, 5_000_000_001].map(Duration::from_nanos);
        for took in times {
            stopwatch.observe(took);
        }
        let Times { counts, sum } = stopwatch.read();
        let found: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let us = |us| Some(Duration::from_micros(us));
        assert_eq!(found, [(us(50), 2), (us(100), 1), (us(5_000_000), 1), (None, 1)]);
        assert_eq!(sum, times.iter().sum());
    }
}
