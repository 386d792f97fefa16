//! The one place that asks what time it is.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

/// Tells the time. Passed in wherever time matters, so that tests can set it.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// In milliseconds since any moment; where there is none, it is the wall clock, which is never set then.
    steady: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl Clock {
    /// The system's clocks.
    /// Says the first or the last time there is where the system's clock stands outside of the years -9999 to 9999.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self { wall: Arc::new(|| nearest(SystemTime::now())), steady: Some(steady()) }
    }

    /// A clock that says what `now` says; where that moves, so much time has passed.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(now), steady: None }
    }

    /// A clock that may be set: it says what `now` says, and by `steady`, in milliseconds since any moment, time passes.
    pub fn from_fns(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        steady: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(now), steady: Some(Arc::new(steady)) }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// The time in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// What a clock says that nobody can set, in milliseconds since any moment.
    pub fn steady_ms(&self) -> i64 {
        self.steady.as_ref().map_or_else(|| self.now_ms(), |steady| steady())
    }
}

/// The same time, or the nearest that has a date: [`Timestamp::now`] panics where there is none.
fn nearest(time: SystemTime) -> Timestamp {
    let outside = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(outside)
}

/// A clock that counts while the machine is suspended, too: a laptop that was closed for a night was not set.
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
    fn a_clock_beyond_all_dates_says_the_last_or_the_first_one() {
        const AN_AGE: Duration = Duration::from_hours(100_000_000);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH + AN_AGE), Timestamp::MAX);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH - 2 * AN_AGE), Timestamp::MIN);
        assert_eq!(nearest(SystemTime::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
    }
}
