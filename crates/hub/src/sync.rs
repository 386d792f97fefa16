//! The locks and atomics of the delivery core, which a model checker can replace.
//!
//! Under `--cfg shuttle` each operation is a point at which the checker may switch threads
//! (`tests/concurrency.rs`).

#[cfg(not(shuttle))]
pub(crate) use arc_swap::ArcSwap;
#[cfg(not(shuttle))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(shuttle))]
pub(crate) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(shuttle)]
pub(crate) use checked::{ArcSwap, Mutex};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(shuttle)]
mod checked {
    use std::sync::Arc;

    /// A shared value that is replaced as a whole, with the interface of `arc_swap`.
    pub(crate) struct ArcSwap<T>(shuttle::sync::Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            self.0
                .lock()
                .expect("a panic under the lock has failed the test already")
                .clone()
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self
                .0
                .lock()
                .expect("a panic under the lock has failed the test already") = value;
        }
    }

    /// A lock with the interface of `parking_lot`.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("a panic under the lock has failed the test already")
        }
    }
}
