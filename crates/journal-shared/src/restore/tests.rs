//! The fold, and the fold over a snapshot, on logs of three nodes that are made up at random.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tidings_journal::{Append, Bounds, Condition, EventId, Receipt, TopicName};

use super::*;
use crate::broker::Encoded;
use crate::fold::Outcome;
use crate::group::{Group, NodeId};
use crate::snapshot::{CHUNK_BYTES, Reading};

const TOPICS: [&str; 4] = ["_members", "a", "all", "b"];

/// What a node appends, or what happens to the log.
#[derive(Clone, Debug)]
enum Step {
    /// A group of a node, after so many of its numbers are left out.
    Units(usize, u64, Vec<Draft>),
    Barrier(usize),
    /// A group that was sent before is sent again.
    Again(prop::sample::Index),
    Foreign,
    /// An epoch begins. The one before ends so many positions earlier.
    Epoch(Option<u64>),
}

/// A record: the number of its topic, its key and whether it ends it, and whether it is large.
type Written = (usize, Option<(u8, bool)>, bool);

/// A unit.
#[derive(Clone, Debug)]
enum Draft {
    Append {
        records: Vec<Written>,
        receipt: Option<(u8, u64)>,
        condition: Option<(u8, Option<u64>)>,
    },
    /// A topic is erased up to so many positions before the newest one.
    Erase(usize, u64),
}

fn draft(erasures: u32) -> impl Strategy<Value = Draft> {
    let record = (
        0..TOPICS.len(),
        option::of((0..3_u8, any::<bool>())),
        any::<bool>(),
    );
    let append = (
        vec(record, 0..4),
        option::of((0..4_u8, 1..20_000_u64)),
        option::of((0..3_u8, option::of(0..8_u64))),
    );
    prop_oneof![
        6 => append.prop_map(|(records, receipt, condition)| Draft::Append {
            records,
            receipt,
            condition,
        }),
        erasures => (0..TOPICS.len(), 0..20_u64).prop_map(|(topic, back)| Draft::Erase(topic, back)),
    ]
}

fn step(erasures: u32) -> impl Strategy<Value = Step> {
    let gap = prop_oneof![9 => Just(0), 1 => 1..3_u64];
    prop_oneof![
        8 => (0..3_usize, gap, vec(draft(erasures), 1..4))
            .prop_map(|(node, gap, drafts)| Step::Units(node, gap, drafts)),
        1 => (0..3_usize).prop_map(Step::Barrier),
        2 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => Just(Step::Foreign),
        1 => option::of(0..4_u64).prop_map(Step::Epoch),
    ]
}

/// A log, with the milliseconds between its groups.
fn log(erasures: u32) -> impl Strategy<Value = Vec<Raw>> {
    (any::<bool>(), vec((step(erasures), 0..5_000_i64), 1..40)).prop_map(|(chained, steps)| {
        let mut making = Making::new(chained);
        for (step, ms) in steps {
            making.ms += ms;
            making.step(step);
        }
        making.log
    })
}

struct Making {
    chained: bool,
    log: Vec<Raw>,
    head: u64,
    ms: i64,
    epoch: Epoch,
    epochs: u64,
    counters: [u64; 3],
    sent: Vec<Encoded>,
}

impl Making {
    fn new(chained: bool) -> Self {
        let mut making = Self {
            chained,
            log: Vec::new(),
            head: 0,
            ms: 1_800_000_000_000,
            epoch: epoch(0),
            epochs: 0,
            counters: [0; 3],
            sent: Vec::new(),
        };
        making.begin(None);
        making
    }

    /// Begins the epoch that is the current one.
    fn begin(&mut self, ends: Option<Position>) {
        let group = Group {
            node: node(9),
            counter: 0,
            epoch: self.epoch,
            kind: Kind::Epoch { ends },
        };
        self.push(&group.encode());
    }

    fn push(&mut self, group: &Encoded) {
        self.head += group.positions;
        let mark = if self.chained {
            self.head
        } else {
            self.log.len() as u64 + 1
        };
        let previous = self.log.last().map_or(Tag(0), |raw| Tag::of(&raw.bytes));
        self.log.push(Raw {
            mark: Mark(mark),
            previous: self.chained.then_some(previous),
            ms: self.ms,
            bytes: group.bytes.clone(),
        });
    }

    fn send(&mut self, sender: usize, kind: Kind) {
        self.counters[sender] += 1;
        let (counter, epoch) = (self.counters[sender], self.epoch);
        let group = Group {
            node: node(sender),
            counter,
            epoch,
            kind,
        };
        let group = group.encode();
        self.push(&group);
        self.sent.push(group);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Units(sender, gap, drafts) => {
                self.counters[sender] += gap;
                let units = drafts.into_iter().map(|draft| self.unit(draft)).collect();
                self.send(sender, Kind::Units(units));
            }
            Step::Barrier(sender) => self.send(sender, Kind::Barrier),
            Step::Again(which) if !self.sent.is_empty() => {
                let group = self.sent[which.index(self.sent.len())].clone();
                let Decoded::Group(Group { node, counter, .. }) = group::decode(&group.bytes)
                else {
                    panic!("it was encoded here");
                };
                let again = group::readdress(&group, node, counter, self.epoch).unwrap();
                self.push(&again);
            }
            Step::Again(_) => {}
            Step::Foreign => self.push(&Encoded::new(Bytes::from_static(b"foreign"), 1)),
            Step::Epoch(back) => {
                self.epochs += 1;
                self.epoch = epoch(self.epochs);
                let ends = back.map(|back| Position::new(self.head.saturating_sub(back)));
                self.begin(ends);
            }
        }
    }

    fn unit(&self, draft: Draft) -> Unit {
        let before = |back: u64| Position::new(self.head.saturating_sub(back));
        match draft {
            Draft::Append {
                records,
                receipt,
                condition,
            } => Unit::Append(Append {
                records: records
                    .into_iter()
                    .map(|written| self.record(written))
                    .collect(),
                receipt: receipt.map(|(key, lives)| Receipt {
                    key: vec![key].into(),
                    value: vec![key; 3].into(),
                    lives: Duration::from_millis(lives),
                }),
                condition: condition.map(|(key, back)| {
                    let (topic, key) = (topic(0), key.to_string().into());
                    match back {
                        None => Condition::Absent(topic, key),
                        Some(back) => Condition::Current(topic, key, before(back)),
                    }
                }),
                now_ms: 0,
            }),
            Draft::Erase(nth, back) => {
                let id = EventId {
                    epoch: self.epoch,
                    position: before(back),
                };
                Unit::Erase(vec![topic(nth)], id)
            }
        }
    }

    /// A record. Large ones have the log be truncated in between.
    fn record(&self, (nth, key, large): Written) -> Record {
        let topics = if nth == 1 {
            vec![topic(1), topic(2)]
        } else {
            vec![topic(nth)]
        };
        Record {
            topics: topics.into(),
            event: "e".into(),
            ends_key: key.is_some_and(|(_, ends)| ends),
            key: key.map(|(key, _)| key.to_string().into()),
            data: vec![b'x'; if large { 30_000 } else { 1 }].into(),
            at_ms: self.ms,
        }
    }
}

fn node(number: usize) -> NodeId {
    NodeId::random(&mut StdRng::seed_from_u64(number as u64))
}

fn epoch(number: u64) -> Epoch {
    Epoch::random(&mut StdRng::seed_from_u64(1_000 + number))
}

fn topic(nth: usize) -> TopicName {
    TopicName::parse(TOPICS[nth]).unwrap()
}

fn retention(max_events: usize) -> Retention {
    Retention {
        max_events,
        bounds: Bounds::of_each(2),
        ..Retention::default()
    }
}

fn fold(log: &[Raw], max_events: usize) -> Fold {
    let mut fold = Fold::new(retention(max_events), epoch(999));
    for raw in log {
        fold.apply(raw).unwrap();
    }
    fold
}

/// What every node has, whatever it has trimmed.
fn decided(fold: &Fold) -> String {
    let log_ms = fold.log_ms();
    let keyed = fold.replica.keyed();
    let live: BTreeMap<_, _> = fold
        .replica
        .receipts()
        .filter(|(_, _, end_ms)| *end_ms > log_ms)
        .map(|(key, kept, end_ms)| (key.clone(), (kept.clone(), end_ms)))
        .collect();
    format!(
        "{:?} {:?} {:?} {} {log_ms} {} {live:?} {:?}",
        fold.places.newest(),
        fold.replica.epochs(),
        fold.senders,
        fold.verdicts.hash(),
        fold.has_epoch,
        keyed
            .iter()
            .map(|entry| (entry.id, entry.record.key.clone()))
            .collect::<Vec<_>>(),
    )
}

/// What a node has.
fn whole(fold: &Fold) -> String {
    let plain: Vec<_> = plain(fold).map(|entry| entry.id).collect();
    let (forgotten, floors) = fold.replica.floors();
    let floors: BTreeMap<_, _> = floors.filter(|(_, floor)| *floor > forgotten).collect();
    format!("{} {plain:?} {forgotten} {floors:?}", decided(fold))
}

fn plain(fold: &Fold) -> impl Iterator<Item = &Arc<Entry>> {
    fold.replica.plain(Position::START..=fold.head())
}

/// Whether readers of `fold` are told of everything that `other` has and it has not.
fn lacks_nothing_in_silence(fold: &Fold, other: &Fold) -> bool {
    let kept: BTreeMap<_, _> = plain(fold)
        .map(|entry| (entry.id.position, entry.id))
        .collect();
    let floor = |topic| fold.replica.floor_of(topic);
    plain(other).all(|entry| match kept.get(&entry.id.position) {
        Some(id) => *id == entry.id,
        None => {
            let mut topics = entry.record.topics.iter();
            topics.all(|topic| floor(topic) >= entry.id.position)
        }
    })
}

fn over_snapshot(log: &[Raw], taken_at: usize, max_events: usize, most: u64) -> Fold {
    let cut = Cut::of(&fold(&log[..taken_at], max_events), Mark(0), most);
    let base = cut.base();
    let mut reading = Reading::default();
    for chunk in cut.chunks() {
        assert!(chunk.len() <= CHUNK_BYTES);
        reading.feed(&chunk).unwrap();
    }
    let mut restoring =
        Restoring::new(reading.finish().unwrap(), retention(max_events), epoch(998));
    for raw in log
        .iter()
        .filter(|raw| raw.mark > base && restoring.wants(raw.mark))
        .cloned()
        .collect::<Vec<_>>()
    {
        restoring.recall(&raw).unwrap();
    }
    restoring.check_line().unwrap();
    assert!(restoring.is_complete());
    restoring.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_nodes_decide_the_same_whatever_they_trim(log in log(1), most in 1..12_usize) {
        let (large, small) = (fold(&log, 100_000), fold(&log, most));
        prop_assert_eq!(decided(&large), decided(&small));
        prop_assert!(lacks_nothing_in_silence(&small, &large));
        prop_assert!(plain(&small).count() <= plain(&large).count());
    }

    #[test]
    fn a_snapshot_at_any_place_and_the_rest_are_the_whole(
        log in log(0),
        taken_at: prop::sample::Index,
        max_events in prop_oneof![1..12_usize, Just(100_000)],
        most in prop_oneof![Just(0_u64), Just(u64::MAX / 2)],
    ) {
        let taken_at = taken_at.index(log.len()) + 1;
        let mut restored = over_snapshot(&log, taken_at, max_events, most);
        prop_assert_eq!(whole(&restored), whole(&fold(&log[..taken_at], max_events)));
        for raw in &log[taken_at..] {
            restored.apply(raw).unwrap();
        }
        prop_assert_eq!(whole(&restored), whole(&fold(&log, max_events)));
    }

    /// Erasing raises the floors of topics above entries that they still have. A node that reads a
    /// snapshot has none of these, and so trims later.
    #[test]
    fn a_snapshot_of_a_log_with_erasures_decides_the_same(
        log in log(2),
        taken_at: prop::sample::Index,
        max_events in prop_oneof![1..12_usize, Just(100_000)],
    ) {
        let taken_at = taken_at.index(log.len()) + 1;
        let mut restored = over_snapshot(&log, taken_at, max_events, u64::MAX / 2);
        for raw in &log[taken_at..] {
            restored.apply(raw).unwrap();
        }
        let whole = fold(&log, max_events);
        prop_assert_eq!(decided(&restored), decided(&whole));
        prop_assert!(lacks_nothing_in_silence(&restored, &whole));
        prop_assert!(lacks_nothing_in_silence(&whole, &restored));
    }

    #[test]
    fn every_group_takes_its_positions_and_is_accepted_once_and_in_turn(log in log(1)) {
        let mut fold = Fold::new(retention(100_000), epoch(999));
        let mut accepted = BTreeMap::new();
        for raw in &log {
            let first = fold.head();
            let applied = fold.apply(raw).unwrap();
            let positions: Vec<_> =
                applied.entries.iter().map(|entry| entry.id.position).collect();
            prop_assert!(positions.is_sorted_by(|a, b| a < b));
            prop_assert!(positions.first().is_some_and(|position| *position > first));
            prop_assert_eq!(positions.last(), Some(&fold.head()));
            if let Outcome::Units(_) | Outcome::Barrier = applied.outcome {
                let (node, counter) = applied.from.unwrap();
                let before = accepted.insert(node, counter).unwrap_or(0);
                prop_assert_eq!(counter, before + 1);
            }
            prop_assert!(fold.apply(raw).is_err(), "it stands at one place");
        }
    }
}

#[test]
fn a_group_of_another_epoch_than_the_current_one_is_of_another_line() {
    for chained in [false, true] {
        let mut making = Making::new(chained);
        making.step(Step::Barrier(0));
        let mut fold = fold(&making.log, 100_000);
        let mut after = |change: &dyn Fn(&mut Making)| {
            let mut making = Making {
                log: making.log.clone(),
                sent: Vec::new(),
                ..making
            };
            change(&mut making);
            making.step(Step::Barrier(1));
            let raw = making.log.last().unwrap();
            fold.apply(raw).map(|_| ())
        };
        // The beginning of an epoch was missed.
        assert!(after(&|making| making.epoch = epoch(5)).is_err());
        assert!(after(&|_| ()).is_ok());
        making.step(Step::Barrier(1));
        making.step(Step::Epoch(None));
        let mut fold = self::fold(&making.log, 100_000);
        // An epoch that has ended goes on, on the line that was left.
        making.epoch = epoch(0);
        making.step(Step::Barrier(2));
        assert!(fold.apply(making.log.last().unwrap()).is_err());
    }
}
