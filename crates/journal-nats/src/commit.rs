//! The commit of a snapshot, which truncates the log.
//!
//! The description of the newest snapshot is replaced by compare-and-set on its sequence.

use async_nats::HeaderMap;
use serde_json::json;
use tidings_journal_shared::broker::{Commit, Failure};

use crate::api::Stored;
use crate::connection::Connection;
use crate::epochs;
use crate::options::Names;
use crate::snapshots::{Description, newest};

/// See [`Broker::commit`](tidings_journal_shared::broker::Broker::commit). The epoch is compared a
/// moment before: what could begin an epoch in between is a node that found the line broken, and
/// that node rebuilds from the snapshot and compares what follows.
pub(crate) async fn commit(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
) -> Result<bool, Failure> {
    let current = epochs::current(connection, names).await?;
    let era = current
        .map(|current| current.era)
        .filter(|era| era.epoch == commit.epoch.as_str());
    let Some(era) = era else { return Ok(false) };
    let (sequence, before) = newest(connection, names).await?.unzip();
    if before.as_ref().map_or(0, |before| before.trimmed) != commit.expected.0 {
        return Ok(false);
    }
    let description = Description {
        snapshot: commit.snapshot.0.clone(),
        chunks: commit.chunks,
        trimmed: commit.trimmed.0,
        taken_at: commit.taken_at.0,
        previous: before.as_ref().map(|before| before.snapshot.clone()),
        era,
    };
    let body =
        serde_json::to_vec(&description).map_err(|error| Failure::Unusable(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(
        "Nats-Expected-Last-Subject-Sequence",
        sequence.unwrap_or(0).to_string().as_str(),
    );
    if matches!(
        connection
            .store(&names.newest_snapshot, headers, body.into())
            .await?,
        Stored::Refused
    ) {
        return Ok(false);
    }
    // From here on the snapshot counts. What can't be removed now is removed by the next commit.
    if commit.trimmed.0 >= 1 {
        // `seq` is the first one that stays. One or less would remove everything (nats-server
        // #4696).
        connection
            .purge(&names.log, &json!({ "seq": commit.trimmed.0 + 1 }))
            .await?;
    }
    if let Some(old) = before.and_then(|before| before.previous) {
        connection
            .purge(&names.snapshots, &json!({ "filter": names.chunks(&old) }))
            .await?;
    }
    Ok(true)
}
