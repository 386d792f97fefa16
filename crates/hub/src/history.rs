//! Reading stored events page by page, without opening a stream.

use std::sync::Arc;

use tidings_journal::{Entry, EventId, Limit, Position, Selector, TopicName};

use crate::generation::Generation;
use crate::hub::Hub;
use crate::subscribe::{After, Requested};
use crate::wording::ResetReason;

/// The most bytes of data in one page.
const MAX_PAGE_BYTES: usize = 1 << 20;

/// A page of stored events, read forwards.
#[derive(Clone, Debug)]
pub struct History {
    /// The events, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// The cursor for the next page.
    pub next: EventId,
    /// Whether the page reaches the newest visible event.
    pub end: bool,
    /// Why the cursor could not be served in full. The page then begins with the oldest event that
    /// is stored.
    pub gap: Option<ResetReason>,
    /// The oldest event that is stored.
    pub oldest: Option<EventId>,
}

/// Where to begin to read backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// At the newest visible event.
    Latest,
    /// Before the event with this id, as the client sent it.
    Id(String),
}

/// A page of stored events, read backwards.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The events, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// The id from which the preceding page is read: that page ends before it.
    pub prev: EventId,
    /// Whether nothing older is stored.
    pub end: bool,
    /// Why the requested id could not be used. The page then ends with the newest event, or is
    /// empty if everything before the id was trimmed.
    pub gap: Option<ResetReason>,
    /// The oldest event that is stored.
    pub oldest: Option<EventId>,
}

/// The place in the log that a caller asked for. It is good for one page, which has to be read
/// soon.
pub struct Place {
    generation: Arc<Generation>,
    requested: Requested,
}

impl Hub {
    /// Finds the place after a cursor. Waits here for everything that may take seconds, so that the
    /// caller can hold a permit that others wait for while it calls [`Hub::history_from`].
    pub async fn place(&self, after: &After) -> Result<Place, tidings_journal::Error> {
        let inner = &self.inner;
        inner.folds_ready().await?; // by then interrupted erasures are completed
        let generation = inner.generation();
        let requested = inner.locate(&generation, after).await?;
        Ok(Place {
            generation,
            requested,
        })
    }

    /// Finds the place to read backwards from, for [`Hub::history_before_place`].
    pub async fn place_before(&self, before: &Before) -> Result<Place, tidings_journal::Error> {
        let after = match before {
            Before::Latest => After::Now,
            Before::Id(id) => After::Id(id.clone()),
        };
        self.place(&after).await
    }

    /// Reads the newest stored events of `topics` before a place.
    pub async fn history_before(
        &self,
        topics: Vec<TopicName>,
        before: &Before,
        events: usize,
    ) -> Result<Earlier, tidings_journal::Error> {
        self.history_before_place(topics, self.place_before(before).await?, events)
            .await
    }

    /// Reads the newest stored events of `topics` before a place that was found.
    pub async fn history_before_place(
        &self,
        topics: Vec<TopicName>,
        Place {
            generation,
            requested,
        }: Place,
        events: usize,
    ) -> Result<Earlier, tidings_journal::Error> {
        let inner = &self.inner;
        let selector = Selector::topics(topics);
        let (place, gap) = match requested {
            Requested::Nothing | Requested::Everything => (None, None),
            Requested::After(position) => (Some(position), None),
            Requested::Unknown(reason) => (None, Some(reason)),
        };
        let _permit = generation.replays.permit().await;
        let limit = Limit {
            events,
            bytes: MAX_PAGE_BYTES,
        };
        let newest = generation.fanout.visible_position().next();
        loop {
            let erasures = generation.replays.erasures();
            let page = inner
                .journal
                .read_before(&selector, place.unwrap_or(newest).min(newest), limit)
                .await?;
            generation.line.check(&page.entries)?;
            // The requested event is gone, with everything before it. The caller is told so, and is
            // not just given an empty page.
            let is_gone = place.is_some_and(|place| place <= page.floor && place > Position::START);
            let gap = gap.or((is_gone || page.damaged).then_some(ResetReason::Trimmed));
            let oldest = inner.oldest(&selector).await?;
            if generation.replays.erasures() != erasures {
                continue;
            }
            // If nothing was found, the search began after the newest event, at a position that has
            // no id yet.
            let prev = generation
                .line
                .id_of(page.prev.min(generation.fanout.visible_position()));
            return Ok(Earlier {
                entries: page.entries,
                prev,
                end: page.end,
                gap,
                oldest,
            });
        }
    }

    /// Reads the oldest stored events of `topics` after a cursor.
    pub async fn history(
        &self,
        topics: Vec<TopicName>,
        after: &After,
        events: usize,
    ) -> Result<History, tidings_journal::Error> {
        self.history_from(topics, self.place(after).await?, events)
            .await
    }

    /// Reads the oldest stored events of `topics` after a place that was found.
    pub async fn history_from(
        &self,
        topics: Vec<TopicName>,
        Place {
            generation,
            requested,
        }: Place,
        events: usize,
    ) -> Result<History, tidings_journal::Error> {
        let inner = &self.inner;
        let selector = Selector::topics(topics);
        // The permits are shared with replays, because together they may not read more at a time
        // than fits into memory.
        let _permit = generation.replays.permit().await;
        let limit = Limit {
            events,
            bytes: MAX_PAGE_BYTES,
        };
        loop {
            let erasures = generation.replays.erasures();
            let floor = inner.journal.floor(&selector);
            let (from, gap) = match requested {
                Requested::Nothing | Requested::Everything => (floor, None),
                Requested::After(position) if position >= floor => (position, None),
                Requested::After(_) => (floor, Some(ResetReason::Trimmed)),
                Requested::Unknown(reason) => (floor, Some(reason)),
            };
            let visible = generation.fanout.visible_position();
            let page = inner.journal.read(&selector, from, visible, limit).await?;
            generation.line.check(&page.entries)?;
            // Events that were trimmed just before the read are reported too, and never skipped in
            // silence.
            let gap = gap.or_else(|| (page.floor > from).then_some(ResetReason::Trimmed));
            let oldest = inner.oldest(&selector).await?;
            if generation.replays.erasures() == erasures {
                let (next, end) = (generation.line.id_of(page.next), page.next >= visible);
                return Ok(History {
                    entries: page.entries,
                    next,
                    end,
                    gap,
                    oldest,
                });
            }
        }
    }
}
