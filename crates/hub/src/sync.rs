//! The locks and atomics of the delivery core, so that a model checker can stand in for them.
//!
//! Under `--cfg shuttle` each operation is a point at which the checker may switch threads (`tests/concurrency.rs`).

#[cfg(not(shuttle))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(shuttle))]
pub(crate) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(shuttle)]
pub(crate) use checked::Mutex;
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(shuttle)]
mod checked {
    /// A lock with `parking_lot`'s interface.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().expect("a panic under the lock has failed the test already")
        }
    }
}
