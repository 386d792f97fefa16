//! Runs: the records of one topic that were appended in one step, side by side in one value.
//!
//! The storage engine's share of an append depends on the number of values, not of bytes. A
//! thousand events of one topic in one batch are written three times as fast in runs as one by one,
//! and read faster too. A run's key is its *last* position, so the first key at or after a position
//! is that of the run which contains the position.

use super::codec::{MAX_COPY_BYTES, put_number, take, take_number};
use super::keys::TopicId;
use tidings_journal::Position;

/// The size at which a run is complete, which is about what one read from the device returns.
const RUN_BYTES: usize = 8 << 10;

/// The first byte of every run.
const RUN: u8 = 1;

/// A run that is being built.
pub(super) struct Builder {
    bytes: Vec<u8>,
    last: Position,
}

/// What a topic holds at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element<'a> {
    /// The encoded record.
    Record(&'a [u8]),
    /// The record is too large to be stored twice. It stands in this topic, at the same position.
    In(TopicId),
}

/// Reads the elements of a run.
pub(super) struct Reader<B> {
    run: B,
    at: usize,
    next: Position,
}

/// Where an element is stored in its run.
#[derive(Clone, Debug)]
pub(super) enum Location {
    Record(std::ops::Range<usize>),
    In(TopicId),
}

impl Element<'_> {
    /// Returns the element in `topic` of a record that stands in `first`, and perhaps in others.
    pub(super) fn of(record: &[u8], first: TopicId, topic: TopicId) -> Element<'_> {
        if topic == first || record.len() <= MAX_COPY_BYTES {
            Element::Record(record)
        } else {
            Element::In(first)
        }
    }

    /// Returns about how many bytes the element takes in a run.
    pub(super) fn weight(&self) -> u64 {
        const AROUND: usize = 8;
        match self {
            Self::Record(bytes) => (AROUND + bytes.len()) as u64,
            Self::In(_) => AROUND as u64,
        }
    }
}

impl Builder {
    pub(super) fn new(first: Position) -> Self {
        let mut bytes = vec![RUN];
        bytes.extend(first.get().to_le_bytes());
        Self { bytes, last: first }
    }

    /// Adds what stands at `position`, which must be higher than all positions before.
    pub(super) fn push(&mut self, position: Position, element: Element<'_>) {
        put_number(&mut self.bytes, position.get() - self.last.get());
        self.last = position;
        match element {
            Element::Record(record) => {
                put_number(&mut self.bytes, (record.len() as u64) << 1);
                self.bytes.extend_from_slice(record);
            }
            Element::In(topic) => put_number(&mut self.bytes, topic << 1 | 1),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= RUN_BYTES
    }

    /// Returns the position that is the run's key, and the run's bytes.
    pub(super) fn finish(self) -> (Position, Vec<u8>) {
        (self.last, self.bytes)
    }
}

impl<B: AsRef<[u8]>> Reader<B> {
    /// Begins to read a run. `None` if the bytes are not a run.
    pub(super) fn new(run: B) -> Option<Self> {
        let mut bytes = run.as_ref();
        if take(&mut bytes)? != [RUN] {
            return None;
        }
        let next = Position::new(u64::from_le_bytes(take(&mut bytes)?));
        let at = run.as_ref().len() - bytes.len();
        Some(Self { run, at, next })
    }

    /// Returns the next position, and where its element is stored. `Some(None)` at the end, and
    /// `None` if the run is damaged.
    #[expect(clippy::option_option, reason = "the end is no damage")]
    pub(super) fn next(&mut self) -> Option<Option<(Position, Location)>> {
        let mut bytes = self.run.as_ref().get(self.at..)?;
        if bytes.is_empty() {
            return Some(None);
        }
        let position = Position::new(self.next.get().checked_add(take_number(&mut bytes)?)?);
        let packed = take_number(&mut bytes)?;
        let mut at = self.run.as_ref().len() - bytes.len();
        let location = if packed & 1 == 1 {
            Location::In(packed >> 1)
        } else {
            let range = at..at.checked_add(usize::try_from(packed >> 1).ok()?)?;
            at = range.end;
            self.run.as_ref().get(range.clone())?;
            Location::Record(range)
        };
        self.at = at;
        self.next = position;
        Some(Some((position, location)))
    }

    /// Returns the element at a location that was returned before.
    pub(super) fn element(&self, location: &Location) -> Element<'_> {
        match location {
            Location::Record(range) => {
                Element::Record(self.run.as_ref().get(range.clone()).unwrap_or_default())
            }
            Location::In(topic) => Element::In(*topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(run: &[u8]) -> Option<Vec<(u64, Option<Vec<u8>>)>> {
        let mut reader = Reader::new(run)?;
        let mut elements = Vec::new();
        while let Some((position, location)) = reader.next()? {
            elements.push((
                position.get(),
                match reader.element(&location) {
                    Element::Record(record) => Some(record.to_vec()),
                    Element::In(_) => None,
                },
            ));
        }
        Some(elements)
    }

    proptest! {
        #[test]
        fn a_run_reads_back(gaps in proptest::collection::vec((1..1_000_u64, proptest::option::of(".{0,20}")), 1..50)) {
            let mut position = 0;
            let mut builder = None;
            let mut expected = Vec::new();
            for (gap, record) in gaps {
                position += gap;
                let record = record.map(String::into_bytes);
                let builder = builder.get_or_insert_with(|| Builder::new(Position::new(position)));
                builder.push(Position::new(position), record.as_deref().map_or(Element::In(7), Element::Record));
                expected.push((position, record));
            }
            let (last, bytes) = builder.unwrap().finish();
            prop_assert_eq!(last.get(), position);
            prop_assert_eq!(read(&bytes), Some(expected));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(garbage: Vec<u8>) {
            let _ = read(&garbage);
            let _ = read(&[&[RUN; 9][..], &garbage].concat());
        }
    }
}
