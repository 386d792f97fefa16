//! Snapshots: their chunks, and the description of the newest one.
//!
//! A snapshot's chunks and its description are messages of a stream that keeps the newest message
//! of each subject.

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings_journal_shared::broker::{Failure, SnapshotId};

use crate::api;
use crate::connection::Connection;
use crate::era::Era;
use crate::options::Names;

/// The description of the newest snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) snapshot: String,
    pub(crate) chunks: u32,
    /// Messages of the log up to this one are truncated.
    pub(crate) trimmed: u64,
    pub(crate) taken_at: u64,
    /// The snapshot that this one has replaced. A node may still be reading it.
    pub(crate) previous: Option<String>,
    /// The epoch that was the current one.
    pub(crate) era: Era,
}

/// Returns the description of the newest snapshot, with its sequence; `None` if there is none.
pub(crate) async fn newest(
    connection: &Connection,
    names: &Names,
) -> Result<Option<(u64, Description)>, Failure> {
    let Some(message) = connection
        .newest(&names.snapshots, &names.newest_snapshot)
        .await?
    else {
        return Ok(None);
    };
    let sequence = api::sequence(&message);
    let description = serde_json::from_slice(&message.payload).ok();
    let unreadable = || Failure::Unusable(format!("a stranger wrote to {}", names.newest_snapshot));
    Ok(Some((
        sequence.ok_or_else(unreadable)?,
        description.ok_or_else(unreadable)?,
    )))
}

pub(crate) async fn write_chunk(
    connection: &Connection,
    names: &Names,
    snapshot: &SnapshotId,
    nth: u32,
    bytes: Bytes,
) -> Result<(), Failure> {
    connection
        .store(&names.chunk(&snapshot.0, nth), HeaderMap::new(), bytes)
        .await?;
    Ok(())
}

pub(crate) async fn read_chunk(
    connection: &Connection,
    names: &Names,
    snapshot: &SnapshotId,
    nth: u32,
) -> Result<Option<Bytes>, Failure> {
    let gone = || Failure::Gone(format!("the snapshot {snapshot}"));
    let (_, newest) = newest(connection, names).await?.ok_or_else(gone)?;
    let is_newest = newest.snapshot == snapshot.0;
    if !is_newest && newest.previous.as_deref() != Some(&*snapshot.0) {
        return Err(gone());
    }
    if let Some(message) = connection
        .newest(&names.snapshots, &names.chunk(&snapshot.0, nth))
        .await?
    {
        return Ok(Some(message.payload));
    }
    // The number of chunks of the one before is not known; it has at least one.
    let least = if is_newest { newest.chunks } else { 1 };
    if nth >= least { Ok(None) } else { Err(gone()) }
}
