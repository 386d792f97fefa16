//! The interface between the promises and an implementation.

use tidings_journal::{Bounds, Journal};

/// An implementation of [`Journal`], and the place where one of its logs is kept.
pub trait Backend {
    /// Opens the log with these bounds on live keys and on topics. If the log is durable, it has
    /// what was appended before.
    fn open_with(&self, bounds: Bounds, max_topics: usize) -> Box<dyn Journal>;

    /// Opens another log, which is empty.
    fn another(&self) -> Box<dyn Journal>;

    /// Returns further functions of a log that outlives being closed; `None` if this one does not.
    fn durable(&self) -> Option<&dyn Durable> {
        None
    }
}

/// A log that outlives being closed.
pub trait Durable {
    /// Reads everything that the closed log holds, and returns how many entries there are. Panics
    /// if anything is wrong.
    fn verify(&self) -> usize;
}

impl dyn Backend + '_ {
    /// Opens the log with bounds that are too high for any promise to reach.
    pub fn open(&self) -> Box<dyn Journal> {
        self.open_keeping(10_000)
    }

    /// Opens the log with the same bound for each pool of keys.
    pub fn open_keeping(&self, max_keyed: usize) -> Box<dyn Journal> {
        self.open_with(Bounds::of_each(max_keyed), 200_000)
    }
}
