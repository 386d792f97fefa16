//! The promises of [`Journal`], kept by the log in memory and by the one on disk.

use bytes::Bytes;
use tidings_journal::disk::{Disk, Options};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{EventId, Journal, Kept, Limit, Position, Receipt, Record, Stray};

use crate::{all, numbered, of, record, status};

/// Runs each promise against each home.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $promise() { super::$promise(&super::Home::memory()).await; })*
        }
        mod disk {
            $(#[tokio::test] async fn $promise() { super::$promise(&super::Home::disk()).await; })*
        }
    };
}

promises! {
    positions_are_dense_over_all_topics
    an_entry_in_two_of_the_selected_topics_is_read_once
    a_large_entry_reads_the_same_in_each_of_its_topics
    pages_join_without_hole_or_repeat_whatever_their_size
    a_page_ends_at_until
    what_was_appended_reads_back_whole
    the_newest_of_each_key_takes_the_place_of_the_one_before_and_no_floor_rises
    too_many_keys_are_trimmed_and_it_shows
    the_tail_shows_every_entry_once_and_in_order
    a_tail_and_the_head_it_was_opened_at_leave_nothing_out
    appends_in_flight_get_consecutive_positions_and_batches_stay_whole
    a_receipt_is_kept_with_its_batch_until_it_expires
    a_new_epoch_knows_what_belongs_to_it
    a_record_in_no_topic_has_a_place_all_the_same
    a_topic_named_twice_shows_the_entry_once
    a_topic_is_known_from_its_first_entry_on
    a_closed_log_still_reads
}

enum Home {
    Memory,
    Disk(tempfile::TempDir),
}

impl Home {
    fn memory() -> Self {
        Self::Memory
    }

    fn disk() -> Self {
        Self::Disk(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Box<dyn Journal> {
        self.open_keeping(10_000)
    }

    fn open_keeping(&self, max_keyed: usize) -> Box<dyn Journal> {
        match self {
            Self::Memory => Box::new(Memory::new(Retention { max_keyed, ..Retention::default() })),
            Self::Disk(dir) => {
                let mut options = Options::new(dir.path());
                options.retention.max_keyed = max_keyed;
                Box::new(Disk::open(options).unwrap())
            }
        }
    }
}

fn numbers(entries: &[std::sync::Arc<tidings_journal::Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id.position.get()).collect()
}

async fn positions_are_dense_over_all_topics(home: &Home) {
    let log = home.open();
    assert_eq!(log.append(vec![record(&["a"], "1"), record(&["b"], "2")]).await.unwrap(), Position::new(1));
    assert_eq!(log.append(vec![record(&["a"], "3")]).await.unwrap(), Position::new(3));
    assert_eq!(log.head(), Position::new(3));
    assert_eq!(all(&*log, &["a"]).await, ["1", "3"]);
    assert_eq!(all(&*log, &["b", "a"]).await, ["1", "2", "3"]);
    assert_eq!(log.oldest(&of(&["a", "b"])).await.unwrap(), Some(Position::new(1)));
    assert_eq!(log.oldest(&of(&["b"])).await.unwrap(), Some(Position::new(2)));
    assert_eq!(log.oldest(&of(&["c"])).await.unwrap(), None);
}

async fn an_entry_in_two_of_the_selected_topics_is_read_once(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["chat/room/r", "chat"], "1"), record(&["chat/room/s", "chat"], "2")]).await.unwrap();
    assert_eq!(all(&*log, &["chat", "chat/room/r"]).await, ["1", "2"]);
    assert_eq!(all(&*log, &["chat/room/r"]).await, ["1"]);
}

async fn a_large_entry_reads_the_same_in_each_of_its_topics(home: &Home) {
    let log = home.open();
    let large = "x".repeat(100_000);
    log.append(vec![record(&["chat/room/r", "chat"], &large), record(&["chat/room/r", "chat"], "2")]).await.unwrap();
    log.append(vec![Record { key: Some("k".into()), ..record(&["chat/room/s", "chat"], &large) }]).await.unwrap();
    for topics in [&["chat"][..], &["chat/room/r", "chat/room/s"], &["chat", "chat/room/r"]] {
        assert_eq!(all(&*log, topics).await, [&large, "2", &large]);
    }
}

async fn pages_join_without_hole_or_repeat_whatever_their_size(home: &Home) {
    let log = home.open();
    for batch in 0..10 {
        let records = (10 * batch..10 * batch + 10).map(|n: usize| record(&[["a", "b", "c"][n % 3]], &n.to_string()));
        log.append(records.collect()).await.unwrap();
    }
    for limit in [Limit { events: 1, bytes: 1 << 20 }, Limit { events: 7, bytes: 5 }, Limit { events: 13, bytes: 1 }] {
        let (mut after, mut seen) = (Position::START, Vec::new());
        while after < log.head() {
            let page = log.read(&of(&["a", "b"]), after, log.head(), limit).await.unwrap();
            seen.extend(numbers(&page.entries));
            assert!(page.next > after, "a page makes progress");
            after = page.next;
        }
        let expected: Vec<u64> = (0..100).filter(|n| n % 3 != 2).map(|n| n + 1).collect();
        assert_eq!(seen, expected);
    }
}

async fn a_page_ends_at_until(home: &Home) {
    let log = home.open();
    log.append(numbered(&["a"], 0..10)).await.unwrap();
    let page = log.read(&of(&["a"]), Position::new(3), Position::new(5), Limit::NONE).await.unwrap();
    assert_eq!(numbers(&page.entries), [4, 5]);
    assert_eq!(page.next, Position::new(5));
    let page = log.read(&of(&["a"]), Position::new(8), Position::new(99), Limit::NONE).await.unwrap();
    assert_eq!((numbers(&page.entries), page.next), (vec![9, 10], Position::new(10)));
}

async fn what_was_appended_reads_back_whole(home: &Home) {
    let log = home.open();
    let record = Record {
        topics: [crate::topic("chat/room/a%2Fb"), crate::topic("chat")].into(),
        event: "chat-message".into(),
        key: Some("ü".into()),
        data: Bytes::from_static("{\"m\":\"\u{1f600}\"}".as_bytes()),
        at_ms: -5,
    };
    log.append(vec![record.clone()]).await.unwrap();
    for topic in ["chat", "chat/room/a%2Fb"] {
        let page = log.read(&of(&[topic]), Position::START, log.head(), Limit::NONE).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        let entry = &page.entries[0];
        assert_eq!(format!("{:?}", entry.record), format!("{record:?}"));
        assert_eq!(entry.id, EventId { epoch: log.epochs().current(), position: Position::new(1) });
    }
}

async fn the_newest_of_each_key_takes_the_place_of_the_one_before_and_no_floor_rises(home: &Home) {
    let log = home.open();
    log.append(vec![status("db", "1"), status("web", "2"), status("db", "3")]).await.unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3"]);
    log.append(vec![status("web", "4"), record(&["system/status"], "5"), status("web", "6")]).await.unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["3", "5", "6"]);
    assert_eq!(log.floor(&of(&["system/status"])), Position::START);
    assert_eq!(log.oldest(&of(&["system/status"])).await.unwrap(), Some(Position::new(3)));
}

async fn too_many_keys_are_trimmed_and_it_shows(home: &Home) {
    let log = home.open_keeping(2);
    log.append(vec![status("a", "1"), status("b", "2"), status("c", "3")]).await.unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3"]);
    assert_eq!(log.floor(&of(&["system/status"])), Position::new(1));
    log.append(vec![status("a", "4")]).await.unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["3", "4"]);
}

async fn the_tail_shows_every_entry_once_and_in_order(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["a"], "before")]).await.unwrap();
    let mut tail = log.tail();
    log.append(vec![status("db", "1"), status("db", "2")]).await.unwrap();
    log.append(numbered(&["a"], 0..3)).await.unwrap();
    assert_eq!(numbers(&tail.next().await.unwrap()), [2, 3, 4, 5, 6]);
    let waiting = tokio::spawn(async move { tail.next().await.unwrap().len() });
    log.append(vec![record(&["a"], "later")]).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

async fn a_tail_and_the_head_it_was_opened_at_leave_nothing_out(home: &Home) {
    let log: std::sync::Arc<dyn Journal> = home.open().into();
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..200 {
                log.append(numbered(&["a"], 0..2)).await.unwrap();
            }
        }
    });
    let mut done = false;
    while !done {
        done = writer.is_finished();
        let mut tail = log.tail();
        let head = log.head();
        if log.head() < Position::new(400) {
            let mut next = tail.next().await.unwrap();
            next.retain(|entry| entry.id.position > head);
            if let Some(first) = next.first() {
                assert_eq!(first.id.position, head.next());
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn appends_in_flight_get_consecutive_positions_and_batches_stay_whole(home: &Home) {
    let log: std::sync::Arc<dyn Journal> = home.open().into();
    let mut appends = tokio::task::JoinSet::new();
    for writer in 0..50_u64 {
        let log = log.clone();
        appends.spawn(async move {
            let name = format!("w/{writer}");
            let first = log.append(numbered(&[&name, "all"], 0..7)).await.unwrap();
            (name, first)
        });
    }
    let mut firsts = Vec::new();
    while let Some(append) = appends.join_next().await {
        let (name, first) = append.unwrap();
        let page = log.read(&of(&[&name]), Position::START, log.head(), Limit::NONE).await.unwrap();
        assert_eq!(numbers(&page.entries), (first.get()..first.get() + 7).collect::<Vec<_>>());
        firsts.push(first.get());
    }
    firsts.sort_unstable();
    assert_eq!(firsts, (0..50).map(|batch| 7 * batch + 1).collect::<Vec<_>>());
    let page = log.read(&of(&["all"]), Position::START, log.head(), Limit::NONE).await.unwrap();
    assert_eq!(numbers(&page.entries), (1..=350).collect::<Vec<_>>());
}

async fn a_receipt_is_kept_with_its_batch_until_it_expires(home: &Home) {
    let log = home.open();
    let receipt = |value: &'static str, expires_at_ms| Receipt {
        key: Bytes::from_static(b"ann POST /p k"),
        value: Bytes::from_static(value.as_bytes()),
        expires_at_ms,
    };
    log.append(vec![record(&["a"], "1")]).await.unwrap();
    log.append_with(numbered(&["a"], 2..4), Some(receipt("first", 100))).await.unwrap();
    let kept = Kept { value: Bytes::from_static(b"first"), first: Position::new(2), events: 2 };
    assert_eq!(log.receipt(b"ann POST /p k", 99).await.unwrap(), Some(kept));
    assert_eq!(log.receipt(b"ann POST /p k", 100).await.unwrap(), None);
    assert_eq!(log.receipt(b"ann POST /p", 0).await.unwrap(), None);
    log.expire(100);
    log.append_with(vec![], Some(receipt("second", 200))).await.unwrap();
    let kept = Kept { value: Bytes::from_static(b"second"), first: Position::new(4), events: 0 };
    assert_eq!(log.receipt(b"ann POST /p k", 100).await.unwrap(), Some(kept));
    assert_eq!(log.head(), Position::new(3));
}

async fn a_new_epoch_knows_what_belongs_to_it(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["a"], "1")]).await.unwrap();
    let epochs = log.epochs();
    let cursor = |position| EventId { epoch: epochs.current(), position: Position::new(position) };
    assert_eq!(epochs.locate(cursor(1), log.head()), Ok(Position::new(1)));
    assert_eq!(epochs.locate(cursor(2), log.head()), Err(Stray::Ahead));
    let other = match home {
        Home::Memory => Home::memory(),
        Home::Disk(_) => Home::disk(),
    };
    let other = other.open();
    other.append(vec![record(&["a"], "1")]).await.unwrap();
    assert_eq!(other.epochs().locate(cursor(1), other.head()), Err(Stray::Epoch));
}

async fn a_record_in_no_topic_has_a_place_all_the_same(home: &Home) {
    let log = home.open();
    log.append(vec![record(&[], "1"), record(&["a"], "2")]).await.unwrap();
    assert_eq!(log.head(), Position::new(2));
    assert_eq!(all(&*log, &["a"]).await, ["2"]);
}

async fn a_topic_named_twice_shows_the_entry_once(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["a", "b", "a"], "1")]).await.unwrap();
    log.append(vec![Record { key: Some("k".into()), ..record(&["a", "a"], "2") }]).await.unwrap();
    assert_eq!(all(&*log, &["a"]).await, ["1", "2"]);
}

async fn a_topic_is_known_from_its_first_entry_on(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["chat/room/r", "chat"], "1"), status("db", "2")]).await.unwrap();
    for (name, known) in [("chat/room/r", true), ("chat", true), ("system/status", true), ("chat/room", false)] {
        assert_eq!(log.knows(&crate::topic(name)), known, "{name}");
    }
}

async fn a_closed_log_still_reads(home: &Home) {
    let log = home.open();
    log.append(vec![record(&["a"], "1")]).await.unwrap();
    assert!(log.health().is_ok());
    log.close().await;
    assert_eq!(all(&*log, &["a"]).await, ["1"]);
    if let Home::Disk(_) = home {
        assert!(log.append(vec![record(&["a"], "2")]).await.is_err());
        assert!(log.health().is_err());
    }
}
