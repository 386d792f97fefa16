//! What all streams were sent since the start: events, their bytes, their delays, and how many
//! cursors could be served.
//!
//! Every write is counted, so there are several sets of counters, each in a cache line of its own.
//! A thread uses only one of them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::wording::ResetReason;

/// The number of sets of counters. If there are more threads, some of them share a set.
const STRIPES: usize = 16;

/// The delay of one write in this many is measured, because reading the clock costs as much as all
/// of the counting.
const SAMPLE: u64 = 16;

/// The upper bounds of the histogram of delays, in milliseconds.
const BOUNDS_MS: [u32; 13] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

/// The counters.
#[derive(Default)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
    /// The number of delays in each bucket. The last bucket has the delays above all bounds.
    delays: [AtomicU64; BOUNDS_MS.len() + 1],
    delays_ms: AtomicU64,
    resumed: AtomicU64,
    resets: [AtomicU64; ResetReason::ALL.len()],
}

/// One set of counters, for some of the threads.
#[derive(Default)]
#[repr(align(64))]
struct Stripe {
    writes: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    replayed: AtomicU64,
}

/// What all streams were sent since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Events, each counted for every stream that it was sent on.
    pub events: u64,
    /// The bytes of those events, with their chunk framing.
    pub bytes: u64,
    /// Events among them that a client had missed and that were read from the log.
    pub replayed: u64,
    /// Streams that began where their client asked for.
    pub resumed: u64,
    /// Streams on which a `reset` was sent, by reason.
    pub resets: [(ResetReason, u64); ResetReason::ALL.len()],
    /// The delays of live events: from when readers could see an event to when a stream took it to
    /// write it.
    pub delays: Delays,
}

/// A histogram of delays, sampled from one write in sixteen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Upper bounds in milliseconds, ascending, each with the number of delays up to it and above
    /// the bound before. The last entry has no bound.
    pub counts: Vec<(Option<u32>, u64)>,
    /// The sum of all sampled delays, in milliseconds.
    pub sum_ms: u64,
}

impl Counters {
    /// Counts `events` live events of `bytes` in total that a stream took. `delay_ms` returns the
    /// delay of the oldest of them.
    pub(crate) fn delivered(&self, events: u64, bytes: u64, delay_ms: impl FnOnce() -> i64) {
        let stripe = self.stripe();
        stripe.count(events, bytes);
        if stripe
            .writes
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SAMPLE)
        {
            let delay_ms = delay_ms().max(0).unsigned_abs();
            let bound = BOUNDS_MS.partition_point(|bound| u64::from(*bound) < delay_ms);
            self.delays[bound].fetch_add(1, Ordering::Relaxed);
            self.delays_ms.fetch_add(delay_ms, Ordering::Relaxed);
        }
    }

    /// Counts `events` missed events of `bytes` in total that a stream took.
    pub(crate) fn replayed(&self, events: u64, bytes: u64) {
        let stripe = self.stripe();
        stripe.count(events, bytes);
        stripe.replayed.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn resumed(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self, reason: ResetReason) {
        self.resets[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        let sum = |of: fn(&Stripe) -> &AtomicU64| {
            self.stripes
                .iter()
                .map(|one| of(one).load(Ordering::Relaxed))
                .sum()
        };
        let bounds = BOUNDS_MS.into_iter().map(Some).chain([None]);
        Traffic {
            events: sum(|stripe| &stripe.events),
            bytes: sum(|stripe| &stripe.bytes),
            replayed: sum(|stripe| &stripe.replayed),
            resumed: self.resumed.load(Ordering::Relaxed),
            resets: ResetReason::ALL
                .map(|reason| (reason, self.resets[reason.index()].load(Ordering::Relaxed))),
            delays: Delays {
                counts: bounds
                    .zip(
                        self.delays
                            .iter()
                            .map(|count| count.load(Ordering::Relaxed)),
                    )
                    .collect(),
                sum_ms: self.delays_ms.load(Ordering::Relaxed),
            },
        }
    }

    fn stripe(&self) -> &Stripe {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static STRIPE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        &self.stripes[STRIPE.with(|stripe| *stripe)]
    }
}

impl Stripe {
    fn count(&self, events: u64, bytes: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_include_what_every_thread_has_counted() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| counters.delivered(2, 30, || 0));
                scope.spawn(|| counters.replayed(1, 10));
            }
        });
        let traffic = counters.read();
        let threads = 2 * STRIPES as u64;
        assert_eq!(
            (traffic.events, traffic.bytes, traffic.replayed),
            (3 * threads, 40 * threads, threads)
        );
    }

    #[test]
    fn the_delay_of_every_sixteenth_write_is_counted_in_its_bucket() {
        let counters = Counters::default();
        for delay_ms in [-3, 1, 2, 7, 60_000] {
            counters.delivered(1, 1, || delay_ms);
            (1..SAMPLE).for_each(|_| counters.delivered(1, 1, || unreachable!()));
        }
        let Delays { counts, sum_ms } = counters.read().delays;
        let found: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            (found, sum_ms),
            (
                vec![(Some(1), 2), (Some(2), 1), (Some(10), 1), (None, 1)],
                60_010
            )
        );
    }
}
