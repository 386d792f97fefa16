//! Verifies that everything in a log fits together.

use std::collections::HashMap;

use super::codec;
use super::codec::Interner;
use super::error::unreadable;
use super::inspect::{Batches, Inspection};
use super::keys::{self, Kind, TopicId};
use super::run::Reader;
use super::tables::Tables;
use tidings_journal::{Error, Position, Record, TopicName};

/// The result of verifying a log.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of events that were read.
    pub events: u64,
    /// The number of receipts, including expired ones.
    pub receipts: u64,
    /// The problems, at most [`Report::MAX_PROBLEMS`]. Empty if there are none.
    pub problems: Vec<String>,
}

/// The numbers of a topic: what its row says, and what was found.
struct TopicCheck<'a> {
    name: &'a TopicName,
    floor: Position,
    /// The number of records without a key whose first topic this is: according to the row,
    /// according to the table `order`, and found.
    counted: u64,
    listed: u64,
    found: u64,
    /// The number of elements above the floor: according to the table `order`, and found.
    elements_listed: u64,
    elements: u64,
    /// The number of live records with a key: according to the list of keys, and found.
    keyed: u64,
    keyed_found: u64,
}

impl Report {
    /// The most problems that are reported.
    pub const MAX_PROBLEMS: usize = 100;

    fn problem(&mut self, what: String) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(what);
        }
    }
}

impl Inspection {
    /// Reads everything, and checks that it fits together: positions, the order of the log against
    /// the topics, counts, epochs. The checksum of every block that is read is checked too. Returns
    /// an error if a file can't be read.
    pub fn verify(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut known: HashMap<TopicId, TopicCheck<'_>> = HashMap::new();
        for (name, topic) in self.contents.topics.iter() {
            let row = &topic.row;
            let entry = TopicCheck {
                name,
                floor: row.floor,
                counted: row.events,
                listed: 0,
                found: 0,
                elements_listed: 0,
                elements: 0,
                keyed: topic.keyed as u64,
                keyed_found: 0,
            };
            known.insert(row.id, entry);
        }
        self.verify_order(&mut known, &mut report)?;
        self.verify_topics(&mut known, &mut report)?;
        for topic in known.values() {
            let pairs = [
                (
                    "are listed in the order of the log",
                    topic.listed,
                    "were found",
                    topic.found,
                ),
                ("were counted", topic.counted, "were found", topic.found),
                (
                    "including those of other topics are listed in the order of the log",
                    topic.elements_listed,
                    "were found",
                    topic.elements,
                ),
                (
                    "with a key are listed",
                    topic.keyed,
                    "were found",
                    topic.keyed_found,
                ),
            ];
            for (one, expected, other, found) in pairs {
                if expected != found {
                    report.problem(format!(
                        "topic {}: {expected} records {one}, and {found} {other}",
                        topic.name
                    ));
                }
            }
        }
        self.verify_rest(&mut report)?;
        Ok(report)
    }

    /// Checks that positions follow each other, and that each record exists that should be kept.
    fn verify_order(
        &self,
        known: &mut HashMap<TopicId, TopicCheck<'_>>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let floors = known.values().map(|topic| topic.floor);
        let highest = floors
            .chain([self.contents.topics.forgotten])
            .max()
            .unwrap_or_default();
        // Trimmed records may be missing. Records with a key may be missing too, because they are
        // replaced one by one.
        let may_miss = if self.contents.topics.keyed().next().is_some() {
            self.contents.head
        } else {
            highest
        };
        let mut interner = Interner::default();
        let mut last = Position::START;
        for listed in Batches::new(&self.tables) {
            let (position, listed) = listed?;
            if position <= last {
                report.problem(format!("position {position} comes after position {last}"));
            } else if position > last.next() && position > may_miss.next() {
                report.problem(format!(
                    "positions between {last} and {position} are missing"
                ));
            }
            last = position;
            if listed.keyed {
                continue;
            }
            for (nth, id) in std::iter::once(&listed.topic)
                .chain(&listed.others)
                .enumerate()
            {
                let Some(topic) = known.get_mut(id).filter(|topic| position > topic.floor) else {
                    continue;
                };
                topic.listed += u64::from(nth == 0);
                topic.elements_listed += 1;
                if nth == 0
                    && self
                        .get(*id, Kind::Plain, position, &mut interner)?
                        .is_none()
                {
                    report.problem(format!(
                        "position {position} is not in topic {}",
                        topic.name
                    ));
                }
            }
        }
        if last > self.contents.head {
            report.problem(format!(
                "position {last} is above the end, {}",
                self.contents.head
            ));
        }
        Ok(())
    }

    /// Checks that everything in the topics can be read.
    fn verify_topics(
        &self,
        known: &mut HashMap<TopicId, TopicCheck<'_>>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut interner = Interner::default();
        for guard in self.tables.events.iter().flat_map(fjall::Keyspace::iter) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            if Tables::is_noop(&key) {
                continue;
            }
            let (Some((id, kind, last)), Some(mut run)) =
                (keys::parse_event(&key), Reader::new(value))
            else {
                report.problem("a run of records is damaged".to_owned());
                continue;
            };
            let Some(topic) = known.get_mut(&id) else {
                continue; // the topic was forgotten: the engine will remove its records
            };
            let mut end = None;
            while let Some(Some((position, place))) = run.next() {
                end = Some(position);
                if kind == Kind::Plain && position <= topic.floor {
                    continue;
                }
                let record = match run.element(&place) {
                    super::run::Element::Record(bytes) => {
                        codec::decode_record(bytes, &mut interner)
                    }
                    super::run::Element::In(first) => self
                        .get(first, kind, position, &mut interner)?
                        .map(|taken| taken.record),
                };
                // A record that ends its key is stored with those that have none.
                let belongs_here = |record: &Record| {
                    record.topics.contains(topic.name) && record.is_keyed() == (kind == Kind::Keyed)
                };
                let Some(record) = record.filter(belongs_here) else {
                    report.problem(format!(
                        "the record at position {position} of topic {} is damaged",
                        topic.name
                    ));
                    continue;
                };
                let first = record.topics.first() == Some(topic.name);
                if let Some(key) = record
                    .key
                    .as_deref()
                    .filter(|_| first && kind == Kind::Keyed)
                {
                    let newest = self
                        .tables
                        .keys
                        .get(keys::key(id, key))
                        .map_err(unreadable)?;
                    if newest.and_then(|newest| keys::parse_position(&newest)) != Some(position) {
                        report.problem(format!(
                            "the key of the record at position {position} of topic {} is lost",
                            topic.name
                        ));
                    }
                }
                report.events += u64::from(first);
                match kind {
                    Kind::Plain => {
                        topic.found += u64::from(first);
                        topic.elements += 1;
                    }
                    Kind::Keyed => topic.keyed_found += 1,
                }
            }
            if end != Some(last) {
                report.problem(format!(
                    "a run of topic {} ends before position {last}",
                    topic.name
                ));
            }
        }
        Ok(())
    }

    fn verify_rest(&self, report: &mut Report) -> Result<(), Error> {
        let epochs = &self.contents.epochs;
        if !epochs.is_sorted_by_key(|(_, end)| *end) {
            report.problem("an epoch ends before the one before it".to_owned());
        }
        for guard in self.tables.receipts.iter() {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            if !Tables::is_noop(&key) {
                report.receipts += 1;
                if codec::decode_receipt(&value).is_none() {
                    report.problem("a receipt is damaged".to_owned());
                }
            }
        }
        Ok(())
    }
}
