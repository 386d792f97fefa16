//! Publishes with an `Idempotency-Key` that are on their way into the log.
//!
//! A call that is refused before it reaches the log, for example by the rate of its caller, may repeat one of them. It then waits
//! for the answer of that one. The list decides nothing: what a repetition is, the log says.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The keys of the publishes on their way. It never holds more keys than there is room for publishes
/// ([`Admission`](super::admission::Admission)).
#[derive(Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<Bytes, watch::Receiver<()>>>>);

/// A publish with a key, on its way until this is dropped.
pub(crate) struct Flight {
    /// Set if another publish with this key is on its way; that one has ended when its sender is gone.
    first: Option<watch::Receiver<()>>,
    /// Set if this is the first with its key.
    _entry: Option<ListedKey>,
}

/// Removes its key from the list when it is dropped.
struct ListedKey {
    keys: Arc<Mutex<HashMap<Bytes, watch::Receiver<()>>>>,
    key: Bytes,
    _ended: watch::Sender<()>,
}

impl InFlight {
    /// Adds a publish. To be called once it has its share of the room for publishes.
    pub(crate) fn enter(&self, key: &Bytes) -> Flight {
        match self.0.lock().entry(key.clone()) {
            Entry::Occupied(first) => Flight { first: Some(first.get().clone()), _entry: None },
            Entry::Vacant(vacant) => {
                let (sender, receiver) = watch::channel(());
                vacant.insert(receiver);
                let entry = ListedKey { keys: self.0.clone(), key: key.clone(), _ended: sender };
                Flight { first: None, _entry: Some(entry) }
            }
        }
    }
}

impl Flight {
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
