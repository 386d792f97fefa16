//! A value that tasks wait for.
//!
//! Unlike the channel of tokio, it wakes those who wait in the order in which they came. A
//! simulation depends on that, because it has to have the same run each time.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A value that tasks wait for.
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone + PartialEq> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    pub(crate) fn get(&self) -> T {
        self.value.lock().clone()
    }

    /// Sets the value, unless `next` returns `None` for the one that it has.
    pub(crate) fn update(&self, next: impl FnOnce(&T) -> Option<T>) {
        let mut value = self.value.lock();
        if let Some(next) = next(&value).filter(|next| *next != *value) {
            *value = next;
            drop(value);
            self.changed.notify_waiters();
        }
    }

    /// Waits until the value is as `condition` says, and returns it.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&T) -> bool) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change is missed
            {
                let value = self.value.lock();
                if condition(&value) {
                    return value.clone();
                }
            }
            changed.await;
        }
    }
}
