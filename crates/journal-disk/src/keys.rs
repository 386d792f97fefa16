//! The tables' names and keys.
//!
//! | table | key | value |
//! |---|---|---|
//! | `events-0` … `events-7` | topic id, kind, the last position of the run | a run of records ([`run`](super::run)) |
//! | `order` | the first position of a batch | the topics of each of its records, and its size |
//! | `topics` | a topic's name | its id, floors and counts |
//! | `keys` | id of a record's first topic, its key | the position of the live record with that key |
//! | `receipts` | `r`, the receipt's key | its end, its unit's outcome and position, and its value |
//! | `meta` | a name | epochs, checkpoint, common floor, next topic id, bounds on keys, the log's clock |
//!
//! Numbers are big-endian, so that keys sort by number. A topic's records are stored side by side,
//! oldest first, so reading a topic means reading one range. The trimmed records without a key are
//! a prefix of that range. Trimming therefore stores one number, the topic's floor, and no marker
//! for each record. Records with a key are removed one by one when they are superseded. Each of
//! them is a run of its own, and they are stored apart from the others.

use tidings_journal::Position;

/// The table of batches.
pub(super) const ORDER: &str = "order";
/// The table of receipts.
pub(super) const RECEIPTS: &str = "receipts";
/// How the names of the event tables begin.
pub(super) const EVENTS: &str = "events-";

/// A key that sorts after all others and has no meaning, see
/// [`Tables::flush_if_above`](super::tables::Tables::flush_if_above).
pub(super) const NOOP_KEY: &[u8] = &[0xff; 24];

/// The number of tables that the topics are spread over. When space is needed, one table is
/// rewritten at a time, an eighth of the log.
pub(super) const SHARDS: usize = 8;

/// The id of a topic, which is never used again for another one.
pub(super) type TopicId = u64;

/// Whether a record has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Plain = 0,
    Keyed = 1,
}

/// Returns the event table that `topic` is in.
pub(super) fn shard(topic: TopicId) -> usize {
    usize::try_from(topic % SHARDS as u64).unwrap_or_default()
}

/// Returns which event table has this name.
pub(super) fn shard_of_name(name: &str) -> Option<usize> {
    name.strip_prefix(EVENTS)?.parse().ok()
}

/// Returns the key of a record in a topic.
pub(super) fn event(topic: TopicId, kind: Kind, position: Position) -> [u8; EVENT_BYTES] {
    let mut key = [0; EVENT_BYTES];
    key[..8].copy_from_slice(&topic.to_be_bytes());
    key[8] = kind as u8;
    key[9..].copy_from_slice(&position.get().to_be_bytes());
    key
}

/// The length of an event's key in bytes.
pub(super) const EVENT_BYTES: usize = 17;

/// Parses the key of a record in a topic.
pub(super) fn parse_event(key: &[u8]) -> Option<(TopicId, Kind, Position)> {
    let key: &[u8; EVENT_BYTES] = key.try_into().ok()?;
    let (topic, rest) = key.split_first_chunk()?;
    let (kind, position) = rest.split_first()?;
    let kind = match kind {
        0 => Kind::Plain,
        1 => Kind::Keyed,
        _ => return None,
    };
    Some((u64::from_be_bytes(*topic), kind, parse_position(position)?))
}

/// Returns the key of a batch in the table `order`.
pub(super) fn position(position: Position) -> [u8; 8] {
    position.get().to_be_bytes()
}

/// Parses a position.
pub(super) fn parse_position(bytes: &[u8]) -> Option<Position> {
    Some(Position::new(u64::from_be_bytes(bytes.try_into().ok()?)))
}

/// Returns the key of a record's key in the table `keys`.
pub(super) fn key(topic: TopicId, key: &str) -> Vec<u8> {
    [&topic.to_be_bytes(), key.as_bytes()].concat()
}

/// Parses the key of a record's key.
pub(super) fn parse_key(bytes: &[u8]) -> Option<(TopicId, &str)> {
    let (topic, key) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*topic), str::from_utf8(key).ok()?))
}

/// Returns the key of a receipt: a prefix that distinguishes it from keys without a meaning,
/// and its own key.
pub(super) fn receipt(key: &[u8]) -> Vec<u8> {
    [b"r", key].concat()
}

/// The rows of the table `meta`.
pub(super) mod meta {
    /// All epochs, oldest first.
    pub(crate) const EPOCHS: &[u8] = b"epochs";
    /// The position up to which the counts of all topics are stored.
    pub(crate) const CHECKPOINT: &[u8] = b"checkpoint";
    /// The floor of every topic that has no row.
    pub(crate) const FORGOTTEN: &[u8] = b"forgotten";
    /// A lower limit of the next topic's id.
    pub(crate) const NEXT_ID: &[u8] = b"next-id";
    /// The bounds on live records with a key, as they were when the log was created or got format
    /// 2.
    pub(crate) const BOUNDS: &[u8] = b"bounds";
    /// The log's clock, from a recent step.
    pub(crate) const CLOCK: &[u8] = b"clock";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort_by_topic_kind_and_position() {
        let at = |topic, kind, number| event(topic, kind, Position::new(number));
        let sorted = [
            at(1, Kind::Plain, 9),
            at(1, Kind::Plain, 300),
            at(1, Kind::Keyed, 2),
            at(2, Kind::Plain, 1),
            at(256, Kind::Plain, 1),
        ];
        assert!(sorted.is_sorted());
        assert_eq!(
            parse_event(&sorted[2]),
            Some((1, Kind::Keyed, Position::new(2)))
        );
        assert_eq!(parse_event(&sorted[2][1..]), None);
        assert_eq!(parse_key(&key(7, "db")), Some((7, "db")));
    }
}
