//! The clock for the times of sending and of arrival, in nanoseconds since 1970.

use tidings_hub::Clock;
use tokio::time::Instant;

/// A clock that reads the time of day only once, at the start of a run. It never jumps afterwards,
/// because a latency is a difference of two of its times.
#[derive(Clone, Copy)]
pub(super) struct SteadyClock {
    start: Instant,
    at_start: u64,
}

impl SteadyClock {
    pub(super) fn start() -> Self {
        let at_start = u64::try_from(Clock::system().now().as_nanosecond()).unwrap_or_default();
        Self {
            start: Instant::now(),
            at_start,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.at_start + u64::try_from(self.start.elapsed().as_nanos()).unwrap_or_default()
    }
}
