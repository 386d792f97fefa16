//! Snapshots: everything that the fold has made of the groups up to a place, except for the records
//! that stand in the log after a base up to which it can be truncated.
//!
//! A snapshot is written as a sequence of items, each with its length before it, and cut into
//! chunks wherever a chunk is full. The last item has the hash of all others.

use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{Entry, Epoch, Epochs, EventId, Position, StoredReceipt, TopicName};
use xxhash_rust::xxh3::Xxh3Default;

use crate::broker::{Mark, Tag};
use crate::codec::{Put, Reader};
use crate::fold::{Fold, Sender};
use crate::group::NodeId;
use crate::places::{Place, Range};

/// The most bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// The most bytes of an item.
const MAX_ITEM_BYTES: usize = 64 << 20;

/// The version of the format that is written. Nodes read no later one.
const VERSION: u8 = 1;

/// A consistent cut of a fold. What it holds is shared with the fold, so it is taken quickly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) base: Place,
    pub(crate) taken_at: Place,
    pub(crate) clock: Vec<u8>,
    pub(crate) hash: u64,
    pub(crate) epochs: Option<Epochs>,
    pub(crate) senders: Vec<(NodeId, Sender)>,
    /// The entries with a key, and all others up to the base, in order.
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) receipts: Vec<(Bytes, StoredReceipt, i64)>,
    pub(crate) forgotten: Position,
    pub(crate) floors: Vec<(TopicName, Position)>,
    /// The positions after the base that show nothing.
    pub(crate) voids: Vec<Range>,
    /// When entries were appended, in log time.
    pub(crate) times: Vec<(Position, i64)>,
}

/// The error of a snapshot that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A newer version has written it.
    #[error("the snapshot has format {0}, which a newer version of Tidings has written")]
    Newer(u8),
    /// It is damaged or incomplete.
    #[error("the snapshot is damaged")]
    Damaged,
}

/// A snapshot while it is read.
#[derive(Default)]
pub(crate) struct Reading {
    buffer: Vec<u8>,
    hash: Xxh3Default,
    cut: Cut,
    current: Option<Epoch>,
    earlier: Vec<(Epoch, Position)>,
    has_begun: bool,
    has_ended: bool,
}

impl Cut {
    /// Takes a cut of `fold`. Its base is not before `least`, which may be truncated already, and
    /// not many more than `most` bytes of groups stand after it.
    pub(crate) fn of(fold: &Fold, least: Mark, most: u64) -> Self {
        let replica = &fold.replica;
        let oldest = replica
            .oldest_plain()
            .map_or(fold.head(), |oldest| Position::new(oldest.get() - 1));
        let base = fold.places.base(oldest, least, most);
        let mut entries = replica.keyed();
        if base.position > Position::START {
            entries.extend(replica.plain(Position::START..=base.position).cloned());
            entries.sort_unstable_by_key(|entry| entry.id.position);
        }
        let (forgotten, floors) = replica.floors();
        let floors = floors
            .map(|(topic, floor)| (topic.clone(), floor))
            .collect();
        let receipts = replica
            .receipts()
            .map(|(key, kept, end_ms)| (key.clone(), kept.clone(), end_ms));
        Self {
            base,
            taken_at: fold.places.newest(),
            clock: replica.clock().encode(),
            hash: fold.verdicts.hash(),
            epochs: fold.has_epoch.then(|| (**replica.epochs()).clone()),
            senders: fold
                .senders
                .iter()
                .map(|(node, sender)| (*node, *sender))
                .collect(),
            entries,
            receipts: receipts
                .filter(|(_, _, end_ms)| *end_ms > fold.log_ms())
                .collect(),
            forgotten,
            floors,
            voids: fold.places.voids_after(base.position).collect(),
            times: replica.append_times().collect(),
        }
    }

    /// Returns the mark up to which the log can be truncated once the snapshot is there.
    pub(crate) fn base(&self) -> Mark {
        self.base.mark
    }

    /// Returns the mark of the newest group that is in it.
    pub(crate) fn taken_at(&self) -> Mark {
        self.taken_at.mark
    }

    /// Encodes the snapshot, one chunk after the other.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Bytes> {
        let mut items = self.items();
        let mut hash = Xxh3Default::new();
        let mut buffer = Vec::new();
        let mut has_ended = false;
        std::iter::from_fn(move || {
            while buffer.len() < CHUNK_BYTES && !has_ended {
                let item = items.next().unwrap_or_else(|| {
                    has_ended = true;
                    let mut item = vec![9];
                    item.put_bytes(&hash.digest().to_le_bytes());
                    item
                });
                hash.update(&item);
                buffer.put_bytes(&u32::try_from(item.len()).unwrap_or(u32::MAX).to_le_bytes());
                buffer.put_bytes(&item);
            }
            let rest = buffer.split_off(buffer.len().min(CHUNK_BYTES));
            let chunk = std::mem::replace(&mut buffer, rest);
            (!chunk.is_empty()).then(|| Bytes::from(chunk))
        })
    }

    fn items(&self) -> impl Iterator<Item = Vec<u8>> {
        fn item(kind: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
            let mut item = vec![kind];
            fill(&mut item);
            item
        }
        let head = item(1, |item| {
            item.push(VERSION);
            for place in [self.base, self.taken_at] {
                item.put_number(place.mark.0);
                item.put_bytes(&place.tag.0.to_le_bytes());
                item.put_position(place.position);
            }
            item.put_bytes(&self.hash.to_le_bytes());
            item.put_position(self.forgotten);
            item.put_blob(&self.clock);
            item.put_number(self.epochs.is_some().into());
            if let Some(epochs) = &self.epochs {
                item.put_epoch(epochs.current());
            }
        });
        let earlier = self
            .epochs
            .iter()
            .flat_map(Epochs::earlier)
            .map(|(epoch, end)| {
                item(2, |item| {
                    item.put_epoch(*epoch);
                    item.put_position(*end);
                })
            });
        let senders = self.senders.iter().map(|(node, sender)| {
            item(3, |item| {
                node.put(item);
                item.put_number(sender.counter);
                item.put_time(sender.at_ms);
            })
        });
        let floors = self.floors.iter().map(|(topic, floor)| {
            item(4, |item| {
                item.put_text(topic.as_str());
                item.put_position(*floor);
            })
        });
        let entries = self.entries.iter().map(|entry| {
            item(5, |item| {
                item.put_position(entry.id.position);
                item.put_record(&entry.record);
            })
        });
        let receipts = self.receipts.iter().map(|(key, kept, end_ms)| {
            item(6, |item| {
                item.put_blob(key);
                item.put_time(*end_ms);
                item.put_stored(kept);
            })
        });
        let voids = self.voids.iter().map(|(first, last)| {
            item(7, |item| {
                item.put_position(*first);
                item.put_position(*last);
            })
        });
        let times = self.times.iter().map(|(first, ms)| {
            item(8, |item| {
                item.put_position(*first);
                item.put_time(*ms);
            })
        });
        let rest = senders
            .chain(floors)
            .chain(entries)
            .chain(receipts)
            .chain(voids)
            .chain(times);
        std::iter::once(head).chain(earlier).chain(rest)
    }
}

impl Reading {
    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), Unreadable> {
        self.buffer.extend_from_slice(chunk);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > MAX_ITEM_BYTES || self.has_ended {
                return Err(Unreadable::Damaged);
            }
            let Some((item, after)) = after.split_at_checked(length) else {
                break;
            };
            self.take(item)?;
            rest = after;
        }
        self.buffer = rest.to_vec();
        Ok(())
    }

    /// Returns the snapshot once all chunks were read.
    pub(crate) fn finish(self) -> Result<Cut, Unreadable> {
        if !self.has_ended || !self.buffer.is_empty() {
            return Err(Unreadable::Damaged);
        }
        let epochs = self
            .current
            .map(|current| Epochs::new(current, self.earlier));
        Ok(Cut { epochs, ..self.cut })
    }

    fn take(&mut self, item: &[u8]) -> Result<(), Unreadable> {
        if let [1, version, ..] = item
            && *version > VERSION
        {
            return Err(Unreadable::Newer(*version));
        }
        self.read(item).ok_or(Unreadable::Damaged)?;
        self.hash.update(item);
        Ok(())
    }

    fn read(&mut self, item: &[u8]) -> Option<()> {
        let mut reader = Reader(item);
        let [kind] = reader.array()?;
        if (kind == 1) == self.has_begun {
            return None; // the head comes first, and once
        }
        let cut = &mut self.cut;
        match kind {
            1 => {
                self.has_begun = true;
                reader.array::<1>()?;
                for place in [&mut cut.base, &mut cut.taken_at] {
                    let mark = Mark(reader.number()?);
                    let tag = Tag(u64::from_le_bytes(reader.array()?));
                    *place = Place {
                        mark,
                        tag,
                        position: reader.position()?,
                    };
                }
                cut.hash = u64::from_le_bytes(reader.array()?);
                cut.forgotten = reader.position()?;
                cut.clock = reader.blob()?.to_vec();
                if reader.number()? != 0 {
                    self.current = Some(reader.epoch()?);
                }
            }
            2 => self.earlier.push((reader.epoch()?, reader.position()?)),
            3 => {
                let node = NodeId::read(&mut reader)?;
                cut.senders.push((
                    node,
                    Sender {
                        counter: reader.number()?,
                        at_ms: reader.time()?,
                    },
                ));
            }
            4 => cut.floors.push((reader.topic()?, reader.position()?)),
            5 => {
                let position = reader.position()?;
                let after = self.earlier.partition_point(|(_, end)| *end < position);
                let epoch = self
                    .earlier
                    .get(after)
                    .map_or(self.current, |(epoch, _)| Some(*epoch))?;
                let id = EventId { epoch, position };
                cut.entries.push(Arc::new(Entry {
                    id,
                    record: reader.record()?,
                }));
            }
            6 => {
                let key = Bytes::copy_from_slice(reader.blob()?);
                let end_ms = reader.time()?;
                cut.receipts.push((key, reader.stored()?, end_ms));
            }
            7 => cut.voids.push((reader.position()?, reader.position()?)),
            8 => cut.times.push((reader.position()?, reader.time()?)),
            9 => self.has_ended = u64::from_le_bytes(reader.array()?) == self.hash.digest(),
            _ => return None,
        }
        reader.end(())
    }
}

#[cfg(test)]
mod tests;
