//! Erasures as records of the log, in the server's own topic `_floors`.
//!
//! Erasing takes three steps, so that it has the same effect at every reader of the log and after
//! every start:
//!
//! 1. A note is stored: a record whose key is the topic and whose data is the id up to which the
//!    topic is erased. A server that dies after this finds the note at its next start, and erases
//!    before it shows anything ([`Floors::unfinished`]).
//! 2. The log destroys the events, and raises its own floors, which keep them hidden for good.
//! 3. The note is ended, on the condition that it is still the same one. Every hub over the log
//!    folds that end before it shows any later entry, and drops the rings and pages that may hold
//!    erased events ([`Floors::take_raised`]).
//!
//! So there are notes only for topics that are being erased. What lasts are the log's own floors.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tidings_journal::{Condition, Entry, Epochs, EventId, Position, Record, TopicName};
use tidings_sse::EventName;

use crate::fold::Fold;
use crate::keyed_state::{KeyedState, StoredValue, Value};
use crate::publication::Publication;

/// The topic of the notes.
static TOPIC: LazyLock<TopicName> =
    LazyLock::new(|| TopicName::parse("_floors").expect("a valid constant"));

const EVENT: EventName = EventName::from_static("floor");

/// The id up to which a topic is erased, and with it every topic whose name begins with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) topic: TopicName,
    pub(crate) below: Option<String>,
    /// An id and not a position, because the line of the log may break before the erasure is done.
    /// Then another event may have the position.
    pub(crate) until: EventId,
}

/// A floor that was raised, and the position of the record that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    floor: Floor,
    at: Position,
}

/// A floor with its position on the current line.
pub(crate) struct Located {
    floor: Floor,
    pub(crate) until: Position,
}

/// The fold of the topic `_floors`: the notes that are in the log, and the floors that were raised
/// since they were last taken.
pub(crate) struct Floors {
    notes: KeyedState<Floor>,
    /// The floors that were raised since the last call of [`Floors::take_raised`].
    raised: Mutex<Vec<Raised>>,
}

impl Floors {
    pub(crate) fn new() -> Self {
        Self {
            notes: KeyedState::new(TOPIC.clone(), read),
            raised: Mutex::default(),
        }
    }

    /// Returns the note on `topic`, if it is being erased.
    pub(crate) fn note_on(&self, topic: &TopicName) -> Option<StoredValue<Floor>> {
        self.notes.get(topic.as_str(), i64::MIN)
    }

    /// Returns all notes: the erasures that were begun and not completed yet.
    pub(crate) fn unfinished(&self) -> Vec<StoredValue<Floor>> {
        self.notes
            .all(i64::MIN)
            .into_iter()
            .map(|(_, note)| note)
            .collect()
    }

    /// Takes the floors that were raised since the last call, with their positions on the line with
    /// `epochs`.
    pub(crate) fn take_raised(&self, epochs: &Epochs) -> Vec<Located> {
        let raised = std::mem::take(&mut *self.raised.lock());
        raised
            .into_iter()
            .filter_map(|raised| raised.locate(epochs))
            .collect()
    }

    /// Returns the publication that notes `floor`.
    pub(crate) fn note(&self, floor: &Floor) -> Publication {
        self.publication(floor).keyed(floor.topic.as_str())
    }

    /// Returns the publication that ends the note of `floor`.
    pub(crate) fn end(&self, floor: &Floor) -> Publication {
        self.publication(floor).ending(floor.topic.as_str())
    }

    /// Returns the publication that says that `floor` was raised, for a floor whose note was
    /// replaced by another one.
    pub(crate) fn announce(&self, floor: &Floor) -> Publication {
        self.publication(floor)
    }

    /// Returns the condition that the note on `topic` is still the one at `position`.
    pub(crate) fn current(&self, topic: &TopicName, position: Position) -> Condition {
        self.notes.current(topic.as_str(), position)
    }

    fn publication(&self, floor: &Floor) -> Publication {
        Publication::new([self.notes.topic().clone()], EVENT, floor.text())
    }
}

impl Floor {
    /// Returns the data of a note: `<id> <topic>[ <prefix>]`. Topic names have no spaces.
    fn text(&self) -> String {
        let below = self
            .below
            .as_ref()
            .map_or_else(String::new, |below| format!(" {below}"));
        format!("{} {}{below}", self.until, self.topic)
    }

    /// Returns the position of the floor on the line with `epochs` that ends at `head`; `None` if
    /// it is of another line.
    pub(crate) fn locate(&self, epochs: &Epochs, head: Position) -> Option<Position> {
        epochs.locate(self.until, head).ok()
    }
}

impl Raised {
    fn locate(self, epochs: &Epochs) -> Option<Located> {
        let Self { floor, at } = self;
        // Never above the record itself, because the erasure did not affect anything later.
        let until = floor.locate(epochs, at)?.min(at);
        Some(Located { floor, until })
    }
}

impl Located {
    /// Returns whether an entry in `topics` at `position` is erased by this floor.
    pub(crate) fn hides(&self, position: Position, topics: &[TopicName]) -> bool {
        let is_of_it = |topic: &TopicName| {
            *topic == self.floor.topic
                || self
                    .floor
                    .below
                    .as_ref()
                    .is_some_and(|below| topic.as_str().starts_with(below))
        };
        position <= self.until && topics.iter().any(is_of_it)
    }
}

fn parse(data: &[u8]) -> Option<Floor> {
    let mut parts = std::str::from_utf8(data).ok()?.splitn(3, ' ');
    let until = EventId::parse(parts.next()?).ok()?;
    let topic = TopicName::parse(parts.next()?).ok()?;
    Some(Floor {
        topic,
        below: parts.next().map(str::to_owned),
        until,
    })
}

fn read(record: &Record) -> Option<Value<Floor>> {
    Some(Value {
        value: parse(&record.data)?,
        expires_at_ms: None,
    })
}

impl Fold for Floors {
    fn topics(&self) -> &[TopicName] {
        self.notes.topics()
    }

    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]) {
        self.notes.begin(generation, keyed);
        self.raised.lock().clear(); // the generation has new rings and pages
    }

    fn apply(&self, entry: &Arc<Entry>) {
        self.notes.apply(entry);
        let is_done = entry.record.key.is_none() || entry.record.ends_key;
        if let Some(floor) = parse(&entry.record.data).filter(|_| is_done) {
            self.raised.lock().push(Raised {
                floor,
                at: entry.id.position,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_journal::Epoch;

    use super::*;

    fn floor(text: &str) -> Option<Floor> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_note_is_parsed_as_it_was_written() {
        let epoch = Epoch::random(&mut rand::rng());
        for rest in [
            "7 chat/room/r",
            "18446744073709551615 chat chat/room/",
            "0 user/a%20b user/a%20b/entity/",
        ] {
            let text = format!("{epoch}-{rest}");
            assert_eq!(floor(&text).unwrap().text(), text);
        }
        for rest in ["", "7", "x chat", "-1 chat", "7 a//b", "7  chat"] {
            assert_eq!(floor(&format!("{epoch}-{rest}")), None, "{rest}");
        }
        assert_eq!(floor("7 chat"), None);
    }

    #[test]
    fn a_floor_hides_entries_of_the_topic_and_of_those_below_it_up_to_its_position() {
        let epoch = Epoch::random(&mut rand::rng());
        let floor = floor(&format!("{epoch}-7 chat chat/room/")).unwrap();
        let located = Raised {
            floor,
            at: Position::new(9),
        }
        .locate(&Epochs::new(epoch, Vec::new()))
        .unwrap();
        let hides = |position, topic: &str| {
            located.hides(Position::new(position), &[TopicName::parse(topic).unwrap()])
        };
        assert!(hides(7, "chat") && hides(7, "chat/room/r") && hides(1, "chat/room/r"));
        assert!(!hides(8, "chat") && !hides(7, "chat/roomy") && !hides(7, "realtime"));
    }

    #[test]
    fn a_floor_is_valid_only_on_its_own_line_and_never_above_its_record() {
        let [old, new, other] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        let until = |epoch, position, at| {
            let floor = floor(&format!("{epoch}-{position} chat")).unwrap();
            Raised {
                floor,
                at: Position::new(at),
            }
            .locate(&epochs)
            .map(|located| located.until.get())
        };
        assert_eq!(until(old, 10, 12), Some(10));
        assert_eq!(until(old, 11, 12), None, "lost");
        assert_eq!(until(other, 5, 12), None);
        assert_eq!(until(new, 11, 12), Some(11));
        assert_eq!(until(new, 13, 12), None);
        assert_eq!(until(old, 10, 9), Some(9));
    }
}
