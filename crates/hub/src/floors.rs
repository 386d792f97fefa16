//! Floors that were raised at an operator's word, as records of the log: the server's own topic `_floors`.
//!
//! Erasing takes three steps, so that it means the same at every reader of the log and after every start:
//!
//! 1. The floor is noted: a record whose key is the topic and whose data is the place up to which it is erased. A server that dies
//!    from here on finds it at its next start, and erases before it shows anything ([`Floors::unfinished`]).
//! 2. The log destroys it, and raises the floors of its own that keep it hidden for good.
//! 3. The note is ended, on the condition that it is still the same. Every hub over the log folds that before it shows anything behind
//!    it, and lets go of the rings and pages in which it may hold what was erased ([`Floors::raised`]).
//!
//! So there is a note for each topic that is being erased, and for no other: the log's own floors say all that lasts.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tidings_journal::{Condition, Entry, Epochs, EventId, Position, Record, TopicName};
use tidings_sse::EventName;

use crate::fold::Fold;
use crate::keyed_state::{Held, KeyedState, Value};
use crate::publication::Publication;

/// The topic of the notes.
static TOPIC: LazyLock<TopicName> = LazyLock::new(|| TopicName::parse("_floors").expect("a valid constant"));

const EVENT: EventName = EventName::from_static("floor");

/// Up to where a topic is erased, and every topic whose name begins with a prefix with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) topic: TopicName,
    pub(crate) below: Option<String>,
    /// An id and not a position, as the log's history may break before this is done: then something else may stand there.
    pub(crate) until: EventId,
}

/// A floor, and where the log says that it was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    floor: Floor,
    at: Position,
}

/// A floor whose place is known on the line at hand.
pub(crate) struct Located {
    floor: Floor,
    pub(crate) until: Position,
}

/// The notes that are in the log, and what was erased since the last look.
pub(crate) struct Floors {
    noted: KeyedState<Floor>,
    raised: Mutex<Vec<Raised>>,
}

impl Floors {
    pub(crate) fn new() -> Self {
        Self { noted: KeyedState::new(TOPIC.clone(), read), raised: Mutex::default() }
    }

    /// The note on `topic`, if it is being erased.
    pub(crate) fn noted(&self, topic: &TopicName) -> Option<Held<Floor>> {
        self.noted.get(topic.as_str(), i64::MIN)
    }

    /// All notes: what somebody began to erase and has not come to the end with.
    pub(crate) fn unfinished(&self) -> Vec<Held<Floor>> {
        self.noted.all(i64::MIN).into_iter().map(|(_, held)| held).collect()
    }

    /// What was erased by what was applied since the last call, of the line that has `epochs`.
    pub(crate) fn raised(&self, epochs: &Epochs) -> Vec<Located> {
        let raised = std::mem::take(&mut *self.raised.lock());
        raised.into_iter().filter_map(|raised| raised.locate(epochs)).collect()
    }

    /// What notes `floor`.
    pub(crate) fn note(&self, floor: &Floor) -> Publication {
        self.publication(floor).keyed(floor.topic.as_str())
    }

    /// What ends its note.
    pub(crate) fn end(&self, floor: &Floor) -> Publication {
        self.publication(floor).ending(floor.topic.as_str())
    }

    /// What says that it was erased, where the note is another's by now.
    pub(crate) fn tell(&self, floor: &Floor) -> Publication {
        self.publication(floor)
    }

    /// That the note on a topic is still the one at `position`.
    pub(crate) fn current(&self, topic: &TopicName, position: Position) -> Condition {
        self.noted.current(topic.as_str(), position)
    }

    fn publication(&self, floor: &Floor) -> Publication {
        Publication::new([self.noted.topic().clone()], EVENT, floor.text())
    }
}

impl Floor {
    /// `<id> <topic>[ <prefix>]`: no name of a topic has a space.
    fn text(&self) -> String {
        let below = self.below.as_ref().map_or_else(String::new, |below| format!(" {below}"));
        format!("{} {}{below}", self.until, self.topic)
    }

    /// Its place on the line that has `epochs` and ends at `head`; `None` if it is of another line.
    pub(crate) fn locate(&self, epochs: &Epochs, head: Position) -> Option<Position> {
        epochs.locate(self.until, head).ok()
    }
}

impl Raised {
    fn locate(self, epochs: &Epochs) -> Option<Located> {
        let Self { floor, at } = self;
        // Never above where it was said: nothing behind that was erased by it.
        let until = floor.locate(epochs, at)?.min(at);
        Some(Located { floor, until })
    }
}

impl Located {
    /// Whether an entry of `topics` at `position` was erased.
    pub(crate) fn hides(&self, position: Position, topics: &[TopicName]) -> bool {
        let is_of_it = |topic: &TopicName| {
            *topic == self.floor.topic
                || self.floor.below.as_ref().is_some_and(|below| topic.as_str().starts_with(below))
        };
        position <= self.until && topics.iter().any(is_of_it)
    }
}

fn parse(data: &[u8]) -> Option<Floor> {
    let mut words = std::str::from_utf8(data).ok()?.splitn(3, ' ');
    let until = EventId::parse(words.next()?).ok()?;
    let topic = TopicName::parse(words.next()?).ok()?;
    Some(Floor { topic, below: words.next().map(str::to_owned), until })
}

fn read(record: &Record) -> Option<Value<Floor>> {
    Some(Value { value: parse(&record.data)?, ends_at_ms: None })
}

impl Fold for Floors {
    fn topics(&self) -> &[TopicName] {
        self.noted.topics()
    }

    fn begin(&self, generation: u64, keyed: &[Arc<Entry>]) {
        self.noted.begin(generation, keyed);
        self.raised.lock().clear(); // rings and pages are new
    }

    fn apply(&self, entry: &Arc<Entry>) {
        self.noted.apply(entry);
        let is_done = entry.record.key.is_none() || entry.record.ends_key;
        if let Some(floor) = parse(&entry.record.data).filter(|_| is_done) {
            self.raised.lock().push(Raised { floor, at: entry.id.position });
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
    fn a_note_is_read_as_it_was_written() {
        let epoch = Epoch::random(&mut rand::rng());
        for rest in ["7 chat/room/r", "18446744073709551615 chat chat/room/", "0 user/a%20b user/a%20b/entity/"] {
            let text = format!("{epoch}-{rest}");
            assert_eq!(floor(&text).unwrap().text(), text);
        }
        for rest in ["", "7", "x chat", "-1 chat", "7 a//b", "7  chat"] {
            assert_eq!(floor(&format!("{epoch}-{rest}")), None, "{rest}");
        }
        assert_eq!(floor("7 chat"), None);
    }

    #[test]
    fn it_hides_what_stands_in_the_topic_or_below_it_up_to_its_place() {
        let epoch = Epoch::random(&mut rand::rng());
        let floor = floor(&format!("{epoch}-7 chat chat/room/")).unwrap();
        let located = Raised { floor, at: Position::new(9) }.locate(&Epochs::new(epoch, Vec::new())).unwrap();
        let hides = |position, topic: &str| located.hides(Position::new(position), &[TopicName::parse(topic).unwrap()]);
        assert!(hides(7, "chat") && hides(7, "chat/room/r") && hides(1, "chat/room/r"));
        assert!(!hides(8, "chat") && !hides(7, "chat/roomy") && !hides(7, "realtime"));
    }

    #[test]
    fn it_is_of_no_other_line_than_its_own_and_never_above_where_it_was_said() {
        let [old, new, other] = std::array::from_fn(|_| Epoch::random(&mut rand::rng()));
        let epochs = Epochs::new(new, vec![(old, Position::new(10))]);
        let until = |epoch, position, at| {
            let floor = floor(&format!("{epoch}-{position} chat")).unwrap();
            Raised { floor, at: Position::new(at) }.locate(&epochs).map(|located| located.until.get())
        };
        assert_eq!(until(old, 10, 12), Some(10));
        assert_eq!(until(old, 11, 12), None, "lost");
        assert_eq!(until(other, 5, 12), None);
        assert_eq!(until(new, 11, 12), Some(11));
        assert_eq!(until(new, 13, 12), None);
        assert_eq!(until(old, 10, 9), Some(9));
    }
}
