//! Publishes with an `Idempotency-Key` that are in flight: the log has not answered them yet.
//!
//! A call may be refused before it reaches the log, for example by the rate limit of its caller. If
//! it repeats one of these publishes, it waits for the answer to that publish instead. The list
//! only says for which publish a call has to wait. Whether the call is a repetition is decided by
//! the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The keys of the publishes in flight. There are never more keys than
/// [`PublishBudget`](super::publish_budget::PublishBudget) has space for publishes.
#[derive(Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<Bytes, watch::Receiver<()>>>>);

/// A publish with a key that is in flight until this is dropped.
pub(crate) struct PublishInFlight {
    /// Set if another publish with this key is in flight already. That publish has ended when the
    /// sender of this channel is gone.
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
    /// Adds a publish. The publish must have its share of the budget, which bounds the list.
    pub(crate) fn add(&self, key: &Bytes) -> PublishInFlight {
        match self.0.lock().entry(key.clone()) {
            Entry::Occupied(first) => PublishInFlight {
                first: Some(first.get().clone()),
                _entry: None,
            },
            Entry::Vacant(vacant) => {
                let (sender, receiver) = watch::channel(());
                vacant.insert(receiver);
                let entry = ListedKey {
                    keys: self.0.clone(),
                    key: key.clone(),
                    _ended: sender,
                };
                PublishInFlight {
                    first: None,
                    _entry: Some(entry),
                }
            }
        }
    }
}

impl PublishInFlight {
    /// Waits for the end of the publish that this one repeats, if there is one.
    pub(crate) async fn until_first_has_ended(self) {
        if let Some(mut first) = self.first {
            // nothing is ever sent: the error says that the sender is gone
            let _ = first.changed().await;
        }
    }
}

impl Drop for ListedKey {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}
