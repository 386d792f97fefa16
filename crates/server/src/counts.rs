//! The counters of a server that only its metrics need, and the gauges of requests in progress. All
//! other numbers in the metrics are read from the modules that count them anyway.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tidings_edge::error::Code;

/// The upper bounds of the buckets in the histogram of publishes, in seconds. A publish to a log in
/// memory falls into the first ones, a publish to a failing disk into the last ones.
const PUBLISH_SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// The counts of a server.
pub(crate) struct Counts {
    /// Held while the metrics are written. Everybody may request them, so they are written for one
    /// request at a time.
    pub(crate) writing: tokio::sync::Mutex<()>,
    /// Events that were stored.
    pub(crate) published: AtomicU64,
    /// How long publishes took until every reader could see them. Observed once per publish, and
    /// not once per stream that receives it, so that delivery pays nothing.
    pub(crate) publish: Histogram,
    /// The number of requests that were answered with each [`Code`], in the order of the codes.
    pub(crate) refused: [AtomicU64; Code::ALL.len()],
    /// Requests that are being answered, until the head of their answer is ready.
    pub(crate) calls: AtomicUsize,
    /// Requests that are being answered although their body has not completely arrived yet.
    pub(crate) arriving: AtomicUsize,
}

/// Adds one to a gauge until it is dropped.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl Default for Counts {
    fn default() -> Self {
        Self {
            writing: tokio::sync::Mutex::default(),
            published: AtomicU64::new(0),
            publish: Histogram::new(PUBLISH_SECONDS),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            calls: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Counts {
    /// Notes that `events` events were stored and made visible in one step, which `took` this long.
    /// `events` is zero if only a receipt was stored.
    pub(crate) fn published(&self, events: usize, took: Duration) {
        if events > 0 {
            self.published
                .fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.publish.observe(took.as_secs_f64());
        }
    }

    /// Notes that a request begins to be answered.
    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a request was answered or given up.
    pub(crate) fn answered(&self) {
        self.calls.fetch_sub(1, Ordering::AcqRel);
    }

    /// Notes that the body of a request is arriving, until the returned value is dropped.
    pub(crate) fn arriving(&self) -> Counted<'_> {
        self.arriving.fetch_add(1, Ordering::AcqRel);
        Counted(&self.arriving)
    }

    /// Returns the number of requests that have completely arrived and are being answered.
    pub(crate) fn whole_calls(&self) -> usize {
        let arriving = self.arriving.load(Ordering::Acquire);
        self.calls.load(Ordering::Acquire).saturating_sub(arriving)
    }

    /// Notes that a request was answered with an error.
    pub(crate) fn refused(&self, code: Code) {
        self.refused[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}
