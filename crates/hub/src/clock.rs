//! The only place that reads the system's clocks.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

/// A clock. It is passed in wherever time matters, so that tests can set it.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The monotonic clock, in milliseconds since any moment. `None` if the wall clock is used as
    /// the monotonic one too, because nothing sets it.
    steady: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl Clock {
    /// Returns the system's clocks.
    ///
    /// Where the system's clock is outside of the years -9999 to 9999, it returns the first or the
    /// last time within them.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self {
            wall: Arc::new(|| nearest(SystemTime::now())),
            steady: Some(steady()),
        }
    }

    /// Creates a clock for tests: `now` is used as the wall clock and as the monotonic clock.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(now),
            steady: None,
        }
    }

    /// Creates a clock that may be set: `now` is the wall clock, and `steady` the monotonic clock,
    /// in milliseconds since any moment.
    pub fn from_fns(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        steady: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            wall: Arc::new(now),
            steady: Some(Arc::new(steady)),
        }
    }

    /// Returns the time by the wall clock.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// Returns the time by the wall clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Returns the time by the monotonic clock, in milliseconds since any moment.
    pub fn steady_ms(&self) -> i64 {
        self.steady
            .as_ref()
            .map_or_else(|| self.now_ms(), |steady| steady())
    }
}

/// Converts a time to a date, or to the nearest date that can be represented. [`Timestamp::now`]
/// panics outside of that range.
fn nearest(time: SystemTime) -> Timestamp {
    let outside = if time < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::try_from(time).unwrap_or(outside)
}

/// Returns a monotonic clock that also counts while the machine is suspended. With another one, a
/// laptop that was closed for a night would look like a machine whose wall clock was set.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn steady() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(|| {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since_boot
            .tv_sec
            .saturating_mul(1_000)
            .saturating_add(since_boot.tv_nsec / 1_000_000)
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place, and tests that pause the time bring their own clock"
)]
fn steady() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    let start = std::time::Instant::now();
    Arc::new(move || i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_outside_of_all_dates_returns_the_last_or_the_first_date() {
        const LONG: Duration = Duration::from_hours(100_000_000);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH + LONG), Timestamp::MAX);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH - 2 * LONG), Timestamp::MIN);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
    }
}
