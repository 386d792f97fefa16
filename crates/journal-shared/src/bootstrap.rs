//! Reading the log of a broker from the beginning: the newest snapshot, the records that stand
//! after its base, and everything that came after it.

use crate::broker::{Broker, Failure, Mark, Raw, SnapshotId, State};
use crate::fold::{Broken, Fold};
use crate::group;
use crate::node::Node;
use crate::places::Place;
use crate::restore::{Restoring, skip_hole};
use crate::snapshot::{Cut, Reading, Unreadable};

/// About how many bytes of groups are read at once.
const PAGE_BYTES: usize = 4 << 20;

/// Why the log could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Snapshot(#[from] Unreadable),
    #[error("the broker's log was truncated up to {0}, and there is no snapshot of what was there")]
    NoSnapshot(Mark),
}

/// Reads the log up to the head that `state` tells.
pub(crate) async fn read(node: &Node, state: &State) -> Result<Fold, Error> {
    let retention = node.copy.lock().retention.clone();
    let unknown = node.draw_epoch();
    let mut fold = match &state.snapshot {
        Some(id) => {
            let cut = read_snapshot(&*node.broker, id).await?;
            let mut restoring = Restoring::new(cut, retention, unknown);
            recall(node, &mut restoring).await?;
            restoring.finish()
        }
        None if state.trimmed == Mark::default() => Fold::new(retention, unknown),
        None => return Err(Error::NoSnapshot(state.trimmed)),
    };
    while fold.places.newest().mark < state.head {
        let page = page_after(&*node.broker, fold.places.newest(), fold.chained).await?;
        node.pulse.beat();
        if page.is_empty() {
            break;
        }
        for raw in page {
            let decoded = group::decode(&raw.bytes);
            if !fold.follows(&raw, &decoded) {
                tracing::error!(mark = %raw.mark, "groups of the broker's log are gone; whoever \
                                                   has not seen them is told so");
                skip_hole(&mut fold, &raw, &decoded)?;
            }
            fold.apply(&raw)?;
        }
    }
    Ok(fold)
}

/// Returns groups that stand after `newest`, on the same line.
///
/// If groups are told apart by their marks alone, nothing in a group that begins an epoch says which
/// one it follows, and a server that has another line of history may have it at the next mark. So
/// the newest group is read once more in front of the others.
pub(crate) async fn page_after(
    broker: &dyn Broker,
    newest: Place,
    chained: bool,
) -> Result<Vec<Raw>, Failure> {
    let Some(before) = newest.mark.0.checked_sub(1).filter(|_| !chained).map(Mark) else {
        return broker.page(newest.mark, PAGE_BYTES).await;
    };
    let mut bytes = PAGE_BYTES;
    loop {
        let mut page = match broker.page(before, bytes).await {
            Err(Failure::Gone(_)) => return broker.page(newest.mark, PAGE_BYTES).await,
            page => page?,
        };
        let Some(first) = page.first() else {
            return Ok(page);
        };
        if is_at(first, &newest) {
            page.remove(0);
        } else if first.previous.is_none() {
            return Err(Failure::Reopen(
                "another group has the place of one that was read here".to_owned(),
            ));
        }
        if !page.is_empty() || bytes > PAGE_BYTES {
            return Ok(page);
        }
        bytes = PAGE_BYTES + group::MAX_BYTES; // perhaps the next one is that large
    }
}

async fn read_snapshot(broker: &dyn Broker, id: &SnapshotId) -> Result<Cut, Error> {
    let mut reading = Reading::default();
    let mut nth = 0;
    while let Some(chunk) = broker.read_chunk(id, nth).await? {
        reading.feed(&chunk)?;
        nth += 1;
    }
    Ok(reading.finish()?)
}

/// Adds the records between the base of a snapshot and its place.
async fn recall(node: &Node, restoring: &mut Restoring) -> Result<(), Error> {
    while !restoring.is_complete() {
        let page = node.broker.page(restoring.mark(), PAGE_BYTES).await?;
        node.pulse.beat();
        let is_end = page.last().is_none_or(|last| !restoring.wants(last.mark));
        for raw in page {
            if restoring.wants(raw.mark) {
                restoring.recall(&raw)?;
            }
        }
        if is_end {
            break;
        }
    }
    restoring.check_line()?;
    Ok(())
}

/// Returns the newest group that both this node and the broker have.
pub(crate) async fn newest_common(node: &Node, state: &State) -> Result<Option<Place>, Failure> {
    let mut back = 1;
    loop {
        let places: Vec<Place> = {
            let copy = node.copy.lock();
            let Some(fold) = &copy.fold else {
                return Ok(None);
            };
            if back > 2 * fold.places.depth() {
                return Ok(None);
            }
            fold.places
                .back(back)
                .filter(|place| place.mark > state.trimmed)
                .collect()
        };
        let Some(oldest) = places.first() else {
            return Ok(None);
        };
        let before = Mark(oldest.mark.0.saturating_sub(1));
        let found = find_common(&*node.broker, before, &places).await?;
        if found.is_some() {
            return Ok(found);
        }
        back *= 4;
    }
}

/// Compares `places` with what the broker has after `mark`, up to the first difference.
async fn find_common(
    broker: &dyn Broker,
    mut mark: Mark,
    places: &[Place],
) -> Result<Option<Place>, Failure> {
    let mut found = None;
    let mut places = places.iter().peekable();
    while places.peek().is_some() {
        let page = broker.page(mark, 64 << 10).await?;
        let Some(last) = page.last() else { break };
        mark = last.mark;
        for raw in &page {
            match places.next() {
                Some(place) if is_at(raw, place) => found = Some(*place),
                _ => return Ok(found),
            }
        }
    }
    Ok(found)
}

/// Returns whether a group is the one that stands at `place`.
pub(crate) fn is_at(raw: &Raw, place: &Place) -> bool {
    raw.mark == place.mark && crate::broker::Tag::of(&raw.bytes) == place.tag
}

#[cfg(test)]
mod tests;
