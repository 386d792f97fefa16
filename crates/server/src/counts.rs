//! What is counted for the metrics alone, or to know what is still under way. Everything else is read where it is counted
//! already.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tidings_edge::error::Code;

/// From what a log in memory takes to what a disk in trouble does, in seconds.
const PUBLISH_SECONDS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What is counted for the metrics alone.
pub(crate) struct Counts {
    /// Held while the numbers are written, which anybody may ask for: one at a time is enough.
    pub(crate) writing: tokio::sync::Mutex<()>,
    pub(crate) published: AtomicU64,
    /// How long publishes took until every reader could see them. Observed once per publish, not once per stream that it
    /// goes to, so that delivery pays nothing.
    pub(crate) publish: Histogram,
    /// By the number of the [`Code`].
    pub(crate) refused: [AtomicU64; Code::ALL.len()],
    /// Requests that are being answered, until their answer's head is ready.
    pub(crate) calls: AtomicUsize,
    /// Those of them whose body is still on its way.
    pub(crate) arriving: AtomicUsize,
}

/// Counts in one of the gauges as long as it is there.
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
    /// So many events were stored and made visible in one step; none if only a receipt was.
    pub(crate) fn published(&self, events: usize, took: Duration) {
        if events > 0 {
            self.published.fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.publish.observe(took.as_secs_f64());
        }
    }

    /// A request begins to be answered.
    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
    }

    /// It was answered, or given up.
    pub(crate) fn answered(&self) {
        self.calls.fetch_sub(1, Ordering::AcqRel);
    }

    /// A request's body is on its way, as long as what is returned is there.
    pub(crate) fn arriving(&self) -> Counted<'_> {
        self.arriving.fetch_add(1, Ordering::AcqRel);
        Counted(&self.arriving)
    }

    /// How many requests have arrived whole and are being answered.
    pub(crate) fn whole_calls(&self) -> usize {
        let arriving = self.arriving.load(Ordering::Acquire);
        self.calls.load(Ordering::Acquire).saturating_sub(arriving)
    }

    /// A request was answered with an error.
    pub(crate) fn refused(&self, code: Code) {
        self.refused[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}
