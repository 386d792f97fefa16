//! Publishing: appends publications to the log, delivers them, and waits until they are visible.

use std::sync::Arc;

use smallvec::SmallVec;
use tidings_journal::{
    Append, Appended, Condition, Entry, EventId, Position, Receipt, StoredReceipt,
};

use crate::generation::Generation;
use crate::hub::{Hub, Inner};
use crate::publication::{Ephemeral, Publication, Published};

impl Hub {
    /// Stores a batch if `condition` is true, in full or not at all and without other events in
    /// between, and delivers it as one. When this returns, the batch is as durable as the journal
    /// promises, and every stream can see the result.
    ///
    /// The receipt is stored in the same step; the batch may be empty, so that only the receipt is
    /// stored. Fails before anything is stored if the data of an event is larger than
    /// [`MAX_DATA_BYTES`](crate::MAX_DATA_BYTES).
    pub async fn publish(
        &self,
        batch: Vec<Publication>,
        receipt: Option<Receipt>,
        condition: Option<Condition>,
    ) -> Result<Published, tidings_journal::Error> {
        batch.iter().try_for_each(Publication::check)?;
        let (inner, journal) = (&*self.inner, &*self.inner.journal);
        // The generation is read before the append. If the line breaks meanwhile, the generation
        // has ended, and the wait for the position fails.
        let generation = inner.generation();
        let stamp = inner.time.stamp(journal);
        let records: Vec<_> = batch
            .into_iter()
            .map(|publication| publication.into_record(stamp.at_ms))
            .collect();
        let append = Append::from(records.clone())
            .receipt(receipt)
            .when(condition)
            .at(inner.time.now_ms());
        Ok(match journal.append(append).await? {
            Appended::New(first) => {
                inner.time.stamped(journal, stamp, first, records.len());
                let id = journal.epochs().id_of(first);
                let positions =
                    std::iter::successors(Some(first), |position| Some(position.next()));
                let entry = |(position, record)| {
                    Arc::new(Entry {
                        id: generation.line.id_of(position),
                        record,
                    })
                };
                let entries: SmallVec<[_; 1]> = positions.zip(records).map(entry).collect();
                inner.deliver_own(&generation, &entries);
                if let Some(last) = entries.last() {
                    inner.visible_id(&generation, last.id.position).await?;
                }
                Published::New(id)
            }
            Appended::Known(kept) => {
                Published::Known(inner.until_receipt_visible(&generation, &kept).await?, kept)
            }
            Appended::Refused(head) => {
                Published::Refused(inner.visible_id(&generation, head).await?)
            }
            Appended::Full(pool) => Published::Full(pool),
        })
    }

    /// Returns the live receipt under `key`, if there is one, with the id that [`Published::Known`]
    /// would have. By then every stream can see the events of the receipt. Only [`Hub::publish`]
    /// decides whether a batch is a repetition.
    pub async fn receipt(
        &self,
        key: &[u8],
    ) -> Result<Option<(EventId, StoredReceipt)>, tidings_journal::Error> {
        let generation = self.inner.generation();
        let Some(kept) = self.inner.journal.receipt(key).await? else {
            return Ok(None);
        };
        Ok(Some((
            self.inner.until_receipt_visible(&generation, &kept).await?,
            kept,
        )))
    }

    /// Delivers an event to the streams that are open now, and stores nothing. Fails like
    /// [`Hub::publish`] if the data is too large.
    pub fn publish_ephemeral(
        &self,
        publication: &Publication,
    ) -> Result<(), tidings_journal::Error> {
        publication.check()?;
        self.inner
            .generation()
            .fanout
            .deliver([Ephemeral(publication)], self.inner.clock.now_ms());
        Ok(())
    }
}

impl Inner {
    /// Waits until the events of a receipt are visible; for a receipt without events, until the
    /// events are visible that the decision was based on. Returns the id of the first event, on the
    /// line on which it was shown: a moment later the log may be on another line, with another
    /// event there.
    async fn until_receipt_visible(
        &self,
        generation: &Generation,
        kept: &StoredReceipt,
    ) -> Result<EventId, tidings_journal::Error> {
        let last = (kept.first.get() + u64::from(kept.events)).saturating_sub(1);
        self.visible_id(generation, Position::new(last)).await?;
        Ok(generation.line.id_of(kept.first))
    }
}
