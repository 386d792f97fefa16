//! The names of the keys. All have one hash tag, so that they are in one slot.

use tidings_journal_shared::broker::SnapshotId;

/// The names of the keys of a log.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    /// A hash: which log, which epoch, its head, how far it is truncated, its snapshots.
    pub(crate) meta: String,
    /// A stream of groups. The id of an entry is `<position of its last record>-0`.
    pub(crate) log: String,
    /// A stream of messages between nodes.
    pub(crate) messages: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix = format!("{{{prefix}}}");
        Self {
            meta: format!("{prefix}:meta"),
            log: format!("{prefix}:log"),
            messages: format!("{prefix}:ctl"),
            prefix,
        }
    }

    /// A chunk of a snapshot.
    pub(crate) fn chunk(&self, snapshot: &SnapshotId, nth: u32) -> String {
        format!("{}:snap:{}:{nth}", self.prefix, snapshot.0)
    }
}
