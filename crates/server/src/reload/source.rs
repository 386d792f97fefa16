//! The source of the settings, for a reload that reads them again.

use parking_lot::Mutex;

use crate::config::{self, Effective, Loaded};

/// A function that reads the settings again.
pub(crate) type Read = Box<dyn Fn() -> Result<Loaded, config::Error> + Send + Sync>;

/// The source of the settings, and the settings that are in use.
pub(crate) struct Source {
    pub(super) read: Read,
    /// The settings that are in use. Locked during a reload, so that reloads follow one another.
    pub(super) in_use: Mutex<Vec<Effective>>,
}

impl Source {
    pub(crate) fn new(loaded: &Loaded, read: Read) -> Self {
        Self {
            read,
            in_use: Mutex::new(loaded.origins.clone()),
        }
    }
}
