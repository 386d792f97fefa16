//! Tests of the log on a disk that fails, and after a loss of power.
//!
//! A run has a seed and many rounds. Each round opens what the last one left, compares it with what
//! was acknowledged, appends for a while, meets a fault at some step, and is cut off. It is cut off
//! either as by `SIGKILL`, so that everything that the operating system has is kept, or as by a
//! loss of power, so that of what was not synced only a prefix is kept, with a torn end.
//!
//! `JOURNAL_CRASH_SEEDS` is the number of runs, and `JOURNAL_CRASH_ROUNDS` the number of rounds of
//! each. `JOURNAL_CRASH_SEED` repeats one run.

mod disk;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use self::disk::{
    Fault, Faulty, Steps, active_log, copy, copy_while_quiet, listing, tables, used_bytes,
};
use self::oracle::{Acknowledged, Oracle, Outcome, Unit};
use super::{Disk, Inspection, OpenError, Options, Rule, Sync, open};
use tidings_journal::{
    Append, Appended, Bounds, Condition, EventId, Journal, Limit, Pattern, Position, Receipt,
    Record, Selector, StoredReceipt, TopicName,
};
use tidings_journal_contract::Put as _;

/// Returns the position of the live record of each key, as the log has it.
fn live_keys(log: &Disk) -> BTreeMap<Arc<str>, Position> {
    log.log
        .topics
        .read()
        .keyed()
        .map(|(position, keyed)| (keyed.key.clone(), position))
        .collect()
}

struct Run {
    rng: StdRng,
    sync: Sync,
    options: Options,
    oracle: Oracle,
    number: u64,
    /// Keeps the directory of this round until the next one has replaced it.
    dir: TempDir,
}

/// The topic that is sometimes erased.
const ERASED: &str = "chat/room/s";

/// The topic with keys, the number of its keys, and how many of them may be live.
const KEYED: &str = "b";
const KEYS: u32 = 4;
const MAX_LIVE_KEYS: usize = 3;

const TOPICS: [&str; 5] = ["a", "b", "chat/room/r", "chat/room/s", "t/x"];

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

impl Run {
    fn new(seed: u64, sync: Sync) -> Self {
        let dir = scratch();
        let mut options = Options::new(dir.path());
        options.sync = sync;
        options.tuning.memtable_bytes = 16 << 10;
        options.tuning.checkpoint_every = 40;
        options.tuning.retention_interval = Duration::from_millis(1);
        options.retention.bounds = Bounds::of_each(MAX_LIVE_KEYS);
        options.retention.rules = vec![Rule {
            pattern: Pattern::parse("t/*").unwrap(),
            max_age: None,
            max_events: Some(5),
            max_bytes: None,
        }];
        let rng = StdRng::seed_from_u64(seed);
        Self {
            rng,
            sync,
            options,
            oracle: Oracle::default(),
            number: 0,
            dir,
        }
    }

    fn record(&mut self) -> Record {
        self.number += 1;
        let name = *TOPICS.choose(&mut self.rng).unwrap();
        let mut topics = vec![topic(name)];
        if name.starts_with("chat") {
            topics.push(topic("chat"));
        }
        let key = (name == KEYED && self.rng.random_bool(0.5)).then(|| self.key());
        let ends_key = key.is_some() && self.rng.random_bool(0.2);
        let filling = if self.rng.random_bool(0.05) {
            5_000
        } else {
            self.rng.random_range(0..200)
        };
        let data = format!("{} {}", self.number, "x".repeat(filling));
        Record {
            topics: topics.into(),
            event: "e".into(),
            key,
            data: data.into(),
            at_ms: 0,
            ends_key,
        }
    }

    fn key(&mut self) -> Arc<str> {
        Arc::from(format!("k{}", self.rng.random_range(0..KEYS)))
    }

    /// Makes a unit. `live` holds the position of the live record of each key.
    fn unit(&mut self, live: &BTreeMap<Arc<str>, Position>) -> Unit {
        let records = (0..self.rng.random_range(1..6))
            .map(|_| self.record())
            .collect();
        // Some units repeat one that was appended or refused before.
        let known: Vec<_> = self.oracle.receipts.keys().cloned().collect();
        let known = known
            .choose(&mut self.rng)
            .filter(|_| self.rng.random_bool(0.2))
            .cloned();
        let key = known.or_else(|| {
            self.rng
                .random_bool(0.3)
                .then(|| format!("r{}", self.number).into())
        });
        let receipt = key.map(|key| Receipt {
            key,
            value: "v".into(),
            lives: Duration::from_hours(1),
        });
        let key = self.key();
        let condition = match (self.rng.random_range(0..5), live.get(&key)) {
            (0, _) => Some(Condition::Absent(topic(KEYED), key)),
            (1, Some(position)) => Some(Condition::Current(topic(KEYED), key, *position)),
            _ => None,
        };
        Unit {
            records,
            receipt,
            condition,
        }
    }

    /// Runs one life of the process.
    async fn round(&mut self, round: u64) {
        self.options.dir = self.dir.path().to_owned();
        let found = open::for_writing(&self.options)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        let fault = *[Fault::NoSpace, Fault::Torn, Fault::NoSync]
            .choose(&mut self.rng)
            .unwrap();
        let steps = Steps::new(self.rng.random_range(1..15), fault);
        let database = found.tables.db.clone();
        let faulty = Faulty {
            database,
            dir: self.dir.path().to_owned(),
            steps: steps.clone(),
        };
        faulty.note(); // opening the log has synced
        let log = Arc::new(Disk::start(found, self.options.clone(), Box::new(faulty)).unwrap());
        self.compare(&log, round).await;
        let appends = self.rng.random_range(1..15);
        for _ in 0..appends {
            self.append(&log).await;
            let head = log.head();
            if self.rng.random_bool(0.1)
                && log
                    .erase(&[topic(ERASED)], log.epochs().id_of(head))
                    .await
                    .is_ok()
            {
                self.oracle.erased = head;
            }
        }
        if self.rng.random_bool(0.3) && log.health().is_ok() {
            log.log.tables.flush().unwrap();
        }
        if self.rng.random_bool(0.1) {
            log.close().await;
        }
        let torn = {
            let steps = steps.lock();
            steps.failed && steps.fault == Fault::Torn
        };
        let power = torn || self.rng.random_bool(0.5);
        let next = self.cut_off(&log, &steps, power);
        drop(log);
        self.dir = next;
    }

    async fn append(&mut self, log: &Arc<Disk>) {
        // After an error, the log takes nothing more, and its state in memory is not what it will
        // recover.
        let was_well = log.health().is_ok();
        let mut live = live_keys(log);
        let units: Vec<_> = (0..self.rng.random_range(1..4))
            .map(|_| self.unit(&live))
            .collect();
        let appends = units.iter().map(
            |Unit {
                 records,
                 receipt,
                 condition,
             }| {
                let append = Append::from(records.clone())
                    .receipt(receipt.clone())
                    .when(condition.clone());
                let log = log.clone();
                tokio::spawn(async move { log.append(append).await })
            },
        );
        let appends: Vec<_> = appends.collect();
        let mut answers = Vec::new();
        for append in appends {
            answers.push(append.await.unwrap());
        }
        let epoch = log.epochs().current();
        // The units were appended in this order.
        for (unit, answer) in units.into_iter().zip(answers) {
            let Ok(appended) = answer else {
                self.oracle.uncertain.push(unit);
                continue;
            };
            let expected = self.oracle.outcome(&unit, &live);
            let what = format!("{unit:?}: {appended:?}, with these keys behind it: {live:?}");
            let (first, events) = match (appended, expected) {
                (Appended::New(first), Outcome::New) => (first, unit.records.len()),
                (Appended::Refused(head), Outcome::Refused) => (head.next(), 0),
                (Appended::Known(kept), Outcome::Known(known)) => {
                    assert_eq!(kept, known, "{what}");
                    continue;
                }
                (Appended::Full(_), Outcome::Full) => continue,
                _ => panic!("{what}"),
            };
            let events = u32::try_from(events).unwrap();
            if let Some(Receipt { key, value, .. }) = unit.receipt {
                self.oracle.receipts.insert(
                    key,
                    StoredReceipt {
                        value,
                        first,
                        events,
                        refused: events == 0,
                    },
                );
            }
            let mut position = first;
            for record in unit.records.into_iter().take(events as usize) {
                let acknowledged = Acknowledged {
                    id: EventId { epoch, position },
                    topics: record.topics.to_vec(),
                    key: record.key,
                    ends_key: record.ends_key,
                    data: record.data,
                };
                if let Some(key) = acknowledged.key.clone() {
                    live.retain(|known, _| *known != key);
                    live.extend((!acknowledged.ends_key).then_some((key, position)));
                }
                self.oracle.acknowledged.insert(position, acknowledged);
                position = position.next();
            }
        }
        if was_well {
            self.oracle.keys = live;
        }
    }

    /// Checks that every acknowledged event is there, in order and with its id, unless its topic's
    /// floor tells that it is gone, and that nothing is there that was never appended, or only in
    /// part.
    async fn compare(&mut self, log: &Disk, round: u64) {
        let (head, epochs) = (log.head(), log.epochs());
        let mut found: BTreeMap<Position, (EventId, Bytes)> = BTreeMap::new();
        let mut places: BTreeSet<(TopicName, Position)> = BTreeSet::new();
        for name in TOPICS.into_iter().chain(["chat"]) {
            let page = log
                .read(
                    &Selector::topics([topic(name)]),
                    Position::START,
                    head,
                    Limit::NONE,
                )
                .await
                .unwrap();
            assert!(
                page.entries.is_sorted_by_key(|entry| entry.id.position),
                "round {round}"
            );
            for entry in page.entries {
                let is_erased = entry.record.topics[0].as_str() == ERASED
                    && entry.id.position <= self.oracle.erased;
                assert!(
                    !is_erased,
                    "round {round}: {} was erased, and is shown in {name}",
                    entry.id
                );
                let before = found.insert(entry.id.position, (entry.id, entry.record.data.clone()));
                assert!(
                    before.is_none_or(|(_, data)| data == entry.record.data),
                    "round {round}: two at one position"
                );
                places.insert((topic(name), entry.id.position));
            }
        }
        let last = self
            .oracle
            .acknowledged
            .last_key_value()
            .map_or(Position::START, |(position, _)| *position);
        if head < last {
            assert_ne!(
                self.sync,
                Sync::Always,
                "round {round}: {last} was acknowledged, and the log ends at {head}"
            );
            self.oracle.rounds_with_loss += 1;
            let lost = self.oracle.acknowledged.split_off(&head.next());
            self.oracle
                .lost
                .extend(lost.into_values().map(|event| event.id));
            self.oracle
                .receipts
                .retain(|_, kept| kept.refused || kept.first <= head);
            // If an erasure found nothing, nothing was synced. Records that get these positions
            // later were never erased.
            self.oracle.erased = self.oracle.erased.min(head);
            self.oracle.keys = self.oracle.live();
        }
        for id in &self.oracle.lost {
            assert!(
                epochs.locate(*id, head).is_err(),
                "round {round}: {id} was lost, and counts as a valid cursor"
            );
        }
        let newest_keys: Vec<Position> = self.newest_keys(log, &found);
        for (position, event) in &self.oracle.acknowledged {
            assert_eq!(
                epochs.locate(event.id, head),
                Ok(*position),
                "round {round}: {} was acknowledged",
                event.id
            );
            let trimmed = log.floor(&Selector::topics([event.topics[0].clone()])) >= *position;
            let keyed = event.key.is_some() && !event.ends_key;
            let superseded = keyed && !newest_keys.contains(position);
            match found.get(position) {
                Some((id, data)) => {
                    assert_eq!((*id, data), (event.id, &event.data), "round {round}");
                }
                None => assert!(
                    trimmed || superseded,
                    "round {round}: {} is missing",
                    event.id
                ),
            }
            for topic in event.topics.iter().filter(|_| !superseded) {
                let trimmed = log.floor(&Selector::topics([topic.clone()])) >= *position && !keyed;
                let there = places.contains(&(topic.clone(), *position));
                assert!(
                    trimmed || there,
                    "round {round}: {} is missing in {topic}",
                    event.id
                );
            }
        }
        for (key, expected) in std::mem::take(&mut self.oracle.receipts) {
            let kept = log.receipt(&key).await.unwrap();
            // A refused unit has no position, so nothing else shows that its receipt was lost with
            // the power.
            if self.sync == Sync::Always || !expected.refused || kept.is_some() {
                assert_eq!(
                    kept.as_ref(),
                    Some(&expected),
                    "round {round}: a receipt is missing"
                );
                self.oracle.receipts.insert(key, expected);
            }
        }
        self.settle_uncertain(log, &found, &epochs, round).await;
    }

    /// Returns the position that is expected for each key: the acknowledged one, or that of a unit
    /// that got an error.
    fn newest_keys(
        &self,
        log: &Disk,
        found: &BTreeMap<Position, (EventId, Bytes)>,
    ) -> Vec<Position> {
        let live = live_keys(log);
        let ends = |key: &Arc<str>| {
            let records = self.oracle.uncertain.iter().flat_map(|unit| &unit.records);
            records
                .filter(|record| record.ends_key)
                .any(|record| record.key.as_ref() == Some(key))
        };
        for (key, position) in &self.oracle.keys {
            match live.get(key) {
                Some(newest) => assert!(
                    newest >= position,
                    "{key}: {newest} is older than {position}"
                ),
                None => assert!(ends(key), "{key} at {position} is gone"),
            }
        }
        assert!(live.values().all(|position| found.contains_key(position)));
        assert!(live.len() <= MAX_LIVE_KEYS);
        live.into_values().collect()
    }

    /// Checks that each unit that got an error is there as a whole with its receipt, or not at all.
    /// What is there counts as acknowledged from now on.
    async fn settle_uncertain(
        &mut self,
        log: &Disk,
        found: &BTreeMap<Position, (EventId, Bytes)>,
        epochs: &tidings_journal::Epochs,
        round: u64,
    ) {
        let uncertain = std::mem::take(&mut self.oracle.uncertain);
        let positions: BTreeMap<&Bytes, Position> = found
            .iter()
            .map(|(position, (_, data))| (data, *position))
            .collect();
        let all: BTreeSet<&Bytes> = uncertain
            .iter()
            .flat_map(|unit| &unit.records)
            .map(|record| &record.data)
            .collect();
        for unit in &uncertain {
            // The records that can neither be trimmed nor superseded.
            let lasting = |record: &&Record| {
                !record.is_keyed() && !["t/x", ERASED].contains(&record.topics[0].as_str())
            };
            let there: Vec<_> = unit
                .records
                .iter()
                .filter(lasting)
                .map(|record| positions.get(&record.data))
                .collect();
            let is_there = there.iter().all(Option::is_some);
            let whole = is_there || there.iter().all(Option::is_none);
            assert!(
                whole && there.is_sorted(),
                "round {round}: half a unit: {there:?}"
            );
            let Some(receipt) = unit.receipt.as_ref().filter(|_| !there.is_empty()) else {
                continue;
            };
            let kept = log.receipt(&receipt.key).await.unwrap();
            if self.oracle.receipts.contains_key(&receipt.key) {
                assert!(
                    !is_there,
                    "round {round}: what was known was appended again: {unit:?}"
                );
            } else {
                let has_appended = kept.is_some_and(|kept| !kept.refused);
                assert_eq!(
                    has_appended, is_there,
                    "round {round}: a unit without its receipt, or the reverse: {unit:?}"
                );
            }
        }
        for (position, (id, data)) in found {
            if self.oracle.acknowledged.contains_key(position) {
                continue;
            }
            assert!(
                all.contains(data),
                "round {round}: {id} was never appended: {data:?}"
            );
            assert_eq!(epochs.id_of(*position), *id, "round {round}");
        }
        // The oracle keeps the units that are there as possible, for later rounds.
        let kept = |unit: &Unit| {
            unit.records
                .iter()
                .any(|record| positions.contains_key(&record.data) || record.ends_key)
        };
        self.oracle.uncertain = uncertain.into_iter().filter(kept).collect();
    }

    /// Copies what is left of the directory if the process is killed or the power is lost now.
    fn cut_off(&mut self, log: &Disk, steps: &Mutex<Steps>, power: bool) -> TempDir {
        let next = scratch();
        copy_while_quiet(log, self.dir.path(), next.path());
        let active = active_log(next.path());
        let (path, synced) = steps.lock().synced.clone();
        // The engine syncs its log before it writes a table out. In that case, the end of the log
        // is not torn.
        let written_out = tables(next.path()) != steps.lock().tables;
        if power && !written_out && path.file_name() == active.file_name() {
            let used = used_bytes(&active, synced).unwrap();
            let mut file = OpenOptions::new().write(true).open(&active).unwrap();
            let stays = self.rng.random_range(synced..=used);
            if self.rng.random_bool(0.5) {
                let length = file.metadata().unwrap().len();
                file.set_len(stays).unwrap();
                file.set_len(length).unwrap();
            } else {
                // The device writes in any order: one sector is missing, and those behind it are
                // there.
                let sector = [0; 512];
                let hole = usize::try_from(used - stays).unwrap().min(sector.len());
                file.seek(SeekFrom::Start(stays)).unwrap();
                file.write_all(&sector[..hole]).unwrap();
            }
        }
        next
    }
}

/// Creates a directory in memory, because the test decides what a crash leaves, not the device.
fn scratch() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .and_then(|number| number.parse().ok())
}

/// Prints how to repeat a run that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with JOURNAL_CRASH_SEED={}", self.0);
        }
    }
}

/// Runs `seeds` runs of some rounds each, on two threads.
fn run(sync: Sync, seeds: u64) -> Vec<Oracle> {
    let (first, seeds) = match variable("JOURNAL_CRASH_SEED") {
        Some(seed) => (seed, 1),
        None => (
            rand::random(),
            variable("JOURNAL_CRASH_SEEDS").unwrap_or(seeds),
        ),
    };
    println!("JOURNAL_CRASH_SEED={first} and the {seeds} from there on");
    let half = |from: u64| {
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            (from..seeds)
                .step_by(2)
                .map(|nth| runtime.block_on(history(first.wrapping_add(nth), sync)))
                .collect()
        }
    };
    let others = std::thread::spawn(half(1));
    let mut oracles: Vec<_> = half(0)();
    oracles.extend::<Vec<_>>(others.join().unwrap());
    oracles
}

async fn history(seed: u64, sync: Sync) -> Oracle {
    let _seed = Seed(seed);
    let mut run = Run::new(seed, sync);
    for round in 0..variable("JOURNAL_CRASH_ROUNDS").unwrap_or(3) {
        run.round(round).await;
    }
    let inspection = Inspection::open(run.dir.path()).unwrap();
    assert_eq!(inspection.verify().unwrap().problems, [""; 0]);
    run.oracle
}

#[test]
fn every_acknowledged_event_survives_a_crash_with_its_id() {
    let oracles = run(Sync::Always, 120);
    let acknowledged: usize = oracles.iter().map(|oracle| oracle.acknowledged.len()).sum();
    assert!(
        acknowledged > 10 * oracles.len(),
        "only {acknowledged} were acknowledged"
    );
}

#[test]
fn an_id_that_was_lost_is_never_given_to_another_event() {
    let oracles = run(Sync::Never, 40);
    let lost = oracles.iter().any(|oracle| oracle.rounds_with_loss > 0);
    assert!(
        lost || oracles.len() < 40,
        "no loss of power has lost an event"
    );
}

#[tokio::test]
async fn after_a_failed_write_appends_are_refused_and_reads_go_on() {
    for fault in [Fault::NoSpace, Fault::Torn, Fault::NoSync] {
        let dir = scratch();
        let options = Options::new(dir.path());
        let found = open::for_writing(&options).unwrap();
        let steps = Steps::new(1, fault);
        let faulty = Faulty {
            database: found.tables.db.clone(),
            dir: dir.path().to_owned(),
            steps,
        };
        let log = Disk::start(found, options, Box::new(faulty)).unwrap();
        let record = |data: &'static str| Record {
            topics: [topic("a")].into(),
            event: "e".into(),
            key: None,
            data: Bytes::from_static(data.as_bytes()),
            at_ms: 0,
            ends_key: false,
        };
        log.put(vec![record("kept")]).await.unwrap();
        assert!(!log.vitals().disk.unwrap().failed);
        let mut tail = log.tail();
        let error = log
            .put(vec![record("refused")])
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("see to the disk (is it full?), then restart the server"),
            "{error}"
        );
        assert_eq!(log.health().unwrap_err().to_string(), error);
        assert_eq!(
            log.put(vec![record("too late")])
                .await
                .unwrap_err()
                .to_string(),
            error
        );
        let vitals = log.vitals().disk.unwrap();
        assert!(vitals.failed);
        assert_eq!(
            (vitals.batches, vitals.records),
            (1, 1),
            "a refused append is not counted as written"
        );
        let page = log
            .read(
                &Selector::topics([topic("a")]),
                Position::START,
                log.head(),
                Limit::NONE,
            )
            .await
            .unwrap();
        assert_eq!(page.entries.len(), 1, "a refused append is not shown");
        let shown = tokio::time::timeout(Duration::from_millis(1), tail.next()).await;
        assert!(shown.is_err(), "a tail does not return it either");
        tokio::time::timeout(Duration::from_secs(10), log.close())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_damaged_file_causes_an_error_and_never_a_silent_loss() {
    let seed = variable("JOURNAL_CRASH_SEED").unwrap_or_else(rand::random);
    let _seed = Seed(seed);
    let mut run = Run::new(seed, Sync::Always);
    run.options.retention.rules.clear();
    run.options.dir = run.dir.path().to_owned();
    {
        let log = Arc::new(Disk::open(run.options.clone()).unwrap());
        for _ in 0..30 {
            run.append(&log).await;
        }
        log.log.tables.flush().unwrap();
        for _ in 0..5 {
            run.append(&log).await;
        }
    }
    let (mut refused, mut unreadable) = (0, 0);
    let files: Vec<_> = listing(run.dir.path())
        .into_iter()
        .filter(|(_, length, _)| *length > 0)
        .collect();
    // A table is damaged in several places, because not all of its bytes are records.
    let times = |file: &std::path::Path| {
        if file
            .parent()
            .is_some_and(|folder| folder.ends_with("tables"))
        {
            8
        } else {
            1
        }
    };
    let damages = |file| std::iter::repeat_n((file, false), times(file)).chain([(file, true)]);
    let mut due: Vec<_> = files.iter().flat_map(|(file, ..)| damages(file)).collect();
    for round in 0.. {
        let Some((file, gone)) = due.pop() else {
            // The damaged byte is random, so this repeats until a record was hit, with far more
            // attempts than that needs.
            let tables = files
                .iter()
                .filter(|(file, ..)| times(file) > 1)
                .map(|(file, ..)| (file.as_path(), false));
            due.extend(tables.filter(|_| unreadable == 0 && round < 2_000));
            if due.is_empty() {
                break;
            }
            continue;
        };
        let dir = scratch();
        copy(run.dir.path(), dir.path()).unwrap();
        let file = file.strip_prefix(run.dir.path()).unwrap();
        let path = dir.path().join(file);
        let intact = fs::read(&path).unwrap();
        let what = if gone {
            fs::remove_file(&path).unwrap();
            format!("{} removed", file.display())
        } else {
            let used = used_bytes(&path, 0).unwrap();
            let at = usize::try_from(run.rng.random_range(0..used.max(1))).unwrap();
            let bit = 1 << run.rng.random_range(0..8);
            flip(&path, at, bit);
            format!("{} damaged at byte {at}, bit {bit}", file.display())
        };
        let options = Options {
            dir: dir.path().to_owned(),
            ..run.options.clone()
        };
        let named = |error: &dyn std::error::Error| {
            let text = error.to_string();
            assert!(
                text.contains(dir.path().to_str().unwrap()),
                "{what}: {text}"
            );
        };
        let opened = Disk::open(options.clone());
        let is_refused = opened.is_err();
        refused += u32::from(is_refused);
        let log = opened.unwrap_or_else(|error| {
            named(&error);
            assert!(
                !matches!(error, OpenError::InUse { .. }),
                "{what}: no process has it open"
            );
            // The intact files were not changed: once the damage is repaired, everything is there.
            fs::write(&path, intact).unwrap();
            Disk::open(options).unwrap_or_else(|error| panic!("{what}, and mended: {error}"))
        });
        for event in run
            .oracle
            .acknowledged
            .values()
            .filter(|event| event.key.is_none() || event.ends_key)
        {
            let selector = Selector::topics([event.topics[0].clone()]);
            let before = Position::new(event.id.position.get() - 1);
            match log
                .read(&selector, before, event.id.position, Limit::NONE)
                .await
            {
                Ok(page) if page.entries.is_empty() => {
                    assert!(
                        page.damaged && page.floor >= event.id.position,
                        "{what}: {} is missing",
                        event.id
                    );
                    assert!(!is_refused, "{what}, and mended: it is still damaged");
                    assert!(
                        log.vitals().disk.unwrap().damaged > 0,
                        "{what}: the damage is not reported"
                    );
                    unreadable += 1;
                }
                Ok(page) => {
                    assert_eq!(page.entries.len(), 1, "{what}: {} is missing", event.id);
                    assert_eq!(page.entries[0].record.data, event.data, "{what}");
                }
                Err(error) => panic!("{what}: damage is reported as temporary: {error}"),
            }
        }
    }
    assert!(
        refused > 0 && unreadable > 0,
        "{refused} refused, {unreadable} records unreadable"
    );
}

#[tokio::test]
async fn a_refused_directory_keeps_all_of_its_bytes() {
    let mut run = Run::new(7, Sync::Always);
    run.options.dir = run.dir.path().to_owned();
    {
        let log = Arc::new(Disk::open(run.options.clone()).unwrap());
        run.append(&log).await;
        log.close().await; // writes the watermark: everything is known to be on the device
    }
    let files = listing(run.dir.path());
    let (log, ..) = files
        .iter()
        .find(|(path, ..)| path.extension().is_some_and(|end| end == "jnl"))
        .unwrap();
    let log = log.strip_prefix(run.dir.path()).unwrap();
    let used = usize::try_from(used_bytes(&run.dir.path().join(log), 0).unwrap()).unwrap();
    let mut refused = 0;
    for at in (0..used).step_by(used / 40) {
        let dir = scratch();
        copy(run.dir.path(), dir.path()).unwrap();
        let path = dir.path().join(log);
        flip(&path, at, 1);
        let damaged = fs::read(&path).unwrap();
        if Disk::open(Options {
            dir: dir.path().to_owned(),
            ..run.options.clone()
        })
        .is_err()
        {
            assert!(fs::read(&path).unwrap() == damaged, "byte {at}");
            refused += 1;
        }
    }
    assert!(refused >= 20, "{refused}");
}

fn flip(path: &std::path::Path, at: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= bit;
    fs::write(path, bytes).unwrap();
}
