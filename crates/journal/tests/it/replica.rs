//! Compares a replica with a simple list of records, and with replicas that got the same records in
//! other ways.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidings_journal::replica::Retention;
use tidings_journal::{
    Append, Appended, Bounds, Condition, Entry, Epoch, Epochs, EventId, Limit, Pattern, Position,
    Receipt, Record, Replica, Rule, Selector, StoredReceipt, TopicName,
};

use crate::{record, selector, topic};

/// The topics that are published to. All but the last may also be shown in the last.
const TOPICS: [&str; 7] = [
    "few/a", "few/b", "small/a", "slow/a", "other", "_members", "chat",
];

/// More than one topic at once.
const SELECTIONS: [&[&str]; 4] = [
    &["few/a", "few/b"],
    &["chat", "few/a"],
    &["slow/a", "other", "_members"],
    &["none"],
];

const SECOND: i64 = 1_000;

fn rule(pattern: &str) -> Rule {
    Rule {
        pattern: Pattern::parse(pattern).unwrap(),
        max_age: None,
        max_events: None,
        max_bytes: None,
    }
}

fn retention() -> Retention {
    Retention {
        rules: vec![
            Rule {
                max_events: Some(3),
                ..rule("few/*")
            },
            Rule {
                max_events: Some(1),
                max_age: Some(Duration::from_secs(5)),
                ..rule("few/b")
            },
            Rule {
                max_bytes: Some(800),
                ..rule("small/*")
            },
            Rule {
                max_age: Some(Duration::from_mins(1)),
                ..rule("slow/**")
            },
        ],
        max_events: 12,
        max_bytes: 4_000,
        max_age: Duration::from_secs(20),
        bounds: Bounds::of_each(3),
        ..Retention::default()
    }
}

#[derive(Clone, Debug)]
struct Written {
    topic: usize,
    shown: bool,
    key: Option<u8>,
    ends_key: bool,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Act {
    Append {
        records: Vec<Written>,
        receipt: Option<(u8, u64)>,
        condition: Option<(usize, u8, Option<u64>)>,
    },
    Erase {
        topics: Vec<usize>,
        back: u64,
    },
    Pass {
        ms: i64,
    },
}

fn written() -> impl Strategy<Value = Written> {
    (
        0..TOPICS.len(),
        any::<bool>(),
        option::weighted(0.4, 0..4_u8),
        any::<bool>(),
        0..300_usize,
    )
        .prop_map(|(topic, shown, key, ends_key, bytes)| Written {
            topic,
            shown,
            key,
            ends_key: ends_key && key.is_some(),
            bytes,
        })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let condition = (0..TOPICS.len(), 0..4_u8, option::of(0..6_u64));
    let append = (
        vec(written(), 0..5),
        option::weighted(0.4, (0..4_u8, 1..30_000_u64)),
        option::weighted(0.3, condition),
    )
        .prop_map(|(records, receipt, condition)| Act::Append {
            records,
            receipt,
            condition,
        });
    let erase = (vec(0..TOPICS.len(), 1..3), 0..8_u64)
        .prop_map(|(topics, back)| Act::Erase { topics, back });
    let pass = (1..30 * SECOND).prop_map(|ms| Act::Pass { ms });
    vec(prop_oneof![12 => append, 1 => erase, 2 => pass], 1..60)
}

/// Returns what was written with the number `number`, at `at_ms`.
fn unit(
    act: &Act,
    number: usize,
    at_ms: i64,
    live: impl Fn(&str, &str) -> Option<Position>,
) -> Option<Append> {
    let Act::Append {
        records,
        receipt,
        condition,
    } = act
    else {
        return None;
    };
    let one = |(nth, written): (usize, &Written)| {
        let names = [TOPICS[written.topic], "chat"];
        let names = if written.shown {
            &names[..]
        } else {
            &names[..1]
        };
        Record {
            key: written.key.map(|key| key.to_string().into()),
            ends_key: written.ends_key,
            at_ms,
            ..record(
                names,
                &format!("{number}.{nth} {}", "x".repeat(written.bytes)),
            )
        }
    };
    let receipt = receipt.map(|(key, lives)| Receipt {
        key: vec![key].into(),
        value: number.to_string().into(),
        lives: Duration::from_millis(lives),
    });
    let condition = condition.as_ref().map(|(name, key, back)| {
        let (name, key) = (TOPICS[*name], key.to_string());
        match back {
            None => Condition::Absent(topic(name), key.into()),
            // Mostly the position that is right.
            Some(0) => Condition::Current(topic(name), key.into(), Position::new(1)),
            Some(_) => {
                let at = live(name, &key).unwrap_or_default();
                Condition::Current(topic(name), key.into(), at)
            }
        }
    });
    Some(
        Append::from(records.iter().enumerate().map(one).collect::<Vec<_>>())
            .receipt(receipt)
            .when(condition)
            .at(at_ms),
    )
}

/// The log as a list.
#[derive(Default)]
struct List {
    kept: Vec<(Position, Record)>,
    floors: BTreeMap<TopicName, Position>,
    receipts: BTreeMap<Vec<u8>, (i64, StoredReceipt)>,
    head: Position,
    trimmed: u64,
}

impl List {
    fn live(&self, name: &str, key: &str) -> Option<Position> {
        let is_it = |record: &Record| {
            record.is_keyed()
                && record.topics[0].as_str() == name
                && record.key.as_deref() == Some(key)
        };
        self.kept
            .iter()
            .find(|(_, record)| is_it(record))
            .map(|(position, _)| *position)
    }

    fn keys(&self, bounds: &Bounds) -> BTreeMap<String, Vec<(String, String)>> {
        let mut pools: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (_, record) in self.kept.iter().filter(|(_, record)| record.is_keyed()) {
            let pool = bounds.name(bounds.pool_of(&record.topics[0])).to_owned();
            pools.entry(pool).or_default().push((
                record.topics[0].to_string(),
                record.key.as_deref().unwrap().to_owned(),
            ));
        }
        pools
    }

    fn append(&mut self, unit: &Append, retention: &Retention) -> Appended {
        if let Some(receipt) = &unit.receipt
            && let Some((end, kept)) = self.receipts.get(&receipt.key[..])
            && *end > unit.now_ms
        {
            return Appended::Known(kept.clone());
        }
        let refused = match &unit.condition {
            Some(Condition::Absent(name, key)) => self.live(name.as_str(), key).is_some(),
            Some(Condition::Current(name, key, position)) => {
                self.live(name.as_str(), key) != Some(*position)
            }
            None => false,
        };
        if !refused {
            let mut pools = self.keys(&retention.bounds);
            for record in unit.records.iter().filter(|record| record.key.is_some()) {
                let pool = retention.bounds.pool_of(&record.topics[0]);
                let keys = pools
                    .entry(retention.bounds.name(pool).to_owned())
                    .or_default();
                let key = (
                    record.topics[0].to_string(),
                    record.key.as_deref().unwrap().to_owned(),
                );
                match (record.ends_key, keys.iter().position(|known| *known == key)) {
                    (true, Some(at)) => _ = keys.remove(at),
                    (false, None) if keys.len() >= retention.bounds.limit(pool) => {
                        return Appended::Full(pool);
                    }
                    (false, None) => keys.push(key),
                    _ => {}
                }
            }
        }
        let first = self.head.next();
        let records = if refused { &[][..] } else { &unit.records };
        for record in records {
            self.push(record, retention);
        }
        if let Some(Receipt { key, value, lives }) = &unit.receipt {
            let events = u32::try_from(records.len()).unwrap();
            let kept = StoredReceipt {
                value: value.clone(),
                first,
                events,
                refused,
            };
            self.receipts.insert(
                key.to_vec(),
                (
                    unit.now_ms + i64::try_from(lives.as_millis()).unwrap(),
                    kept,
                ),
            );
        }
        if refused {
            Appended::Refused(self.head)
        } else {
            Appended::New(first)
        }
    }

    fn push(&mut self, record: &Record, retention: &Retention) {
        self.head = self.head.next();
        if let Some(key) = &record.key
            && let Some(live) = self.live(record.topics[0].as_str(), key)
        {
            self.kept.retain(|(position, _)| *position != live);
        }
        self.kept.push((self.head, record.clone()));
        if let Some(rule) = governing(&retention.rules, &record.topics[0]) {
            self.trim(rule.max_events, rule.max_bytes, |other| {
                other.topics[0] == record.topics[0]
            });
        }
        self.trim(
            Some(retention.max_events as u64),
            Some(retention.max_bytes as u64),
            |_| true,
        );
    }

    fn trim(&mut self, events: Option<u64>, bytes: Option<u64>, counts: impl Fn(&Record) -> bool) {
        let counts = |record: &Record| !record.is_keyed() && counts(record);
        loop {
            let counted: Vec<_> = self
                .kept
                .iter()
                .filter(|(_, record)| counts(record))
                .collect();
            let weight: usize = counted.iter().map(|(_, record)| record.weight()).sum();
            let is_over = events.is_some_and(|most| counted.len() as u64 > most)
                || bytes.is_some_and(|most| weight as u64 > most);
            match counted.first().filter(|_| is_over) {
                Some((oldest, _)) => self.forget(*oldest),
                None => return,
            }
        }
    }

    fn forget(&mut self, position: Position) {
        let at = self
            .kept
            .iter()
            .position(|(at, _)| *at == position)
            .unwrap();
        let (_, record) = self.kept.remove(at);
        self.trimmed += u64::from(!record.is_keyed());
        for name in &*record.topics {
            let floor = self.floors.entry(name.clone()).or_default();
            *floor = position.max(*floor);
        }
    }

    fn erase(&mut self, topics: &[TopicName], until: Position) {
        let hit = |record: &Record| record.topics.iter().any(|name| topics.contains(name));
        let hit = self
            .kept
            .iter()
            .filter(|(position, record)| *position <= until && hit(record));
        for position in hit.map(|(position, _)| *position).collect::<Vec<_>>() {
            self.forget(position);
        }
    }

    fn expire(&mut self, now_ms: i64, retention: &Retention) {
        let is_old = |record: &Record| {
            let age = match governing(&retention.rules, &record.topics[0]) {
                Some(rule) => rule.max_age,
                None => Some(retention.max_age),
            };
            !record.is_keyed()
                && age.is_some_and(|age| {
                    now_ms - record.at_ms > i64::try_from(age.as_millis()).unwrap()
                })
        };
        let old: Vec<_> = self
            .kept
            .iter()
            .filter(|(_, record)| is_old(record))
            .map(|(position, _)| *position)
            .collect();
        for position in old {
            self.forget(position);
        }
        self.receipts.retain(|_, (end, _)| *end > now_ms);
    }

    /// Returns the oldest position of some topics. A topic hides records without a key at or below
    /// its floor.
    fn oldest(&self, names: &[&str]) -> Option<Position> {
        let is_visible = |name: &TopicName, position: Position, record: &Record| {
            record.is_keyed() || self.floors.get(name).is_none_or(|floor| position > *floor)
        };
        let visible = self.kept.iter().filter(|(position, record)| {
            let selected = record
                .topics
                .iter()
                .filter(|name| names.contains(&name.as_str()));
            selected
                .into_iter()
                .any(|name| is_visible(name, *position, record))
        });
        visible.map(|(position, _)| *position).min()
    }

    /// Returns what a replica with the same contents has to report.
    fn reported(&self) -> Reported {
        let holds = |names: &[&str]| {
            let hit = self.kept.iter().filter(|(_, record)| {
                record
                    .topics
                    .iter()
                    .any(|name| names.contains(&name.as_str()))
            });
            let floor = names
                .iter()
                .filter_map(|name| self.floors.get(&topic(name)))
                .max();
            (
                hit.map(|(position, record)| (position.get(), text(record)))
                    .collect(),
                floor.copied().unwrap_or_default(),
            )
        };
        let events = |name: &str| {
            self.kept
                .iter()
                .filter(|(_, record)| record.topics[0].as_str() == name)
                .count() as u64
        };
        let stands = |name: &str| {
            self.kept
                .iter()
                .any(|(_, record)| record.topics.contains(&topic(name)))
        };
        let receipts = self
            .receipts
            .iter()
            .map(|(key, (end, kept))| (key.clone(), *end, kept.clone()));
        Reported {
            pages: selections().map(|names| holds(&names)).collect(),
            oldest: selections().map(|names| self.oldest(&names)).collect(),
            events: TOPICS.map(events).to_vec(),
            receipts: receipts.collect(),
            keyed: self
                .kept
                .iter()
                .filter(|(_, record)| record.is_keyed())
                .map(|(position, _)| position.get())
                .collect(),
            kept: self
                .kept
                .iter()
                .filter(|(_, record)| !record.is_keyed())
                .count() as u64,
            topics: TOPICS.iter().filter(|name| stands(name)).count() as u64,
        }
    }
}

fn governing<'a>(rules: &'a [Rule], name: &TopicName) -> Option<&'a Rule> {
    let matching = rules.iter().filter(|rule| rule.pattern.matches(name));
    matching.max_by(|a, b| a.pattern.cmp_specificity(&b.pattern))
}

fn text(record: &Record) -> String {
    String::from_utf8(record.data.to_vec()).unwrap()
}

/// The topics one by one, and some together.
fn selections() -> impl Iterator<Item = Vec<&'static str>> {
    TOPICS
        .iter()
        .map(|name| vec![*name])
        .chain(SELECTIONS.iter().map(|names| names.to_vec()))
}

/// Everything that can be read of a log.
#[derive(Debug, PartialEq)]
struct Reported {
    /// What each selection holds, and its floor.
    pages: Vec<(Vec<(u64, String)>, Position)>,
    /// The oldest position of each selection that is not hidden by a floor.
    oldest: Vec<Option<Position>>,
    events: Vec<u64>,
    receipts: Vec<(Vec<u8>, i64, StoredReceipt)>,
    keyed: Vec<u64>,
    kept: u64,
    topics: u64,
}

impl Reported {
    fn of(replica: &Replica) -> Self {
        let events = |name: &str| {
            let listed = replica
                .topics(name, None, 1)
                .into_iter()
                .find(|holding| holding.topic.as_str() == name);
            listed.map_or(0, |holding| holding.events)
        };
        let receipts = replica
            .receipts()
            .map(|(key, kept, end)| (key.to_vec(), end, kept.clone()));
        let mut receipts: Vec<_> = receipts.collect();
        receipts.sort_by(|a, b| a.0.cmp(&b.0));
        let vitals = replica.vitals();
        Self {
            pages: selections()
                .map(|names| page(replica, &selector(&names)))
                .collect(),
            oldest: selections()
                .map(|names| replica.oldest(&selector(&names)))
                .collect(),
            events: TOPICS.map(events).to_vec(),
            receipts,
            keyed: replica
                .keyed()
                .iter()
                .map(|entry| entry.id.position.get())
                .collect(),
            kept: vitals.kept.unwrap(),
            topics: vitals.topics.unwrap(),
        }
    }

    /// Replaces positions by the numbers of the records.
    fn by_content(mut self) -> Self {
        for (entries, floor) in &mut self.pages {
            for (position, _) in entries {
                *position = 0;
            }
            *floor = Position::START;
        }
        self.oldest.fill(None);
        self.keyed.fill(0);
        for (_, _, kept) in &mut self.receipts {
            kept.first = Position::START;
        }
        self
    }
}

/// Reads all of a selection in pages of several sizes, in both directions, and its floor.
fn page(replica: &Replica, selector: &Selector) -> (Vec<(u64, String)>, Position) {
    let whole = replica.read(selector, Position::START, replica.head(), Limit::NONE);
    let texts = |entries: &[Arc<Entry>]| {
        entries
            .iter()
            .map(|entry| (entry.id.position.get(), text(&entry.record)))
            .collect::<Vec<_>>()
    };
    let whole = (texts(&whole.entries), whole.floor);
    for limit in [
        Limit {
            events: 1,
            bytes: 1 << 20,
        },
        Limit {
            events: 5,
            bytes: 200,
        },
    ] {
        let (mut after, mut seen) = (Position::START, Vec::new());
        while after < replica.head() {
            let page = replica.read(selector, after, replica.head(), limit);
            assert!(page.next > after);
            after = page.next;
            seen.extend(texts(&page.entries));
        }
        assert_eq!(seen, whole.0, "forwards");
        let (mut before, mut seen) = (replica.head().next(), Vec::new());
        loop {
            let page = replica.read_before(selector, before, limit);
            seen.splice(0..0, texts(&page.entries));
            before = page.prev;
            if page.end {
                break;
            }
        }
        let behind: Vec<_> = whole
            .0
            .iter()
            .filter(|(position, _)| *position > whole.1.get())
            .cloned()
            .collect();
        assert_eq!(seen, behind, "backwards");
    }
    assert_eq!(replica.floor(selector), whole.1);
    whole
}

fn new(retention: &Retention) -> Replica {
    let mut replica = Replica::new(
        retention.clone(),
        Arc::new(Epochs::new(Epoch::random(&mut rand::rng()), Vec::new())),
    );
    replica.expire(0);
    replica
}

/// Returns the number of cases that is asked for, or one that takes a few seconds.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .map_or(100, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Holds for every sequence of appends, erasures and expiries.
    #[test]
    fn a_replica_equals_a_list_and_every_way_to_feed_it_has_the_same_result(acts in acts(), gaps in vec(0..4_u64, 60)) {
        let retention = retention();
        let mut list = List::default();
        let (mut decides, mut applies, mut spread) = (new(&retention), new(&retention), new(&retention));
        let mut now_ms = 0;
        for (number, (act, gap)) in acts.iter().zip(gaps).enumerate() {
            if let Some(unit) = unit(act, number, now_ms, |name, key| decides.live(&topic(name), key)) {
                let verdict = {
                    decides.tell_time(unit.now_ms);
                    decides.evaluate(&unit)
                };
                let elsewhere = at_the_same(&unit, &decides, &spread);
                let (appended, entries) = decides.append(unit.clone());
                prop_assert_eq!(&appended, &list.append(&unit, &retention));
                prop_assert_eq!(decides.head(), list.head);
                prop_assert!(matches!(
                    (verdict, &appended),
                    (tidings_journal::replica::Verdict::New, Appended::New(_))
                        | (tidings_journal::replica::Verdict::Known(_), Appended::Known(_))
                        | (tidings_journal::replica::Verdict::Refused, Appended::Refused(_))
                        | (tidings_journal::replica::Verdict::Full(_), Appended::Full(_))
                ));
                // A replica that is given the outcome.
                applies.tell_time(unit.now_ms);
                for entry in &entries {
                    applies.apply(entry).unwrap();
                    prop_assert!(applies.apply(entry).is_err(), "a position is given only once");
                }
                if let Some(Receipt { key, .. }) = unit.receipt.clone()
                    && matches!(appended, Appended::New(_) | Appended::Refused(_))
                {
                    let (_, kept, end) = decides.receipts().find(|(known, ..)| **known == key).unwrap();
                    applies.keep_receipt(key, kept.clone(), end);
                }
                // A replica whose positions were given elsewhere, as many as the unit has records,
                // whatever the outcome.
                let first = Position::new(spread.head().get() + 1 + gap);
                let until = Position::new(first.get() + unit.records.len() as u64 - u64::from(!unit.records.is_empty()));
                let (also, _) = spread.append_at(first, elsewhere).unwrap();
                prop_assert_eq!(std::mem::discriminant(&also), std::mem::discriminant(&appended));
                spread.pass(until);
            }
            match act {
                Act::Append { .. } => {}
                Act::Erase { topics, back } => {
                    let topics: Vec<_> = topics.iter().map(|&nth| topic(TOPICS[nth])).collect();
                    let until = Position::new(decides.head().get().saturating_sub(*back));
                    let last = decides.read(&Selector::topics(all_topics()), Position::START, until, Limit::NONE);
                    // As many entries as there are up to there.
                    let there = spread.read(&Selector::topics(all_topics()), Position::START, spread.head(), Limit::NONE);
                    let upto = last.entries.len().checked_sub(1).map_or(Position::START, |nth| there.entries[nth].id.position);
                    let floors = decides.erase(&topics, until);
                    list.erase(&topics, until);
                    for (name, floor) in &floors {
                        prop_assert_eq!(list.floors.get(name), Some(floor));
                    }
                    prop_assert_eq!(applies.erase(&topics, until), floors);
                    spread.erase(&topics, upto);
                }
                Act::Pass { ms } => {
                    now_ms += ms;
                    list.expire(now_ms, &retention);
                    for replica in [&mut decides, &mut applies, &mut spread] {
                        replica.expire(now_ms);
                    }
                }
            }
            let reported = Reported::of(&decides);
            prop_assert_eq!(&reported, &list.reported());
            prop_assert_eq!(&reported, &Reported::of(&applies));
            prop_assert_eq!(decides.vitals().trimmed, Some(list.trimmed));
            prop_assert_eq!(reported.by_content(), Reported::of(&spread).by_content());
        }
        let mut rebuilt = rebuilt(&decides, &retention);
        prop_assert_eq!(Reported::of(&decides), Reported::of(&rebuilt));
        // Both decide in the same way about what comes next.
        for (number, act) in acts.iter().enumerate() {
            if let Some(unit) = unit(act, number, now_ms, |name, key| decides.live(&topic(name), key)) {
                prop_assert_eq!(decides.append(unit.clone()).0, rebuilt.append(unit).0);
            }
        }
        prop_assert_eq!(Reported::of(&decides), Reported::of(&rebuilt));
    }
}

fn all_topics() -> Vec<TopicName> {
    TOPICS.iter().map(|name| topic(name)).collect()
}

/// Returns the unit with a condition about the entry that `spread` has in place of the one that
/// `decides` has.
fn at_the_same(unit: &Append, decides: &Replica, spread: &Replica) -> Append {
    let condition = unit.condition.clone().map(|condition| match condition {
        Condition::Current(name, key, position) if decides.live(&name, &key) == Some(position) => {
            let at = spread.live(&name, &key).unwrap();
            Condition::Current(name, key, at)
        }
        Condition::Current(name, key, _) => Condition::Current(name, key, Position::START),
        absent @ Condition::Absent(..) => absent,
    });
    unit.clone().when(condition)
}

/// Creates a replica from what another one reports, as a snapshot of it would have to.
fn rebuilt(of: &Replica, retention: &Retention) -> Replica {
    let mut replica = new(retention);
    replica.set_epochs(of.epochs().clone());
    let history = of.read(
        &Selector::topics(all_topics()),
        Position::START,
        of.head(),
        Limit::NONE,
    );
    for entry in &history.entries {
        replica.apply(entry).unwrap();
    }
    let (forgotten, floors) = of.floors();
    replica.raise_all(forgotten);
    for (name, floor) in floors {
        replica.raise(name, floor);
    }
    for (key, kept, end) in of.receipts() {
        replica.keep_receipt(key.clone(), kept.clone(), end);
    }
    replica.set_clock(of.clock().clone());
    replica.pass(of.head());
    replica
}

#[test]
fn positions_without_an_entry_are_skipped() {
    let mut replica = new(&Retention::default());
    let [old, new] = [1, 2].map(|_| Epoch::random(&mut rand::rng()));
    let at = |epoch, position, data| {
        Arc::new(Entry {
            id: EventId {
                epoch,
                position: Position::new(position),
            },
            record: record(&["a"], data),
        })
    };
    replica.apply(&at(old, 3, "three")).unwrap();
    replica.pass(Position::new(7));
    replica.set_epochs(Arc::new(Epochs::new(new, vec![(old, Position::new(7))])));
    assert_eq!(replica.head(), Position::new(7));
    assert!(
        replica.apply(&at(new, 7, "seven")).is_err(),
        "the position was skipped"
    );
    replica.pass(Position::new(2));
    assert_eq!(replica.head(), Position::new(7), "nothing goes back");
    let (appended, entries) = replica.append(vec![record(&["a"], "eight")].into());
    assert_eq!(appended, Appended::New(Position::new(8)));
    assert_eq!(
        entries[0].id,
        EventId {
            epoch: new,
            position: Position::new(8)
        }
    );
    replica.apply(&at(new, 12, "twelve")).unwrap();
    let page = replica.read(
        &selector(&["a"]),
        Position::START,
        replica.head(),
        Limit::NONE,
    );
    assert_eq!(
        page.entries
            .iter()
            .map(|entry| entry.id.position.get())
            .collect::<Vec<_>>(),
        [3, 8, 12]
    );
    assert_eq!(
        (page.next, page.floor),
        (Position::new(12), Position::START),
        "no reader misses the positions that were skipped"
    );
    let page = replica.read_before(
        &selector(&["a"]),
        Position::new(12),
        Limit {
            events: 1,
            bytes: 1,
        },
    );
    assert_eq!(
        (page.entries[0].id.position, page.prev, page.end),
        (Position::new(8), Position::new(8), false)
    );
    assert_eq!(replica.epochs().id_of(Position::new(7)).epoch, old);
}

#[test]
fn a_loss_in_all_topics_raises_the_floor_of_every_topic() {
    let mut replica = new(&Retention::default());
    replica.append(vec![record(&["a"], "1")].into());
    replica.raise_all(Position::new(5));
    replica.pass(Position::new(5));
    for name in ["a", "never"] {
        assert_eq!(replica.floor(&selector(&[name])), Position::new(5));
    }
    replica.raise(&topic("b"), Position::new(6));
    assert_eq!(
        (
            replica.floor(&selector(&["b"])),
            replica.floor(&selector(&["a"]))
        ),
        (Position::new(6), Position::new(5))
    );
}
