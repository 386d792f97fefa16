//! Reading what is kept, page by page, without opening a stream.

use std::sync::Arc;

use tidings_journal::{Entry, EventId, Limit, Selector, TopicName};

use crate::hub::Hub;
use crate::subscribe::{After, Asked};
use crate::wording::Reason;

/// The most bytes of data in one piece of history.
const HISTORY_BYTES: usize = 1 << 20;

/// A piece of what is kept.
#[derive(Clone, Debug)]
pub struct History {
    /// Oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// The cursor for the next piece.
    pub next: EventId,
    /// Whether this piece reaches what is newest now.
    pub end: bool,
    /// Why the cursor could not be served whole; the piece then starts with the oldest that is kept.
    pub gap: Option<Reason>,
    /// The oldest event that is kept.
    pub oldest: Option<EventId>,
}

impl Hub {
    /// What is kept of `topics` after a cursor, oldest first, without opening a stream.
    pub async fn history(
        &self,
        topics: Vec<TopicName>,
        after: &After,
        events: usize,
    ) -> Result<History, tidings_journal::Error> {
        let inner = &self.inner;
        let selector = Selector::topics(topics);
        let floor = inner.journal.floor(&selector);
        let (from, gap) = match inner.locate(after).await? {
            Asked::Nothing | Asked::Everything => (floor, None),
            Asked::Place(position) if position >= floor => (position, None),
            Asked::Place(_) => (floor, Some(Reason::Trimmed)),
            Asked::Stray(reason) => (floor, Some(reason)),
        };
        // Shared with who comes back: neither may read more at a time than the memory bears.
        let _permit = inner.replays.permit().await;
        let limit = Limit { events, bytes: HISTORY_BYTES };
        let visible = inner.fanout.visible_position();
        let page = inner.journal.read(&selector, from, visible, limit).await?;
        // Trimmed while we were about to read: told as well, never skipped in silence.
        let gap = gap.or_else(|| (page.floor > from).then_some(Reason::Trimmed));
        let oldest = inner.journal.oldest(&selector).await?.map(|oldest| inner.id_of(oldest));
        let (next, end) = (inner.id_of(page.next), page.next >= visible);
        Ok(History { entries: page.entries, next, end, gap, oldest })
    }
}
