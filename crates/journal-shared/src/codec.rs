//! How numbers, texts and records are encoded in groups and snapshots.
//!
//! Numbers are LEB128, and texts and blobs have their length before them. Decoding never panics,
//! and never takes more memory than a small multiple of what it is given.

use std::sync::Arc;

use bytes::Bytes;
use tidings_journal::{Epoch, EventId, Position, Receipt, Record, StoredReceipt, TopicName};

/// What is left to decode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// The end of what is encoded.
pub(crate) trait Put {
    fn put_bytes(&mut self, bytes: &[u8]);

    fn put_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put_bytes(&[number.to_le_bytes()[0] | 0x80]);
            number >>= 7;
        }
        self.put_bytes(&[number.to_le_bytes()[0]]);
    }

    fn put_count(&mut self, count: usize) {
        self.put_number(count as u64);
    }

    fn put_time(&mut self, ms: i64) {
        self.put_bytes(&ms.to_le_bytes());
    }

    fn put_position(&mut self, position: Position) {
        self.put_number(position.get());
    }

    fn put_blob(&mut self, bytes: &[u8]) {
        self.put_count(bytes.len());
        self.put_bytes(bytes);
    }

    fn put_text(&mut self, text: &str) {
        self.put_blob(text.as_bytes());
    }

    fn put_epoch(&mut self, epoch: Epoch) {
        self.put_bytes(epoch.as_str().as_bytes());
    }

    fn put_id(&mut self, id: EventId) {
        self.put_epoch(id.epoch);
        self.put_position(id.position);
    }

    fn put_topics(&mut self, topics: &[TopicName]) {
        self.put_count(topics.len());
        for topic in topics {
            self.put_text(topic.as_str());
        }
    }

    fn put_record(&mut self, record: &Record) {
        self.put_time(record.at_ms);
        self.put_topics(&record.topics);
        self.put_text(&record.event);
        match &record.key {
            None => self.put_number(0),
            Some(key) => {
                self.put_number(if record.ends_key { 2 } else { 1 });
                self.put_text(key);
            }
        }
        self.put_blob(&record.data);
    }

    fn put_receipt(&mut self, receipt: &Receipt) {
        self.put_blob(&receipt.key);
        self.put_blob(&receipt.value);
        self.put_number(u64::try_from(receipt.lives.as_millis()).unwrap_or(u64::MAX));
    }

    fn put_stored(&mut self, kept: &StoredReceipt) {
        self.put_blob(&kept.value);
        self.put_position(kept.first);
        self.put_number(kept.events.into());
        self.put_number(kept.refused.into());
    }
}

impl Put for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn count(&mut self) -> Option<usize> {
        // Each of what is counted takes at least a byte.
        usize::try_from(self.number()?)
            .ok()
            .filter(|count| *count <= self.0.len())
    }

    pub(crate) fn time(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn position(&mut self) -> Option<Position> {
        self.number().map(Position::new)
    }

    pub(crate) fn blob(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.blob()?).ok()
    }

    pub(crate) fn epoch(&mut self) -> Option<Epoch> {
        Epoch::parse(std::str::from_utf8(self.bytes(Epoch::LENGTH)?).ok()?)
    }

    pub(crate) fn id(&mut self) -> Option<EventId> {
        Some(EventId {
            epoch: self.epoch()?,
            position: self.position()?,
        })
    }

    pub(crate) fn topic(&mut self) -> Option<TopicName> {
        TopicName::parse(self.text()?).ok()
    }

    pub(crate) fn topics(&mut self) -> Option<Vec<TopicName>> {
        let count = self.count()?;
        (0..count).map(|_| self.topic()).collect()
    }

    pub(crate) fn record(&mut self) -> Option<Record> {
        let at_ms = self.time()?;
        let topics = self.topics()?.into();
        let event = self.text()?.into();
        let kind = self.number()?;
        let key: Option<Arc<str>> = match kind {
            0 => None,
            1 | 2 => Some(self.text()?.into()),
            _ => return None,
        };
        // A copy, because a part of the group would keep all of it in memory.
        let data = Bytes::copy_from_slice(self.blob()?);
        Some(Record {
            topics,
            event,
            key,
            data,
            at_ms,
            ends_key: kind == 2,
        })
    }

    pub(crate) fn receipt(&mut self) -> Option<Receipt> {
        Some(Receipt {
            key: Bytes::copy_from_slice(self.blob()?),
            value: Bytes::copy_from_slice(self.blob()?),
            lives: std::time::Duration::from_millis(self.number()?),
        })
    }

    pub(crate) fn stored(&mut self) -> Option<StoredReceipt> {
        Some(StoredReceipt {
            value: Bytes::copy_from_slice(self.blob()?),
            first: self.position()?,
            events: u32::try_from(self.number()?).ok()?,
            refused: self.number()? != 0,
        })
    }

    /// Returns `value` if nothing is left.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
