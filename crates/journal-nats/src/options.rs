//! What has to be known about the servers.

use std::fmt;
use std::path::PathBuf;

use tidings_journal_shared::broker::Failure;

/// What has to be known about the servers, and what the log on them has to promise.
#[derive(Clone)]
pub struct Options {
    /// The URLs of the servers, such as `nats://127.0.0.1:4222` or `tls://user:password@host`. They
    /// are tried in random order.
    pub servers: Vec<String>,
    /// The file with the credentials (a JWT and the seed of a key), if there is one.
    pub credentials: Option<PathBuf>,
    /// The beginning of all names of streams and subjects. Letters, digits, `-` and `_`.
    pub prefix: String,
    /// How many servers have a copy of the log. `None`: three in a cluster that has them, else one.
    /// It matters only when the log is created.
    pub replicas: Option<u8>,
    /// The size in bytes up to which the stream of the log may grow. It matters only when the log
    /// is created.
    pub max_bytes: u64,
    /// Whether each publish has to be on a device before it is answered. The server can't be asked
    /// for that, so it is refused unless the operator says that `sync_interval: always` is set
    /// ([`Options::syncs_always`]).
    pub needs_sync: bool,
    /// The operator's word that the servers are configured with `sync_interval: always`.
    pub syncs_always: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            credentials: None,
            prefix: "tidings".to_owned(),
            replicas: None,
            max_bytes: 384 << 20,
            needs_sync: false,
            syncs_always: false,
        }
    }
}

impl Options {
    /// Fails if the prefix can't be part of a name: in a subject, `.`, `*` and `>` have a meaning.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.prefix.is_empty() || !self.prefix.bytes().all(is_allowed) {
            return Err(Failure::Unusable(format!(
                "{:?} can't begin the names of streams and subjects; set JOURNAL_PREFIX to letters, \
                 digits, `-` and `_`",
                self.prefix
            )));
        }
        Ok(())
    }
}

/// Does not show the URLs, which may contain a password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("servers", &self.servers.len())
            .field("credentials", &self.credentials)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// The names of a log's streams and subjects.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The stream of the log.
    pub(crate) log: String,
    /// The stream of snapshots.
    pub(crate) snapshots: String,
    /// The subject of groups.
    pub(crate) group: String,
    /// The subject of groups that begin an epoch.
    pub(crate) epoch: String,
    /// The subjects on which stored groups are published again.
    pub(crate) live: String,
    /// The subject of the newest snapshot's description.
    pub(crate) newest_snapshot: String,
    /// The subject of messages between nodes.
    pub(crate) bus: String,
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let upper = prefix.to_ascii_uppercase();
        Self {
            log: format!("{upper}_LOG"),
            snapshots: format!("{upper}_SNAPSHOTS"),
            group: format!("{prefix}.log.group"),
            epoch: format!("{prefix}.log.epoch"),
            live: format!("{prefix}.live.>"),
            newest_snapshot: format!("{prefix}.snapshot.newest"),
            bus: format!("{prefix}.bus"),
            prefix: prefix.to_owned(),
        }
    }

    /// The subjects of the log.
    pub(crate) fn logged(&self) -> String {
        format!("{}.log.>", self.prefix)
    }

    /// The subjects of the stream of snapshots.
    pub(crate) fn snapshot_subjects(&self) -> String {
        format!("{}.snapshot.>", self.prefix)
    }

    /// The subjects of all chunks of a snapshot.
    pub(crate) fn chunks(&self, snapshot: &str) -> String {
        format!("{}.snapshot.chunk.{snapshot}.*", self.prefix)
    }

    /// The subject of a chunk.
    pub(crate) fn chunk(&self, snapshot: &str, nth: u32) -> String {
        format!("{}.snapshot.chunk.{snapshot}.{nth}", self.prefix)
    }
}
