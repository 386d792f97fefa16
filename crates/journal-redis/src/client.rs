//! What the log and its followers share: the options, the keys, the scripts and the connections.
//!
//! Two connections, one for appends and one for everything else, so that neither a large snapshot
//! nor a message waits for a replica. Each follower has a third.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use parking_lot::Mutex;
use tidings_journal::Epoch;

use crate::keys::Keys;
use crate::link::Link;
use crate::lua::Scripts;
use crate::options::Options;

/// What the log and its followers share.
pub(crate) struct Client {
    pub(crate) options: Options,
    pub(crate) keys: Keys,
    pub(crate) scripts: Scripts,
    pub(crate) writer: Link,
    pub(crate) others: Link,
    /// The epoch that was opened last, and the replication id of the server on which it was.
    pub(crate) incarnation: Mutex<Option<(Epoch, Arc<str>)>>,
    pub(crate) was_open: AtomicBool,
    /// The mean size of the groups of the last page, in bytes.
    pub(crate) mean: AtomicUsize,
}

impl Client {
    pub(crate) fn new(options: Options) -> Self {
        const MEAN_AT_FIRST: usize = 64 << 10;
        Self {
            keys: Keys::new(&options.prefix),
            scripts: Scripts::new(),
            writer: Link::default(),
            others: Link::default(),
            incarnation: Mutex::new(None),
            was_open: AtomicBool::new(false),
            mean: AtomicUsize::new(MEAN_AT_FIRST),
            options,
        }
    }

    /// Gives up all connections, so that the next calls look up the server anew.
    pub(crate) fn give_up(&self) {
        self.writer.give_up();
        self.others.give_up();
    }

    /// Returns the replication id of the server on which an epoch was opened.
    pub(crate) fn server_of(&self, epoch: Epoch) -> Option<Arc<str>> {
        self.incarnation
            .lock()
            .as_ref()
            .filter(|(opened, _)| *opened == epoch)
            .map(|(_, server)| Arc::clone(server))
    }
}
