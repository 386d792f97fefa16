//! Making the fold out of a snapshot and the groups between its base and its place.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

use tidings_journal::replica::Retention;
use tidings_journal::{Entry, Epoch, LogClock, Position, Record};

use crate::broker::{Mark, Raw, Tag};
use crate::fold::{Broken, Fold};
use crate::group::{self, Decoded, Kind, Unit};
use crate::places::{Place, Places};
use crate::snapshot::Cut;
use crate::verdicts::Verdicts;

/// A fold while it is made out of a snapshot.
pub(crate) struct Restoring {
    fold: Fold,
    taken_at: Place,
    /// The entries of the snapshot that were not added yet.
    entries: Peekable<vec::IntoIter<Arc<Entry>>>,
}

impl Restoring {
    /// Begins with a snapshot.
    pub(crate) fn new(cut: Cut, retention: Retention, unknown: Epoch) -> Self {
        let mut fold = Fold::new(retention, unknown);
        fold.places = Places::new(cut.base);
        fold.places.restore_voids(cut.voids);
        fold.verdicts = Verdicts::from_hash(cut.hash);
        fold.senders = cut.senders.into_iter().collect();
        fold.has_epoch = cut.epochs.is_some();
        let replica = &mut fold.replica;
        if let Some(epochs) = cut.epochs {
            replica.set_epochs(Arc::new(epochs));
        }
        replica.set_clock(LogClock::decode(&cut.clock).unwrap_or_default());
        replica.restore(cut.forgotten, cut.floors);
        replica.age_by_log_time(cut.times);
        for (key, kept, end_ms) in cut.receipts {
            replica.keep_receipt(key, kept, end_ms);
        }
        Self {
            fold,
            taken_at: cut.taken_at,
            entries: cut.entries.into_iter().peekable(),
        }
    }

    /// Returns the mark after which groups are missing.
    pub(crate) fn mark(&self) -> Mark {
        self.fold.places.newest().mark
    }

    /// Returns whether the group at `mark` is the next one and belongs to the snapshot. The others
    /// are applied to the fold.
    pub(crate) fn wants(&self, mark: Mark) -> bool {
        mark <= self.taken_at.mark
    }

    /// Returns whether no group is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.mark() >= self.taken_at.mark
    }

    /// Fails if another group than that of the snapshot stands at its place.
    pub(crate) fn check_line(&self) -> Result<(), Broken> {
        let newest = self.fold.places.newest();
        if newest.mark == self.taken_at.mark && newest.tag != self.taken_at.tag {
            return Err(Broken::Line(newest.mark));
        }
        Ok(())
    }

    /// Takes the records of a group. What was decided about it is in the snapshot.
    pub(crate) fn recall(&mut self, raw: &Raw) -> Result<(), Broken> {
        let decoded = group::decode(&raw.bytes);
        if let Decoded::Newer(format) = decoded {
            return Err(Broken::Newer {
                mark: raw.mark,
                format,
            });
        }
        skip_hole(&mut self.fold, raw, &decoded)?;
        let head = self.fold.head();
        let mut next = head.next();
        let mut taken = 1;
        match decoded {
            Decoded::Group(group) => {
                taken = group.kind.positions();
                let units = if let Kind::Units(units) = group.kind {
                    units
                } else {
                    Vec::new()
                };
                let appends = units.into_iter().filter_map(|unit| match unit {
                    Unit::Append(append) => Some(append.records),
                    Unit::Erase(..) => None,
                });
                for record in appends.flatten() {
                    self.add(next, record);
                    next = next.next();
                }
            }
            _ if raw.previous.is_some() => taken = raw.mark.0.saturating_sub(head.get()),
            _ => {}
        }
        let position = Position::new(head.get() + taken);
        let place = Place {
            mark: raw.mark,
            tag: Tag::of(&raw.bytes),
            position,
        };
        self.fold.places.push(place, raw.bytes.len());
        Ok(())
    }

    /// Returns the fold, as it was when the snapshot was taken. Groups that were not recalled are
    /// missing.
    pub(crate) fn finish(mut self) -> Fold {
        let all = Position::new(u64::MAX);
        self.flush(all);
        let fold = &mut self.fold;
        if fold.places.newest().mark < self.taken_at.mark {
            fold.replica.raise_all(self.taken_at.position);
            fold.places.push(self.taken_at, 0);
        }
        fold.replica.pass(self.taken_at.position);
        fold.replica.settle();
        self.fold
    }

    /// Adds a record that stands at `position`, unless it shows nothing there or is gone.
    fn add(&mut self, position: Position, record: Record) {
        let replica = &self.fold.replica;
        let is_hidden = || {
            record
                .topics
                .iter()
                .all(|topic| replica.floor_of(topic) >= position)
        };
        if record.is_keyed() || self.fold.places.is_void(position) || is_hidden() {
            return; // a live record with a key is in the snapshot
        }
        self.flush(position);
        let id = self.fold.replica.epochs().id_of(position);
        // Both come in order, and none stands at the position of another.
        let _ = self.fold.replica.apply(&Arc::new(Entry { id, record }));
    }

    /// Adds the entries of the snapshot before `position`.
    fn flush(&mut self, position: Position) {
        while let Some(entry) = self.entries.next_if(|entry| entry.id.position < position) {
            let _ = self.fold.replica.apply(&entry);
        }
    }
}

/// Moves `fold` to just before `raw`, if the groups in between are gone. Every reader that has not
/// seen all of them is told so. Fails if it can't be known how many positions they took.
pub(crate) fn skip_hole(fold: &mut Fold, raw: &Raw, decoded: &Decoded) -> Result<(), Broken> {
    if fold.follows(raw, decoded) {
        return Ok(());
    }
    let (Some(tag), Decoded::Group(group)) = (raw.previous, decoded) else {
        return Err(Broken::Line(raw.mark));
    };
    let before = raw
        .mark
        .0
        .checked_sub(group.kind.positions())
        .filter(|before| *before >= fold.head().get());
    let before = before.ok_or(Broken::Line(raw.mark))?;
    let (mark, position) = (Mark(before), Position::new(before));
    fold.replica.raise_all(position);
    fold.replica.pass(position);
    fold.places.push(
        Place {
            mark,
            tag,
            position,
        },
        0,
    );
    let begins = matches!(group.kind, Kind::Epoch { .. });
    if !begins && !fold.knows(group.epoch) {
        fold.begin_epoch(group.epoch, None, position.next()); // it began somewhere in between
    }
    Ok(())
}

#[cfg(test)]
mod tests;
