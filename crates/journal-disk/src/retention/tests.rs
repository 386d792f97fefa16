use std::sync::mpsc::{Receiver, Sender, channel};

use fjall::{Database, OwnedWriteBatch};
use tokio::time::Instant;

use super::*;
use crate::keys::meta;
use crate::tables::Commit;
use crate::{Disk, Options, Rule, open};
use tidings_journal::{Append, Journal as _, LogClock, Pattern, Record};
use tidings_journal_contract::Put as _;

/// A writer that announces each write, and waits until the test allows it.
struct HeldCommit {
    db: Database,
    begun: Sender<()>,
    go_on: Receiver<()>,
}

impl Commit for HeldCommit {
    fn commit(&mut self, batch: OwnedWriteBatch, sync: bool) -> Result<(), fjall::Error> {
        let _ = self.begun.send(());
        let _ = self.go_on.recv(); // an error means that the test has dropped its end
        self.db.commit(batch, sync)
    }

    fn sync(&mut self) -> Result<(), fjall::Error> {
        Commit::sync(&mut self.db)
    }
}

async fn until(log: &Disk, what: &str, done: impl Fn(&Disk) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(10);
    for now_ms in 1.. {
        if done(log) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}");
        log.expire(now_ms);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn records_that_are_counted_but_not_written_are_trimmed_once_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    let pattern = Pattern::parse("a").unwrap();
    options.retention.rules = vec![Rule {
        pattern,
        max_age: None,
        max_events: Some(2),
        max_bytes: None,
    }];
    let found = open::for_writing(&options).unwrap();
    let ((begun, began), (go_on, wait)) = (channel(), channel());
    let commit = HeldCommit {
        db: found.tables.db.clone(),
        begun,
        go_on: wait,
    };
    let log = Arc::new(Disk::start(found, options, Box::new(commit)).unwrap());
    let records = (0..5).map(|_| Record {
        topics: [TopicName::parse("a").unwrap()].into(),
        event: "e".into(),
        key: None,
        data: "x".into(),
        at_ms: 0,
        ends_key: false,
    });
    let appending = tokio::spawn({
        let (log, records) = (log.clone(), records.collect());
        async move { log.put(records).await }
    });
    tokio::task::spawn_blocking(move || began.recv())
        .await
        .unwrap()
        .unwrap();
    // Once the age of the oldest record is unknown again, the task has searched for the records and
    // not found them.
    until(&log, "the records are counted", |log| {
        log.vitals().oldest_ms == Some(0)
    })
    .await;
    until(&log, "the task has searched for them", |log| {
        log.vitals().oldest_ms.is_none()
    })
    .await;
    drop(go_on);
    appending.await.unwrap().unwrap();
    until(&log, "the records are trimmed", |log| {
        log.vitals().kept == Some(2)
    })
    .await;
}

/// If nothing is appended, the clock is written by itself.
#[tokio::test]
async fn the_clock_of_a_quiet_log_is_written_if_it_was_written_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = Disk::open(Options::new(dir.path())).unwrap();
    let written_ms = |log: &Disk| {
        let row = log.log.tables.meta.get(meta::CLOCK).unwrap().unwrap();
        LogClock::decode(&row).unwrap().now_ms()
    };
    let start_ms = 1_800_000_000_000;
    log.append(Append::default().at(start_ms)).await.unwrap();
    assert_eq!(written_ms(&log), 0, "there was nothing to append");
    let record = Record {
        topics: [TopicName::parse("a").unwrap()].into(),
        event: "e".into(),
        key: None,
        data: "x".into(),
        at_ms: 0,
        ends_key: false,
    };
    log.append(Append::from(vec![record]).at(start_ms))
        .await
        .unwrap();
    assert_eq!(written_ms(&log), start_ms);
    log.expire(start_ms + CLOCK_STALE_MS);
    let deadline = Instant::now() + Duration::from_mins(10);
    while written_ms(&log) < start_ms + CLOCK_STALE_MS {
        assert!(Instant::now() < deadline, "it is never written");
        log.expire(start_ms + CLOCK_STALE_MS);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
