//! The only place that reads the system's clocks.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

/// A clock. It is passed in wherever time matters, so that tests can set it.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A monotonic clock, in milliseconds since any moment. Without one, the wall clock is
    /// monotonic, because nothing sets it.
    steady: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl Clock {
    /// The system's clocks.
    ///
    /// Where the system's clock is outside of the years -9999 to 9999, it returns the first or the
    /// last time within them.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self { wall: Arc::new(|| nearest(SystemTime::now())), steady: Some(steady()) }
    }

    /// A clock that returns what `now` returns, and that nothing sets: where `now` moves by a
    /// second, a second has passed.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(now), steady: None }
    }

    /// A clock that may be set: `now` is the wall clock, and `steady` the monotonic clock, in
    /// milliseconds since any moment.
    pub fn from_fns(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        steady: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(now), steady: Some(Arc::new(steady)) }
    }

    /// The time by the wall clock.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// The time by the wall clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// The time by the monotonic clock, in milliseconds since any moment.
    pub fn steady_ms(&self) -> i64 {
        self.steady.as_ref().map_or_else(|| self.now_ms(), |steady| steady())
    }
}

/// The time as a date, or the nearest date there is: [`Timestamp::now`] panics outside of its
/// range.
fn nearest(time: SystemTime) -> Timestamp {
    let outside = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(outside)
}

/// The monotonic clock that counts while the machine is suspended, too. Otherwise a laptop that was
/// closed for a night would look like one whose wall clock was set.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn steady() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(|| {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since_boot.tv_sec.saturating_mul(1_000).saturating_add(since_boot.tv_nsec / 1_000_000)
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "this is the place, and tests that pause the time bring their own clock")]
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
        const AN_AGE: Duration = Duration::from_hours(100_000_000);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH + AN_AGE), Timestamp::MAX);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH - 2 * AN_AGE), Timestamp::MIN);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
    }
}
