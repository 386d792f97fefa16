//! Writing snapshots, so that the broker's log can be truncated. Any node does it; whoever is
//! second finds that the log was truncated in the meantime, and has written in vain.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::sleep;

use crate::broker::{Commit, Failure, SnapshotId};
use crate::node::Node;
use crate::snapshot::Cut;

/// The time between two looks whether a snapshot is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// After how long a snapshot is written if something was published since the last one.
const SNAPSHOT_INTERVAL: Duration = Duration::from_mins(10);

/// The least time between two snapshots.
const MIN_INTERVAL: Duration = Duration::from_mins(1);

/// For how long a node waits at most whether another one writes the snapshot.
const MAX_JITTER: Duration = Duration::from_secs(10);

/// Writes snapshots, for ever.
pub(crate) async fn run(node: &Node) {
    loop {
        sleep(CHECK_INTERVAL).await;
        if !is_due(node) {
            continue;
        }
        let jitter = MAX_JITTER.mul_f64(node.rng.lock().random_range(0.0..=1.0));
        sleep(jitter).await;
        if is_due(node)
            && let Err(error) = write(node).await
        {
            tracing::warn!(%error, "a snapshot of the log can't be written; it is tried again");
            sleep(MIN_INTERVAL).await;
        }
    }
}

fn is_due(node: &Node) -> bool {
    let known = node.known.lock().clone();
    let copy = node.copy.lock();
    let Some(fold) = &copy.fold else { return false };
    if node.session.get().is_none() || known.since.elapsed() < MIN_INTERVAL {
        return false;
    }
    let bound = copy.retention.max_bytes as u64;
    let is_large = fold.places.bytes_after(known.trimmed) > bound.saturating_add(bound / 4);
    is_large || (copy.changes > 0 && known.since.elapsed() >= SNAPSHOT_INTERVAL)
}

/// Writes a snapshot, and has the log truncated.
async fn write(node: &Node) -> Result<(), Failure> {
    let Some(session) = node.session.get() else {
        return Ok(());
    };
    let expected = node.known.lock().trimmed;
    let (cut, generation) = {
        let copy = node.copy.lock();
        let Some(fold) = &copy.fold else {
            return Ok(());
        };
        (
            Cut::of(fold, expected, copy.retention.max_bytes as u64),
            copy.generation,
        )
    };
    let name: u128 = node.rng.lock().random();
    let snapshot = SnapshotId(format!("{name:032x}"));
    let mut chunks = 0;
    for chunk in cut.chunks() {
        node.broker.write_chunk(&snapshot, chunks, chunk).await?;
        chunks += 1;
    }
    if node.copy.lock().generation != generation {
        return Ok(()); // it is of another line
    }
    let trimmed = cut.base().max(expected);
    let commit = Commit {
        epoch: session.epoch,
        snapshot: snapshot.clone(),
        chunks,
        taken_at: cut.taken_at(),
        expected,
        trimmed,
    };
    if node.broker.commit(&commit).await? {
        node.tally.count(|counts| counts.snapshots += 1);
        node.truncated(snapshot, trimmed);
    }
    Ok(())
}
