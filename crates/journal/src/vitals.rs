//! The figures that a log reports for monitoring: how much it keeps, how fast it writes, whether it
//! has failed.

use std::time::Duration;

/// The figures of a log. A field is `None` if the log does not know the figure, or if it does
/// not apply to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The number of kept entries without a key.
    pub kept: Option<u64>,
    /// The number of entries without a key that were trimmed since the start.
    pub trimmed: Option<u64>,
    /// The number of topics that hold entries.
    pub topics: Option<u64>,
    /// The number of topics that were trimmed whole since the start because there were too many.
    pub topics_trimmed: Option<u64>,
    /// When the oldest kept entry without a key was published, in milliseconds since 1970. It may
    /// be some seconds out of date.
    pub oldest_ms: Option<i64>,
    /// The pools of live keys. Empty if the log has none.
    pub keyed: Vec<PoolVitals>,
    /// The figures that only a log on disk has.
    pub disk: Option<DiskVitals>,
    /// The figures that only a log on a broker has.
    pub broker: Option<BrokerVitals>,
}

/// How full a pool of keys is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolVitals {
    /// The pool's name, see [`Bounds::name`](crate::Bounds::name).
    pub name: String,
    /// The number of live records with a key in it.
    pub held: u64,
    /// The most live records that it may have.
    pub limit: u64,
}

/// The figures that only a log on disk has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskVitals {
    /// Whether a write or a sync has failed. No append is taken until the log is opened again.
    pub failed: bool,
    /// The number of ranges of the log that can't be read any more because a file is damaged.
    pub damaged: u64,
    /// The number of files in the directory that hold acknowledged data which was cut off the log,
    /// because data before it was damaged. The operator removes them.
    pub cut: u64,
    /// The size of the directory on disk in bytes. It may be some seconds out of date, and is
    /// `None` before it was measured first.
    pub bytes: Option<u64>,
    /// The size that the directory may have, in bytes.
    pub ceiling: Option<u64>,
    /// The number of batches that were written since the start, each in one step.
    pub batches: u64,
    /// The number of entries in these batches.
    pub records: u64,
    /// How long appends took, from being ready to be written until they were as durable as the log
    /// promises.
    pub appends: Histogram,
    /// How long it took to write batches that ended with a sync, and to sync between writes.
    pub syncs: Histogram,
}

/// The figures that only a log on a broker has. Everything is counted since the start of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerVitals {
    /// Whether the broker answers, and this node has read the log.
    pub up: bool,
    /// The number of positions that the log has and this node does not, as far as it knows.
    pub lag_positions: u64,
    /// For how long this node has been behind the log.
    pub lag: Duration,
    /// The number of times that the log was opened after the first.
    pub reconnects: u64,
    /// The number of epochs that began.
    pub epochs: u64,
    /// The number of times that the log was read anew, by reason.
    pub generations: Vec<(&'static str, u64)>,
    /// The number of gaps in what the broker sent that were filled by reading the log.
    pub gaps_repaired: u64,
    /// The number of groups and units that showed nothing, by reason.
    pub voids: Vec<(&'static str, u64)>,
    /// The number of groups that were acknowledged, lost by the broker, and sent again.
    pub resent: u64,
    /// The number of groups that this node appended.
    pub groups: u64,
    /// The number of units in them.
    pub units: u64,
    /// The number of snapshots that this node wrote.
    pub snapshots: u64,
    /// The size of the broker's log in bytes, as far as it was read here.
    pub log_bytes: u64,
    /// Whether this node decided otherwise than another one did.
    pub diverged: bool,
    /// How long appends of groups took.
    pub appends: Option<Histogram>,
}

/// A histogram of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The buckets, each with its upper bound, in rising order. A bucket counts the durations that
    /// are at most its bound and above the bound before. The last bucket has no bound.
    pub counts: Vec<(Option<Duration>, u64)>,
    /// The sum of all durations.
    pub sum: Duration,
}
