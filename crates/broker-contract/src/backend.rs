//! What a promise needs of a broker, and functions that the promises have in common.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Broker, Encoded, LogId, Mark, Opened, Opening, Placed, Raw};

/// A broker without a log, and the ways to reach it.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// Connects one more node.
    async fn node(&self) -> Arc<dyn Broker>;

    /// Restarts the server without losing anything. Returns false if the backend can't do that;
    /// the promises about restarts are then not tested.
    async fn restart(&self) -> bool {
        false
    }
}

/// How long a test waits for what has to come. Only a broker that is broken needs as much.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A request to open a log, with random names.
pub fn opening(meta: &str) -> Opening {
    let mut rng = rand::rng();
    let log = LogId(format!("{:016x}", rng.random::<u64>()));
    let epoch = Epoch::random(&mut rng);
    let group = Encoded::new(format!("epoch {epoch}").into(), 1);
    Opening {
        log,
        meta: Bytes::copy_from_slice(meta.as_bytes()),
        epoch: (epoch, group),
        distrusted: None,
    }
}

/// Opens the log, and creates it if it does not exist.
pub async fn open(broker: &dyn Broker) -> Opened {
    broker.open(&opening("meta")).await.unwrap()
}

/// A group with this text.
pub fn group(text: &str, positions: u64) -> Encoded {
    Encoded::new(Bytes::copy_from_slice(text.as_bytes()), positions)
}

/// The mark of a group that was appended.
pub fn mark(placed: &Placed) -> Mark {
    match placed {
        Placed::Whole(raw) => raw.mark,
        Placed::At(mark) => *mark,
    }
}

/// Appends `group`, and returns its mark.
pub async fn append(broker: &dyn Broker, epoch: Epoch, group: &Encoded) -> Mark {
    mark(&broker.append(epoch, group).await.unwrap())
}

/// Reads all groups after a mark, in pages.
pub async fn all(broker: &dyn Broker, mut after: Mark, bytes: usize) -> Vec<Raw> {
    let mut groups: Vec<Raw> = Vec::new();
    loop {
        let page = broker.page(after, bytes).await.unwrap();
        let Some(last) = page.last() else {
            return groups;
        };
        after = last.mark;
        groups.extend(page);
    }
}

/// The texts of groups.
pub fn texts(groups: &[Raw]) -> Vec<String> {
    groups
        .iter()
        .map(|raw| String::from_utf8_lossy(&raw.bytes).into_owned())
        .collect()
}
