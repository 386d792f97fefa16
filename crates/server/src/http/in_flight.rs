//! Publishes with an `Idempotency-Key` that are on their way into the log.
//!
//! A call that is refused before it reaches the log, for example by the rate limit of its caller,
//! may repeat one of these publishes. It then waits for the answer of that publish. The list
//! decides nothing, because only the log says what is a repetition.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The keys of the publishes that are on their way. There are never more keys than
/// [`PublishBudget`](super::admission::Admission) has space for publishes.
#[derive(Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<Bytes, watch::Receiver<()>>>>);

/// A publish with a key, on its way until this is dropped.
pub(crate) struct PublishInFlight {
    /// Set if another publish with this key was on its way first. That publish has ended when its
    /// sender is gone.
    first: Option<watch::Receiver<()>>,
    /// Set if this publish is the first with its key.
    _entry: Option<ListedKey>,
}

/// Removes its key from the list when it is dropped.
struct ListedKey {
    keys: Arc<Mutex<HashMap<Bytes, watch::Receiver<()>>>>,
    key: Bytes,
    _ended: watch::Sender<()>,
}

impl InFlight {
    /// Adds a publish. To be called once the publish has its share of the budget for publishes.
    pub(crate) fn enter(&self, key: &Bytes) -> PublishInFlight {
        match self.0.lock().entry(key.clone()) {
            Entry::Occupied(first) => PublishInFlight { first: Some(first.get().clone()), _entry: None },
            Entry::Vacant(vacant) => {
                let (sender, receiver) = watch::channel(());
                vacant.insert(receiver);
                let entry = ListedKey { keys: self.0.clone(), key: key.clone(), _ended: sender };
                PublishInFlight { first: None, _entry: Some(entry) }
            }
        }
    }
}

impl PublishInFlight {
    /// Waits for the end of the publish that this one repeats, if there is one.
    pub(crate) async fn until_first_ended(self) {
        if let Some(mut first) = self.first {
            let _ = first.changed().await; // returns an error at the end, as nothing is ever sent
        }
    }
}

impl Drop for ListedKey {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}
