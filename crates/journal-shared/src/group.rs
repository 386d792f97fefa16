//! Groups: what a node appends in one step, and how it is encoded.
//!
//! A group begins with the same four bytes, its version, its kind, the node and the counter by
//! which it is told from all other groups, and the epoch in which it is appended, and ends with a
//! hash of all that. What has not that form was written by a stranger.
//!
//! The epoch is there because two lines of history may have the same group at the same place: one
//! that was lost, and was sent again. A group that is sent in another epoch has another hash. And a
//! node that has missed the beginning of an epoch learns of it from the next group, whichever
//! broker it is.

use std::fmt;

use bytes::Bytes;
use tidings_journal::{Append, Condition, Epoch, EventId, Position, TopicName};
use xxhash_rust::xxh3::xxh3_64;

use crate::broker::Encoded;
use crate::codec::{Put, Reader};

/// The first bytes of each group.
const MAGIC: [u8; 4] = *b"\xf7tdg";

/// The version of the format that is written. Nodes read no later one.
const VERSION: u8 = 1;

/// The kind of the groups that begin an epoch.
const EPOCH: u8 = 2;

/// The most bytes that a group may have.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// The most units of a group.
pub(crate) const MAX_UNITS: usize = 2_000;

/// A node, which is one start of a process. It takes another id whenever it gives up a group that
/// may yet arrive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId([u8; 16]);

/// What a node appends in one step.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The node that appends it.
    pub(crate) node: NodeId,
    /// The number of the group among those of its node, from 1 on. Not used by groups that begin an
    /// epoch, which the broker never appends twice.
    pub(crate) counter: u64,
    /// The epoch in which it is appended, or which it begins.
    pub(crate) epoch: Epoch,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a group is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Units, each of which is appended as a whole or not at all.
    Units(Vec<Unit>),
    /// An epoch begins.
    Epoch {
        /// The last position of the epoch before. `None` if it is the one before this group.
        ends: Option<Position>,
    },
    /// Nothing. It tells the time, and whoever has folded it has everything that came before.
    Barrier,
}

/// A change of the log that is made as a whole or not at all.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    /// Records are appended.
    Append(Append),
    /// Everything up to an id is erased that stands in one of these topics.
    Erase(Vec<TopicName>, EventId),
}

/// What the bytes of a group are.
#[derive(Clone, Debug)]
pub(crate) enum Decoded {
    /// A group.
    Group(Group),
    /// A group in a format that is newer than this version.
    Newer(u8),
    /// Something that no node has written.
    Foreign,
}

impl NodeId {
    /// Draws a new id.
    pub(crate) fn random(rng: &mut impl rand::Rng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    pub(crate) fn put(self, bytes: &mut impl Put) {
        bytes.put_bytes(&self.0);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.array().map(Self)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Kind {
    /// Returns the number of positions that the group takes.
    pub(crate) fn positions(&self) -> u64 {
        match self {
            Self::Units(units) => units.iter().map(Unit::records).sum::<u64>().max(1),
            Self::Epoch { .. } | Self::Barrier => 1,
        }
    }
}

impl Unit {
    /// Returns the number of records, which is the number of positions that the unit takes.
    pub(crate) fn records(&self) -> u64 {
        match self {
            Self::Append(append) => append.records.len() as u64,
            Self::Erase(..) => 0,
        }
    }

    /// Encodes the unit.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Append(append) => put_append(&mut bytes, append),
            Self::Erase(topics, until) => {
                bytes.put_number(2);
                bytes.put_topics(topics);
                bytes.put_id(*until);
            }
        }
        bytes
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.number()? {
            1 => read_append(reader).map(Self::Append),
            2 => Some(Self::Erase(reader.topics()?, reader.id()?)),
            _ => None,
        }
    }
}

impl Group {
    /// Encodes the group.
    pub(crate) fn encode(&self) -> Encoded {
        match &self.kind {
            Kind::Units(units) => {
                let units: Vec<_> = units
                    .iter()
                    .map(|unit| (unit.encode(), unit.records()))
                    .collect();
                encode_units(
                    self.node,
                    self.counter,
                    self.epoch,
                    units.iter().map(|(bytes, records)| (&**bytes, *records)),
                )
            }
            Kind::Epoch { ends } => {
                let mut bytes = head(EPOCH, self.node, self.counter, self.epoch);
                bytes.put_number(ends.map_or(0, |ends| ends.get().saturating_add(1)));
                seal(bytes, 1)
            }
            Kind::Barrier => seal(head(3, self.node, self.counter, self.epoch), 1),
        }
    }
}

/// Encodes a group of units that are encoded already, each with the number of its records.
pub(crate) fn encode_units<'a>(
    node: NodeId,
    counter: u64,
    epoch: Epoch,
    units: impl ExactSizeIterator<Item = (&'a [u8], u64)>,
) -> Encoded {
    let mut bytes = head(1, node, counter, epoch);
    bytes.put_count(units.len());
    let mut positions = 0;
    for (unit, records) in units {
        bytes.put_bytes(unit);
        positions += records;
    }
    seal(bytes, positions)
}

/// Gives a group to another node or another epoch. The content stays.
pub(crate) fn readdress(
    group: &Encoded,
    node: NodeId,
    counter: u64,
    epoch: Epoch,
) -> Option<Encoded> {
    let (kind, _, _, _, body) = split(&group.bytes)?.ok()?;
    let mut bytes = head(kind, node, counter, epoch);
    bytes.put_bytes(body);
    Some(seal(bytes, group.positions))
}

/// Returns whether a group begins an epoch. Looks at its first bytes alone.
pub(crate) fn begins_epoch(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(5) == Some(&EPOCH)
}

/// Decodes a group.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    match split(bytes) {
        None => Decoded::Foreign,
        Some(Err(version)) => Decoded::Newer(version),
        Some(Ok((kind, node, counter, epoch, body))) => {
            let kind = match kind {
                1 => read_units(Reader(body)),
                EPOCH => read_epoch(Reader(body)),
                3 => Some(Kind::Barrier),
                _ => return Decoded::Newer(VERSION),
            };
            kind.map_or(Decoded::Foreign, |kind| {
                Decoded::Group(Group {
                    node,
                    counter,
                    epoch,
                    kind,
                })
            })
        }
    }
}

fn head(kind: u8, node: NodeId, counter: u64, epoch: Epoch) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.put_bytes(&[VERSION, kind]);
    node.put(&mut bytes);
    bytes.put_number(counter);
    bytes.put_epoch(epoch);
    bytes
}

fn seal(mut bytes: Vec<u8>, positions: u64) -> Encoded {
    let hash = xxh3_64(&bytes);
    bytes.put_bytes(&hash.to_le_bytes());
    Encoded::new(Bytes::from(bytes), positions)
}

/// Returns the kind, the node, the counter, the epoch and the body of a group, or its version if
/// that is newer. `None` if it is not a group.
#[expect(clippy::type_complexity, reason = "used twice, right here")]
fn split(bytes: &[u8]) -> Option<Result<(u8, NodeId, u64, Epoch, &[u8]), u8>> {
    let (content, hash) = bytes
        .split_last_chunk::<8>()
        .filter(|_| bytes.len() <= MAX_BYTES)?;
    let mut reader = Reader(content);
    if reader.array()? != MAGIC || u64::from_le_bytes(*hash) != xxh3_64(content) {
        return None;
    }
    let [version, kind] = reader.array()?;
    if version > VERSION {
        return Some(Err(version));
    }
    Some(Ok((
        kind,
        NodeId::read(&mut reader)?,
        reader.number()?,
        reader.epoch()?,
        reader.0,
    )))
}

fn read_units(mut reader: Reader<'_>) -> Option<Kind> {
    let count = reader.count().filter(|count| *count <= MAX_UNITS)?;
    let units = (0..count)
        .map(|_| Unit::decode(&mut reader))
        .collect::<Option<_>>()?;
    reader.end(Kind::Units(units))
}

fn read_epoch(mut reader: Reader<'_>) -> Option<Kind> {
    let ends = reader.number()?.checked_sub(1).map(Position::new);
    reader.end(Kind::Epoch { ends })
}

fn put_append(bytes: &mut Vec<u8>, append: &Append) {
    bytes.put_number(1);
    match &append.condition {
        None => bytes.put_number(0),
        Some(Condition::Absent(topic, key)) => {
            bytes.put_number(1);
            bytes.put_text(topic.as_str());
            bytes.put_text(key);
        }
        Some(Condition::Current(topic, key, position)) => {
            bytes.put_number(2);
            bytes.put_text(topic.as_str());
            bytes.put_text(key);
            bytes.put_position(*position);
        }
    }
    bytes.put_number(append.receipt.is_some().into());
    if let Some(receipt) = &append.receipt {
        bytes.put_receipt(receipt);
    }
    bytes.put_count(append.records.len());
    for record in &append.records {
        bytes.put_record(record);
    }
}

fn read_append(reader: &mut Reader<'_>) -> Option<Append> {
    let condition = match reader.number()? {
        0 => None,
        1 => Some(Condition::Absent(reader.topic()?, reader.text()?.into())),
        2 => Some(Condition::Current(
            reader.topic()?,
            reader.text()?.into(),
            reader.position()?,
        )),
        _ => return None,
    };
    let receipt = match reader.number()? {
        0 => None,
        1 => Some(reader.receipt()?),
        _ => return None,
    };
    let count = reader.count()?;
    let records = (0..count).map(|_| reader.record()).collect::<Option<_>>()?;
    Some(Append {
        records,
        receipt,
        condition,
        now_ms: 0,
    })
}

#[cfg(test)]
mod tests;
