//! An epoch, and how the message that begins it names it.

use async_nats::{HeaderMap, Message};
use serde::{Deserialize, Serialize};
use tidings_journal::Epoch;
use tidings_journal_shared::broker::Failure;

const EPOCH: &str = "Tidings-Epoch";
const LIFE: &str = "Tidings-Life";

/// An epoch and the life that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Era {
    pub(crate) epoch: String,
    pub(crate) life: String,
}

impl Era {
    pub(crate) fn epoch(&self) -> Result<Epoch, Failure> {
        Epoch::parse(&self.epoch).ok_or_else(|| {
            Failure::Unusable(
                "the log was written by another program; set JOURNAL_PREFIX".to_owned(),
            )
        })
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(EPOCH, &*self.epoch);
        headers.insert(LIFE, &*self.life);
    }

    pub(crate) fn read(message: &Message) -> Option<Self> {
        let headers = message.headers.as_ref()?;
        let header = |name: &str| Some(headers.get(name)?.as_str().to_owned());
        Some(Self {
            epoch: header(EPOCH)?,
            life: header(LIFE)?,
        })
    }
}
