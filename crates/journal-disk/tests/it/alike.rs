//! Compares the decisions of the logs in memory and on disk for random requests, while the one on
//! disk is reopened again and again.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Append, Appended, Bounds, Condition, Journal, Limit, Position, Receipt, Record,
};
use tidings_journal_disk::{Disk, Options};

use crate::{record, selector, topic};

const TOPICS: [&str; 6] = [
    "a",
    "b/c",
    "chat/room/r",
    "_members",
    "_tickets",
    "system/status",
];
const KEYS: [&str; 5] = ["k", "r/ann", "r/a%/b", "0", ""];

/// Makes random requests.
struct Requests {
    rng: StdRng,
    now_ms: i64,
}

impl Requests {
    fn topic(&mut self) -> &'static str {
        TOPICS[self.rng.random_range(0..TOPICS.len())]
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.rng.random_range(0..KEYS.len())]
    }

    fn record(&mut self, data: &str) -> Record {
        let first = self.topic();
        let names = match self.rng.random_range(0..6) {
            0 => vec![first, "chat"],
            1 => vec![first, first, "chat"],
            2 => vec![first, "_members"],
            _ => vec![first],
        };
        let key = self.rng.random_bool(0.8).then(|| self.key().into());
        let ends_key = key.is_some() && self.rng.random_bool(0.4);
        Record {
            key,
            ends_key,
            at_ms: self.now_ms,
            ..record(&names, data)
        }
    }

    fn condition(&mut self, head: Position) -> Option<Condition> {
        let (name, key) = (topic(self.topic()), self.key().into());
        match self.rng.random_range(0..4) {
            0 => Some(Condition::Absent(name, key)),
            1 => {
                let back = self.rng.random_range(0..6);
                Some(Condition::Current(
                    name,
                    key,
                    Position::new(head.get().saturating_sub(back)),
                ))
            }
            _ => None,
        }
    }

    fn append(&mut self, nth: u32, head: Position) -> Append {
        let many = self.rng.random_range(0..5);
        let records = (0..many)
            .map(|of| self.record(&format!("{nth}.{of}")))
            .collect::<Vec<_>>();
        let receipt = self.rng.random_bool(0.4).then(|| Receipt {
            key: self.rng.random_range(0..6_u32).to_string().into(),
            value: nth.to_string().into(),
            lives: Duration::from_secs(self.rng.random_range(1..120)),
        });
        Append::from(records)
            .receipt(receipt)
            .when(self.condition(head))
            .at(self.now_ms)
    }
}

/// Returns all live records with a key.
async fn keyed(log: &dyn Journal) -> Vec<(u64, String)> {
    let mut keyed = Vec::new();
    for name in TOPICS {
        let page = log
            .read_keyed(&selector(&[name]), Position::START, log.head(), Limit::NONE)
            .await
            .unwrap();
        for entry in page.entries {
            let Record {
                key, topics, data, ..
            } = &entry.record;
            keyed.push((
                entry.id.position.get(),
                format!("{name} {topics:?} {key:?} {data:?}"),
            ));
        }
    }
    keyed
}

async fn compare(seed: u64, steps: u32, most: usize, max_topics: usize) {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let mut options = Options::new(dir.path());
        options.retention.bounds = Bounds::of_each(most);
        options.retention.max_topics = max_topics;
        options.retention.max_events = 20;
        Disk::open(options).unwrap()
    };
    let memory = Memory::new(Retention {
        bounds: Bounds::of_each(most),
        max_topics,
        max_events: 20,
        ..Retention::default()
    });
    let mut disk = open();
    let mut requests = Requests {
        rng: StdRng::seed_from_u64(seed),
        now_ms: 1_800_000_000_000,
    };
    let mut counts = [0; 4];
    for nth in 0..steps {
        // In steps that are large enough for the clock on disk to be stored.
        requests.now_ms += 2_000 * requests.rng.random_range(0..20);
        if requests.rng.random_bool(0.02) {
            requests.now_ms += [3_600_000, -3_600_000][requests.rng.random_range(0..2)];
        }
        match requests.rng.random_range(0..40) {
            0 => {
                let names: Vec<_> = (0..requests.rng.random_range(1..3))
                    .map(|_| topic(requests.topic()))
                    .collect();
                let until = requests.rng.random_range(0..memory.head().get() + 3);
                let erased = memory
                    .erase(&names, crate::id(&memory, until))
                    .await
                    .is_ok();
                assert_eq!(
                    disk.erase(&names, crate::id(&disk, until)).await.is_ok(),
                    erased
                );
                assert_eq!(erased, until <= memory.head().get());
            }
            1 => {
                memory.expire(requests.now_ms);
                disk.expire(requests.now_ms);
            }
            2 => {
                disk.close().await;
                drop(disk);
                disk = open();
            }
            _ => {
                let append = requests.append(nth, memory.head());
                let in_memory = memory.append(append.clone()).await.unwrap();
                let on_disk = disk.append(append.clone()).await.unwrap();
                assert_eq!(in_memory, on_disk, "seed {seed}, step {nth}: {append:?}");
                counts[match in_memory {
                    Appended::New(_) => 0,
                    Appended::Known(_) => 1,
                    Appended::Refused(_) => 2,
                    Appended::Full(_) => 3,
                }] += 1;
            }
        }
        assert_eq!(memory.head(), disk.head(), "seed {seed}, step {nth}");
        assert_eq!(memory.log_ms(), disk.log_ms(), "seed {seed}, step {nth}");
        assert_eq!(
            keyed(&memory).await,
            keyed(&disk).await,
            "seed {seed}, step {nth}"
        );
    }
    assert!(
        counts.iter().all(|count| *count > 0),
        "each outcome occurred: {counts:?}"
    );
}

#[tokio::test]
async fn the_journals_in_memory_and_on_disk_decide_alike() {
    for seed in 0..3 {
        compare(seed, 200, 2, 5).await;
        compare(seed, 200, 4, 3).await;
    }
}
