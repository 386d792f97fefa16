//! The encoding of the tables' values.
//!
//! Lengths and most numbers are LEB128. There are no checksums here, because the storage engine has
//! one for every block and batch. Bytes that do not decode are refused nevertheless.

use std::sync::Arc;

use bytes::Bytes;

use super::keys::{Kind, TopicId};
use tidings_journal::{Epoch, Position, Record, StoredReceipt, TopicName};

/// The longest record of which each of its topics stores a copy, in bytes. Reading such a copy
/// costs no more than finding the record in its first topic.
pub(super) const MAX_COPY_BYTES: usize = 1_024;

/// The stored row of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TopicRow {
    pub(super) id: TopicId,
    /// The highest position of a record without a key that was ever trimmed. Records at or below it
    /// are hidden, and will be removed.
    pub(super) floor: Position,
    /// The highest position of a record with a key that was ever trimmed.
    pub(super) keyed_floor: Position,
    /// The highest position of any record, and of a record without a key.
    pub(super) last: Position,
    pub(super) last_plain: Position,
    /// The position up to which records are counted.
    pub(super) counted: Position,
    /// The number of records without a key whose first topic this is.
    pub(super) events: u64,
    /// Their size in bytes, including copies in other topics.
    pub(super) bytes: u64,
}

/// One record in the row of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BatchEntry {
    /// The record's first topic.
    pub(super) topic: TopicId,
    /// Whether the record has a key.
    pub(super) keyed: bool,
    /// Its size in bytes, including copies in other topics.
    pub(super) bytes: u64,
    /// Its other topics.
    pub(super) others: Vec<TopicId>,
}

/// Encodes a record, without its position.
pub(super) fn encode_record(record: &Record) -> Vec<u8> {
    let topics: usize = record
        .topics
        .iter()
        .map(|topic| topic.as_str().len() + 2)
        .sum();
    let key = record.key.as_deref().unwrap_or_default();
    let mut bytes =
        Vec::with_capacity(32 + topics + record.event.len() + key.len() + record.data.len());
    bytes.extend(record.at_ms.to_le_bytes());
    put_number(&mut bytes, record.topics.len() as u64);
    for topic in &*record.topics {
        put_text(&mut bytes, topic.as_str());
    }
    put_text(&mut bytes, &record.event);
    match &record.key {
        Some(key) => {
            bytes.push(if record.ends_key { 2 } else { 1 });
            put_text(&mut bytes, key);
        }
        None => bytes.push(0),
    }
    bytes.extend_from_slice(&record.data);
    bytes
}

/// Shares texts that are equal, because most names on a page are the same.
#[derive(Default)]
pub(super) struct Interner {
    topics: Option<Arc<[TopicName]>>,
    event: Option<Arc<str>>,
}

/// Decodes a record.
pub(super) fn decode_record(mut bytes: &[u8], interner: &mut Interner) -> Option<Record> {
    let at_ms = i64::from_le_bytes(take(&mut bytes)?);
    let topics = decode_topics(&mut bytes, interner)?;
    let event = take_text(&mut bytes)?;
    let event = match &interner.event {
        Some(last) if **last == *event => last.clone(),
        _ => interner.event.insert(event.into()).clone(),
    };
    let (key, ends_key) = match take(&mut bytes)? {
        [0] => (None, false),
        [1] => (Some(take_text(&mut bytes)?.into()), false),
        [2] => (Some(take_text(&mut bytes)?.into()), true),
        _ => return None,
    };
    Some(Record {
        topics,
        event,
        key,
        data: Bytes::copy_from_slice(bytes),
        at_ms,
        ends_key,
    })
}

fn decode_topics(bytes: &mut &[u8], interner: &mut Interner) -> Option<Arc<[TopicName]>> {
    let number = usize::try_from(take_number(bytes)?).ok()?;
    if let Some(last) = interner.topics.as_ref().filter(|last| last.len() == number) {
        let mut ahead = *bytes;
        if last
            .iter()
            .all(|topic| take_text(&mut ahead) == Some(topic.as_str()))
        {
            *bytes = ahead;
            return Some(last.clone());
        }
    }
    let mut names = Vec::new();
    for _ in 0..number {
        names.push(TopicName::parse(take_text(bytes)?).ok()?);
    }
    Some(interner.topics.insert(names.into()).clone())
}

impl TopicRow {
    /// Records that a record stands at `position`.
    pub(super) fn note(&mut self, kind: Kind, position: Position) {
        self.last = self.last.max(position);
        if kind == Kind::Plain {
            self.last_plain = self.last_plain.max(position);
        }
    }

    /// Returns the highest position that was ever trimmed. A cursor below it would miss something.
    pub(super) fn highest_trimmed(&self) -> Position {
        self.floor.max(self.keyed_floor)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        let positions = [
            self.floor,
            self.keyed_floor,
            self.last,
            self.last_plain,
            self.counted,
        ]
        .map(Position::get);
        for number in [self.id]
            .into_iter()
            .chain(positions)
            .chain([self.events, self.bytes])
        {
            put_number(&mut bytes, number);
        }
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut numbers = Vec::with_capacity(8);
        while !bytes.is_empty() {
            numbers.push(take_number(&mut bytes)?);
        }
        let (id, positions, events, bytes) = match numbers[..] {
            [
                id,
                floor,
                keyed_floor,
                last,
                last_plain,
                counted,
                events,
                bytes,
            ] => (
                id,
                [floor, keyed_floor, last, last_plain, counted],
                events,
                bytes,
            ),
            // The fields of the first version.
            [id, floor, last, counted, events, bytes] => {
                (id, [floor, 0, last, last, counted], events, bytes)
            }
            _ => return None,
        };
        let [floor, keyed_floor, last, last_plain, counted] = positions.map(Position::new);
        Some(Self {
            id,
            floor,
            keyed_floor,
            last,
            last_plain,
            counted,
            events,
            bytes,
        })
    }
}

/// Encodes the row of a batch.
pub(super) fn encode_batch(batch: &[BatchEntry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 * batch.len() + 4);
    for listed in batch {
        put_number(&mut bytes, listed.topic);
        put_number(&mut bytes, listed.bytes << 1 | u64::from(listed.keyed));
        put_number(&mut bytes, listed.others.len() as u64);
        for &topic in &listed.others {
            put_number(&mut bytes, topic);
        }
    }
    bytes
}

/// Decodes the row of a batch.
pub(super) fn decode_batch(mut bytes: &[u8]) -> Option<Vec<BatchEntry>> {
    let mut batch = Vec::new();
    while !bytes.is_empty() {
        let topic = take_number(&mut bytes)?;
        let packed = take_number(&mut bytes)?;
        let mut others = Vec::new();
        for _ in 0..take_number(&mut bytes)? {
            others.push(take_number(&mut bytes)?);
        }
        batch.push(BatchEntry {
            topic,
            keyed: packed & 1 == 1,
            bytes: packed >> 1,
            others,
        });
    }
    Some(batch)
}

/// Encodes all epochs, each with its last position. The last epoch is open, and has none.
pub(super) fn encode_epochs(earlier: &[(Epoch, Position)], current: Epoch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 * earlier.len() + 8);
    for (epoch, end) in earlier {
        bytes.extend(epoch.as_str().as_bytes());
        bytes.extend(end.get().to_le_bytes());
    }
    bytes.extend(current.as_str().as_bytes());
    bytes
}

/// Decodes all epochs.
pub(super) fn decode_epochs(mut bytes: &[u8]) -> Option<(Vec<(Epoch, Position)>, Epoch)> {
    let mut earlier = Vec::new();
    loop {
        let epoch = Epoch::parse(str::from_utf8(&take::<{ Epoch::LENGTH }>(&mut bytes)?).ok()?)?;
        if bytes.is_empty() {
            return Some((earlier, epoch));
        }
        earlier.push((epoch, Position::new(u64::from_le_bytes(take(&mut bytes)?))));
    }
}

/// When a receipt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By the log's clock.
    Log(i64),
    /// By the wall clock, like the timestamps of records. Format 1 stored it in this way.
    Wall(i64),
}

impl End {
    /// Returns the end by the log's clock. `skew` returns by how many milliseconds that was ahead
    /// of the wall clock.
    pub(super) fn in_log_time(self, skew: impl FnOnce() -> i64) -> i64 {
        match self {
            Self::Log(end_ms) => end_ms,
            Self::Wall(end_ms) => end_ms.saturating_add(skew()),
        }
    }
}

/// Flags above the number of records, which is less than 2^32: that the receipt has format 2, and
/// that its unit was refused.
const FORMAT_2: u64 = 1 << 32;
const REFUSED: u64 = 1 << 33;

/// Encodes a receipt, with its end by the log's clock.
pub(super) fn encode_receipt(end_ms: i64, kept: &StoredReceipt) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 + kept.value.len());
    bytes.extend(end_ms.to_le_bytes());
    put_number(&mut bytes, kept.first.get());
    put_number(
        &mut bytes,
        u64::from(kept.events) | FORMAT_2 | if kept.refused { REFUSED } else { 0 },
    );
    bytes.extend_from_slice(&kept.value);
    bytes
}

/// Decodes a receipt and its end.
pub(super) fn decode_receipt(mut bytes: &[u8]) -> Option<(End, StoredReceipt)> {
    let end_ms = i64::from_le_bytes(take(&mut bytes)?);
    let first = Position::new(take_number(&mut bytes)?);
    let outcome = take_number(&mut bytes)?;
    let events = u32::try_from(outcome % FORMAT_2).ok()?;
    let (end, refused) = match outcome - u64::from(events) {
        0 => (End::Wall(end_ms), false),
        FORMAT_2 => (End::Log(end_ms), false),
        both if both == FORMAT_2 | REFUSED => (End::Log(end_ms), true),
        _ => return None,
    };
    Some((
        end,
        StoredReceipt {
            value: Bytes::copy_from_slice(bytes),
            first,
            events,
            refused,
        },
    ))
}

/// Encodes the bounds of all pools, by name.
pub(super) fn encode_bounds<'a>(bounds: impl Iterator<Item = (&'a str, usize)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    for (name, most) in bounds {
        put_text(&mut bytes, name);
        put_number(&mut bytes, most as u64);
    }
    bytes
}

/// Decodes the bounds of all pools.
pub(super) fn decode_bounds(mut bytes: &[u8]) -> Option<Vec<(String, usize)>> {
    let mut bounds = Vec::new();
    while !bytes.is_empty() {
        let name = take_text(&mut bytes)?.to_owned();
        bounds.push((name, usize::try_from(take_number(&mut bytes)?).ok()?));
    }
    Some(bounds)
}

pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
