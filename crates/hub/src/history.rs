//! Reading what is kept, page by page, without opening a stream.

use std::sync::Arc;

use tidings_journal::{Entry, EventId, Limit, Position, Selector, TopicName};

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

/// From where to read backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// From the newest event that readers can see.
    Latest,
    /// Before the event with this id, as the client sent it.
    Id(String),
}

/// A piece of what is kept, read backwards.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// What the piece before this one asks to be before.
    pub prev: EventId,
    /// Whether nothing older is kept.
    pub end: bool,
    /// Why the place that was asked for could not be served; the piece then ends with what is newest, or is empty where all of
    /// it was trimmed.
    pub gap: Option<Reason>,
    /// The oldest event that is kept.
    pub oldest: Option<EventId>,
}

impl Hub {
    /// What is kept of `topics` before a place, the newest of it, without opening a stream.
    pub async fn history_before(
        &self,
        topics: Vec<TopicName>,
        before: &Before,
        events: usize,
    ) -> Result<Earlier, tidings_journal::Error> {
        let inner = &self.inner;
        inner.begun().await?; // and so what was to be erased is
        let generation = inner.generation();
        let selector = Selector::topics(topics);
        let asked = match before {
            Before::Latest => Asked::Nothing,
            Before::Id(id) => inner.locate(&generation, &After::Id(id.clone())).await?,
        };
        let (place, gap) = match asked {
            Asked::Nothing | Asked::Everything => (None, None),
            Asked::Place(position) => (Some(position), None),
            Asked::Stray(reason) => (None, Some(reason)),
        };
        let _permit = generation.replays.permit().await;
        let limit = Limit { events, bytes: HISTORY_BYTES };
        let newest = generation.fanout.visible_position().next();
        let page = inner.journal.read_before(&selector, place.unwrap_or(newest).min(newest), limit).await?;
        generation.check_line(&page.entries)?;
        // What was asked for is gone, and everything before it: told, never an empty page without a word.
        let is_gone = place.is_some_and(|place| place <= page.floor && place > Position::START);
        let gap = gap.or((is_gone || page.damaged).then_some(Reason::Trimmed));
        let oldest = inner.oldest(&selector).await?;
        // Where nothing was found, it was searched from behind the newest, a place that has no id yet.
        let prev = generation.id_of(page.prev.min(generation.fanout.visible_position()));
        Ok(Earlier { entries: page.entries, prev, end: page.end, gap, oldest })
    }

    /// What is kept of `topics` after a cursor, oldest first, without opening a stream.
    pub async fn history(
        &self,
        topics: Vec<TopicName>,
        after: &After,
        events: usize,
    ) -> Result<History, tidings_journal::Error> {
        let inner = &self.inner;
        inner.begun().await?; // and so what was to be erased is
        let generation = inner.generation();
        let selector = Selector::topics(topics);
        let floor = inner.journal.floor(&selector);
        let (from, gap) = match inner.locate(&generation, after).await? {
            Asked::Nothing | Asked::Everything => (floor, None),
            Asked::Place(position) if position >= floor => (position, None),
            Asked::Place(_) => (floor, Some(Reason::Trimmed)),
            Asked::Stray(reason) => (floor, Some(reason)),
        };
        // Shared with who comes back: neither may read more at a time than the memory bears.
        let _permit = generation.replays.permit().await;
        let limit = Limit { events, bytes: HISTORY_BYTES };
        let visible = generation.fanout.visible_position();
        let page = inner.journal.read(&selector, from, visible, limit).await?;
        generation.check_line(&page.entries)?;
        // Trimmed while we were about to read: told as well, never skipped in silence.
        let gap = gap.or_else(|| (page.floor > from).then_some(Reason::Trimmed));
        let oldest = inner.oldest(&selector).await?;
        let (next, end) = (generation.id_of(page.next), page.next >= visible);
        Ok(History { entries: page.entries, next, end, gap, oldest })
    }
}
