//! Reading: pages of some topics, in the order of the log. Everything here waits for the device, so
//! it must not run on a thread of the async runtime.

use std::sync::Arc;

use super::codec::{self, End};
use super::error::unreadable;
use super::keys::{self, Kind};
use super::log::{Log, View};
use super::merge::{Merge, StoredRecord, entry};
use tidings_journal::{Error, Limit, Page, Position, Selector, StoredReceipt};

/// All kinds of records.
pub(super) const ALL: [Kind; 2] = [Kind::Plain, Kind::Keyed];

impl Log {
    /// Reads a page, see [`Journal::read`](tidings_journal::Journal::read), of records of `kinds`
    /// only. Other kinds are not read, so damage among them hides none of these records.
    pub(super) fn page(
        &self,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let view = self.view();
        let until = until.min(view.head);
        let mut from = after;
        let mut page = loop {
            match self.page_to_damage(&view, selector, kinds, from, until, limit) {
                Err(Error::Damaged(why)) => {
                    from = self.skip_damage(&view, selector, kinds, from, until, &why)?;
                }
                read => break read?,
            }
        };
        page.damaged = from > after;
        // Read after the page. What was trimmed in the meantime, and may be missing in the page, is
        // below it.
        page.floor = self.topics.read().floor(selector);
        if page.damaged {
            page.floor = page.floor.max(from);
        }
        Ok(page)
    }

    /// Reads a page that ends where the log is damaged. Fails if the damage is directly behind
    /// `after`.
    fn page_to_damage(
        &self,
        view: &View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let next = until.max(after);
        let mut page = Page {
            entries: Vec::new(),
            next,
            floor: Position::START,
            damaged: false,
        };
        if until <= after {
            return Ok(page);
        }
        let mut merge = self.merge(view, selector, kinds, after, until)?;
        let (mut bytes, mut done) = (0, after);
        let mut next = || {
            let Some(position) = merge.peek()? else {
                return Ok(None);
            };
            let full = page.entries.len() >= limit.events || bytes >= limit.bytes;
            if let Some(last) = page.entries.last().filter(|_| full) {
                page.next = last.id.position;
                return Ok(None);
            }
            if let Some(StoredRecord { record, .. }) = merge.take(position)? {
                bytes += record.data.len();
                page.entries
                    .push(Arc::new(entry(&self.epochs, position, record)));
            }
            Ok(Some(position))
        };
        loop {
            match next() {
                Ok(Some(position)) => done = position,
                Ok(None) => return Ok(page),
                Err(Error::Damaged(_)) if done > after => {
                    page.next = done;
                    return Ok(page);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the position from which reading can go on behind the damage at `after`.
    fn skip_damage(
        &self,
        view: &View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
        why: &str,
    ) -> Result<Position, Error> {
        let wanted: Vec<_> = {
            let topics = self.topics.read();
            let ids = |name| {
                topics
                    .get(name)
                    .map(|topic| (name, topic.row.id, topic.row.floor))
            };
            selector.as_slice().iter().filter_map(ids).collect()
        };
        let mut behind = None;
        for (name, id, floor) in wanted {
            // Records without a key are hidden up to the floor, and read from there on.
            for &kind in kinds {
                let from = if kind == Kind::Plain {
                    after.max(floor)
                } else {
                    after
                };
                behind = behind.max(self.damage_end(view, (name, id, kind), from, until, why)?);
            }
        }
        // Without such a position the damage is gone, and the next attempt succeeds.
        behind
            .filter(|behind| *behind > after)
            .ok_or_else(|| Error::Unreadable(why.to_owned()))
    }

    /// Returns the position of the oldest record of `selector`.
    pub(super) fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        let view = self.view();
        let mut after = Position::START;
        loop {
            match self.merge(&view, selector, &ALL, after, view.head) {
                Err(Error::Damaged(why)) => {
                    after = self.skip_damage(&view, selector, &ALL, after, view.head, &why)?;
                }
                merge => return merge?.peek(),
            }
        }
    }

    /// Returns the receipt with this key, unless it has ended by `now_ms`.
    pub(super) fn receipt(&self, key: &[u8], now_ms: i64) -> Result<Option<StoredReceipt>, Error> {
        let receipt = self
            .tables
            .receipts
            .get(keys::receipt(key))
            .map_err(unreadable)
            .and_then(|value| {
                let decode = |value: fjall::Slice| codec::decode_receipt(&value);
                let receipt = value.map(|value| {
                    decode(value).ok_or_else(|| Error::Damaged("a receipt is invalid".to_owned()))
                });
                receipt.transpose()
            });
        let receipt = match receipt {
            Err(Error::Damaged(why)) => {
                // An error would refuse all appends with such a key for ever.
                tracing::error!(
                    "the receipts of some idempotency keys can't be read ({why}): a repeated \
                     publish with such a key may be stored twice"
                );
                return Ok(None);
            }
            receipt => receipt?,
        };
        let is_live = |(end, kept): &(End, StoredReceipt)| {
            end.in_log_time(|| self.floors.skew_at(kept.first)) > now_ms
        };
        Ok(receipt.filter(is_live).map(|(_, kept)| kept))
    }

    fn merge<'a>(
        &'a self,
        view: &'a View,
        selector: &Selector,
        kinds: &[Kind],
        after: Position,
        until: Position,
    ) -> Result<Merge<'a>, Error> {
        let mut wanted = Vec::new();
        {
            let topics = self.topics.read();
            for topic in selector
                .as_slice()
                .iter()
                .filter_map(|name| topics.get(name))
            {
                if kinds.contains(&Kind::Plain) {
                    wanted.push((topic.row.id, Kind::Plain, after.max(topic.row.floor)));
                }
                if kinds.contains(&Kind::Keyed) && topic.keyed > 0 {
                    wanted.push((topic.row.id, Kind::Keyed, after));
                }
            }
        }
        Merge::new(&self.tables, &view.snapshot, wanted, until)
    }
}

#[cfg(test)]
mod tests;
