//! Where the settings come from, for who reads them again.

use parking_lot::Mutex;

use crate::config::{self, Effective, Loaded};

/// Reads the settings anew.
pub(crate) type Read = Box<dyn Fn() -> Result<Loaded, config::Error> + Send + Sync>;

/// Where the settings come from, and which of them hold.
pub(crate) struct Source {
    pub(super) read: Read,
    /// Locked during a reload, so that one follows the other.
    pub(super) holds: Mutex<Vec<Effective>>,
}

impl Source {
    pub(crate) fn new(loaded: &Loaded, read: Read) -> Self {
        Self { read, holds: Mutex::new(loaded.origins.clone()) }
    }
}
