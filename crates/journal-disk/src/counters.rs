//! The counters of the log's threads, for [`DiskVitals`](tidings_journal::DiskVitals).
//!
//! Only a few threads count, so plain atomics are enough. Counting must never delay an append.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_journal::Histogram;

/// The upper bounds of the histogram's buckets in microseconds, from what a device with a safe
/// write cache takes to what a failing one takes.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// The counters of a log on disk.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) batches: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) trimmed: AtomicU64,
    pub(super) topics_trimmed: AtomicU64,
    pub(super) appends: AtomicHistogram,
    pub(super) syncs: AtomicHistogram,
}

/// A histogram of durations.
#[derive(Default)]
pub(super) struct AtomicHistogram {
    /// The buckets by bound. The last one is for durations above all bounds.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl AtomicHistogram {
    pub(super) fn observe(&self, took: Duration) {
        let bound = BOUNDS_US.partition_point(|bound| Duration::from_micros(*bound) < took);
        add(&self.counts[bound], 1);
        add(
            &self.sum_ns,
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    pub(super) fn read(&self) -> Histogram {
        let bounds = BOUNDS_US
            .into_iter()
            .map(|bound| Some(Duration::from_micros(bound)))
            .chain([None]);
        Histogram {
            counts: bounds
                .zip(
                    self.counts
                        .iter()
                        .map(|count| count.load(Ordering::Relaxed)),
                )
                .collect(),
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_the_first_bound_that_it_does_not_exceed() {
        let histogram = AtomicHistogram::default();
        let times = [0, 50_000, 50_001, 5_000_000_000, 5_000_000_001].map(Duration::from_nanos);
        for took in times {
            histogram.observe(took);
        }
        let Histogram { counts, sum } = histogram.read();
        let found: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let us = |us| Some(Duration::from_micros(us));
        assert_eq!(
            found,
            [(us(50), 2), (us(100), 1), (us(5_000_000), 1), (None, 1)]
        );
        assert_eq!(sum, times.iter().sum());
    }
}
