//! The server's answers as values of the log. Must never panic, whatever a stranger has written
//! into the keys.

use std::fmt;

use bytes::Bytes;
use redis::Value;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Failure, LogId, Mark, Raw, SnapshotId, State, Tag};

use crate::failure;

/// The id of an entry of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) first: u64,
    pub(crate) second: u64,
}

/// An entry of a stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    fields: Vec<(Vec<u8>, Bytes)>,
}

/// The fields of `meta` that [`state`] needs, in its order.
pub(crate) const STATE: [&str; 5] = ["log", "epoch", "head", "trimmed", "snap"];

impl Id {
    /// Returns the id of the group with this mark.
    pub(crate) fn of(mark: Mark) -> Self {
        Self {
            first: mark.0,
            second: 0,
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (first, second) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            first: first.parse().ok()?,
            second: second.parse().ok()?,
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.second)
    }
}

impl Entry {
    fn take(&mut self, name: &str) -> Option<Bytes> {
        let at = self
            .fields
            .iter()
            .position(|(field, _)| field == name.as_bytes())?;
        Some(self.fields.swap_remove(at).1)
    }

    /// Returns the group of an entry of the log. `None` if a stranger has added the entry.
    pub(crate) fn group(mut self) -> Option<Raw> {
        if self.id.second != 0 {
            return None;
        }
        Some(Raw {
            mark: Mark(self.id.first),
            previous: Some(tag(&self.take("p")?)?),
            ms: std::str::from_utf8(&self.take("t")?).ok()?.parse().ok()?,
            bytes: self.take("g")?,
        })
    }

    /// Returns the message of an entry of the stream of messages. `None` if a stranger has added
    /// it.
    pub(crate) fn message(mut self) -> Option<Bytes> {
        self.take("m")
    }
}

/// Writes a tag as it stands in Redis.
pub(crate) fn tag_text(tag: Tag) -> String {
    format!("{:016x}", tag.0)
}

/// Parses a tag as it stands in Redis.
pub(crate) fn tag(text: &[u8]) -> Option<Tag> {
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() == 16)?;
    u64::from_str_radix(text, 16).ok().map(Tag)
}

/// Returns the elements of an array; none for the absence of one.
pub(crate) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// Returns the bytes of a string.
pub(crate) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

/// Returns a text.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Returns a number, which Redis writes in either way.
pub(crate) fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => number.try_into().ok(),
        value => text(value)?.parse().ok(),
    }
}

/// Returns the entries that `XRANGE` answers with.
pub(crate) fn entries(value: Value) -> Option<Vec<Entry>> {
    array(value)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let [id, fields] = <[Value; 2]>::try_from(array(value)?).ok()?;
    let mut values = array(fields)?.into_iter();
    let mut fields = Vec::with_capacity(3);
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        fields.push((bytes(name)?.to_vec(), bytes(value)?));
    }
    Some(Entry {
        id: Id::parse(&bytes(id)?)?,
        fields,
    })
}

/// Returns the entries that `XREAD` answers with, by the name of the stream.
pub(crate) fn streams(value: Value) -> Option<Vec<(String, Vec<Entry>)>> {
    array(value)?
        .into_iter()
        .map(|stream| {
            let [name, found] = <[Value; 2]>::try_from(array(stream)?).ok()?;
            Some((text(name)?, entries(found)?))
        })
        .collect()
}

/// Returns the state of a log from the fields [`STATE`] of its `meta`.
pub(crate) fn state(fields: Vec<Value>) -> Result<State, Failure> {
    let [log, epoch, head, trimmed, snapshot] =
        <[Value; 5]>::try_from(fields).map_err(|_| failure::confused("`HMGET`"))?;
    if log == Value::Nil {
        return Err(Failure::Reopen("the log was deleted".to_owned()));
    }
    let read = || {
        let snapshot = text(snapshot)?;
        Some(State {
            log: LogId(text(log)?),
            epoch: Epoch::parse(&text(epoch)?)?,
            head: Mark(number(head)?),
            trimmed: Mark(number(trimmed)?),
            snapshot: (!snapshot.is_empty()).then_some(SnapshotId(snapshot)),
        })
    };
    read().ok_or_else(|| failure::confused("`HMGET` of the log's meta"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn raw(id: &str, fields: &[&str]) -> Option<Raw> {
        let fields = fields.iter().map(|field| bulk(field)).collect();
        entry(Value::Array(vec![bulk(id), Value::Array(fields)]))?.group()
    }

    #[test]
    fn a_group_is_read_from_its_fields_in_any_order() {
        let group = raw(
            "7-0",
            &["t", "1700000000000", "p", "00000000000000ff", "g", "x"],
        )
        .unwrap();
        assert_eq!(
            (group.mark, group.previous, group.ms, &group.bytes[..]),
            (Mark(7), Some(Tag(255)), 1_700_000_000_000, &b"x"[..])
        );
    }

    #[test]
    fn what_a_stranger_added_is_no_group() {
        assert!(raw("7-1", &["t", "1", "p", "00000000000000ff", "g", "x"]).is_none());
        assert!(raw("7-0", &["t", "1", "p", "ff", "g", "x"]).is_none());
        assert!(raw("7-0", &["t", "soon", "p", "00000000000000ff", "g", "x"]).is_none());
        assert!(raw("7-0", &["hello", "world"]).is_none());
        assert!(raw("7-0", &[]).is_none());
        assert!(raw("seven", &[]).is_none());
        assert!(raw("99999999999999999999-0", &[]).is_none());
        assert!(entry(Value::Int(3)).is_none());
        assert!(streams(Value::Array(vec![Value::Okay])).is_none());
    }

    #[test]
    fn a_state_that_does_not_parse_is_an_error() {
        let fields =
            |log: Value, head: &str| vec![log, bulk("abcdefgh"), bulk(head), bulk("0"), bulk("")];
        assert!(state(fields(bulk("l"), "3")).is_ok());
        assert!(matches!(
            state(fields(Value::Nil, "3")),
            Err(Failure::Reopen(_))
        ));
        assert!(matches!(
            state(fields(bulk("l"), "-3")),
            Err(Failure::Unsure(_))
        ));
        assert!(matches!(state(Vec::new()), Err(Failure::Unsure(_))));
    }
}
