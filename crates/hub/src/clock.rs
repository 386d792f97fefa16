//! The one place that asks what time it is.

use std::sync::Arc;

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
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self { wall: Arc::new(Timestamp::now), steady: Some(steady()) }
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
