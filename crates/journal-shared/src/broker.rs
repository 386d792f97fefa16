//! What a broker does: it appends groups in one order, returns them, and stores a snapshot.
//!
//! A broker knows nothing about events. Implementations know one system each (Redis, NATS) and must
//! never look into a group.
//!
//! # Epochs
//!
//! An epoch is one life of the broker during which it can't have lost anything. [`Broker::open`]
//! begins a new one if the server that answers is not the one that wrote last: it was restarted,
//! promoted, or restored from a backup. Every append names the epoch that it belongs to, and the
//! broker refuses it, in one step with the append, if another epoch is current or the server is not
//! the one on which the epoch was opened ([`Failure::Reopen`]). Beginning an epoch too often harms
//! nobody.

use std::fmt;

use bytes::Bytes;
use tidings_journal::Epoch;

/// The broker's name of a group. Marks grow in the order of the log; zero comes before every group.
///
/// On Redis the mark of a group is the position of its last record, on NATS it is the sequence of
/// the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u64);

/// The random name that a log gets when it is created. A log that was deleted and created anew has
/// another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogId(pub String);

/// The hash of a group, by which the next group says what it follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

/// A group as it is appended.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The group.
    pub bytes: Bytes,
    /// The hash of `bytes`.
    pub tag: Tag,
    /// How many positions the group takes, at least one.
    pub positions: u64,
}

/// A group as the broker returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Its mark.
    pub mark: Mark,
    /// The tag of the group before, if the broker stores it with each group in the same step. A
    /// broker whose marks have no gaps does not: there the group before is the one whose mark is
    /// lower by one.
    pub previous: Option<Tag>,
    /// The broker's time when it appended the group, in milliseconds since 1970.
    pub ms: i64,
    /// The group. Something else if a stranger writes to the log.
    pub bytes: Bytes,
}

/// What [`Broker::open`] asks for.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The id of the log if it is created.
    pub log: LogId,
    /// What the log's `meta` says if the log is created, such as bounds. Opaque, and never changed
    /// later.
    pub meta: Bytes,
    /// The epoch that begins if one has to, and the group that says so. The broker appends that
    /// group in the same step in which it makes the epoch the current one.
    pub epoch: (Epoch, Encoded),
    /// An epoch that must not go on: if it is still the current one, a new one begins.
    pub distrusted: Option<Epoch>,
}

/// The state of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The log.
    pub log: LogId,
    /// The current epoch.
    pub epoch: Epoch,
    /// The mark of the newest group.
    pub head: Mark,
    /// Groups up to this mark may have been truncated.
    pub trimmed: Mark,
    /// The newest snapshot that was committed.
    pub snapshot: Option<SnapshotId>,
}

/// A log that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its state.
    pub state: State,
    /// What [`Opening::meta`] was when the log was created.
    pub meta: Bytes,
    /// How far the promise of the broker goes, for the operator.
    pub promise: String,
}

/// A group that was appended.
#[derive(Clone, Debug)]
pub enum Placed {
    /// The broker said everything that it will say of the group to its readers. The node may fold
    /// it at once if it comes next.
    Whole(Raw),
    /// The group has this mark. What the fold needs besides comes through [`Follow::next`].
    At(Mark),
}

/// The name of a snapshot. No two snapshots have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotId(pub String);

/// A snapshot that becomes the newest one.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The epoch in which it was taken.
    pub epoch: Epoch,
    /// Its name. All of its chunks were written.
    pub snapshot: SnapshotId,
    /// The number of chunks.
    pub chunks: u32,
    /// The mark of the newest group that is in it.
    pub taken_at: Mark,
    /// What [`State::trimmed`] has to be for the commit to take place.
    pub expected: Mark,
    /// Groups up to this mark are truncated.
    pub trimmed: Mark,
}

/// What a follower is told.
#[derive(Clone, Debug)]
pub enum Live {
    /// Groups after those that were returned before, in the order of the log. There may be gaps
    /// with a broker that can lose messages on the way; the caller then reads the missing groups
    /// with [`Broker::page`].
    Groups(Vec<Raw>),
    /// The broker is alive, and this is the state of the log. It comes at least once a second while
    /// there is nothing else.
    Alive(State),
    /// A message of another node, sent with [`Broker::send`].
    Message(Bytes),
}

/// Why a broker did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no answer, or no connection. A group may have been appended or not.
    #[error("the broker gave no answer: {0}")]
    Unsure(String),
    /// Another epoch is current, or the server is another one. Nothing was done, and the log has to
    /// be opened again.
    #[error("the log has to be opened again: {0}")]
    Reopen(String),
    /// The broker has no space, or its limits or settings forbid writing for now. Nothing was done.
    #[error("the broker takes nothing for now: {0}")]
    Full(String),
    /// The group is larger than the broker accepts. Nothing was done.
    #[error("{0}")]
    TooLarge(String),
    /// The groups that were asked for, or a part of the snapshot, are no longer there.
    #[error("{0} is no longer in the broker")]
    Gone(String),
    /// The broker can't be used as it is configured. The text says what the operator has to change.
    #[error("{0}")]
    Unusable(String),
}

/// A broker. All calls may be made at the same time, and each has a time limit of its own, after
/// which it fails with [`Failure::Unsure`].
///
/// After a failure the next call looks up the server anew, connects again if it has to, and waits
/// for nothing else: retries are up to the caller.
#[async_trait::async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Opens the log. Creates it if it does not exist, and begins an epoch if the module
    /// documentation or [`Opening::distrusted`] says so. All of that is one step, even if several
    /// nodes do it at the same time.
    async fn open(&self, opening: &Opening) -> Result<Opened, Failure>;

    /// Appends a group, if `epoch` is the current one and the server is the one on which it was
    /// opened. Returns once the group is as durable as the broker promises.
    async fn append(&self, epoch: Epoch, group: &Encoded) -> Result<Placed, Failure>;

    /// Returns groups after `after`, without a gap, about `bytes` bytes of them and at least one
    /// unless there is none. Fails with [`Failure::Gone`] if groups after `after` were truncated.
    async fn page(&self, after: Mark, bytes: usize) -> Result<Vec<Raw>, Failure>;

    /// Begins to return the groups after `after` as they are appended.
    async fn follow(&self, after: Mark) -> Result<Box<dyn Follow>, Failure>;

    /// Writes a chunk of a snapshot that was not committed yet. A chunk has at most 1 MiB. Chunks
    /// of a snapshot that is never committed are removed by the broker after some minutes.
    async fn write_chunk(
        &self,
        snapshot: &SnapshotId,
        nth: u32,
        bytes: Bytes,
    ) -> Result<(), Failure>;

    /// Makes a snapshot the newest one and truncates the log, in one step, and keeps the snapshot
    /// before it. Returns false, and does nothing, if [`Commit::expected`] or the epoch is not what
    /// the log has.
    async fn commit(&self, commit: &Commit) -> Result<bool, Failure>;

    /// Returns a chunk of a committed snapshot; `None` behind the last one. Fails with
    /// [`Failure::Gone`] if the snapshot was replaced meanwhile.
    async fn read_chunk(&self, snapshot: &SnapshotId, nth: u32) -> Result<Option<Bytes>, Failure>;

    /// Sends a message to all nodes that follow the log, this one included. It may be lost.
    async fn send(&self, message: Bytes) -> Result<(), Failure>;
}

/// A reader of the end of a broker's log as it grows.
#[async_trait::async_trait]
pub trait Follow: Send {
    /// Waits for news. Cancel-safe. After an error the reader is of no use any more.
    async fn next(&mut self) -> Result<Live, Failure>;
}

impl Tag {
    /// Returns the hash of a group.
    pub fn of(group: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(group))
    }
}

impl Encoded {
    /// Returns a group that takes `positions` positions.
    pub fn new(bytes: Bytes, positions: u64) -> Self {
        let tag = Tag::of(&bytes);
        Self {
            bytes,
            tag,
            positions: positions.max(1),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
