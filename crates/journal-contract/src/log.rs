//! The promises of [`Journal`] about order, pages, keys, receipts, tails and epochs.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use std::time::Duration;

use bytes::Bytes;
use tidings_journal::{
    Append, Appended, Bounds, Condition, CursorError, EventId, Journal, Limit, Position, Receipt,
    Record, StoredReceipt,
};

use crate::{Backend, Put as _, all, id, numbered, numbers, record, selector, status, topic};

pub async fn positions_are_dense_over_all_topics(backend: &dyn Backend) {
    let log = backend.open();
    assert_eq!(
        log.put(vec![record(&["a"], "1"), record(&["b"], "2")])
            .await
            .unwrap(),
        Position::new(1)
    );
    assert_eq!(
        log.put(vec![record(&["a"], "3")]).await.unwrap(),
        Position::new(3)
    );
    assert_eq!(log.head(), Position::new(3));
    assert_eq!(all(&*log, &["a"]).await, ["1", "3"]);
    assert_eq!(all(&*log, &["b", "a"]).await, ["1", "2", "3"]);
    assert_eq!(
        log.oldest(&selector(&["a", "b"])).await.unwrap(),
        Some(Position::new(1))
    );
    assert_eq!(
        log.oldest(&selector(&["b"])).await.unwrap(),
        Some(Position::new(2))
    );
    assert_eq!(log.oldest(&selector(&["c"])).await.unwrap(), None);
}

pub async fn an_entry_in_two_of_the_selected_topics_is_read_once(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![
        record(&["chat/room/r", "chat"], "1"),
        record(&["chat/room/s", "chat"], "2"),
    ])
    .await
    .unwrap();
    assert_eq!(all(&*log, &["chat", "chat/room/r"]).await, ["1", "2"]);
    assert_eq!(all(&*log, &["chat/room/r"]).await, ["1"]);
}

pub async fn a_large_entry_reads_the_same_in_each_of_its_topics(backend: &dyn Backend) {
    let log = backend.open();
    let large = "x".repeat(100_000);
    log.put(vec![
        record(&["chat/room/r", "chat"], &large),
        record(&["chat/room/r", "chat"], "2"),
    ])
    .await
    .unwrap();
    log.put(vec![Record {
        key: Some("k".into()),
        ..record(&["chat/room/s", "chat"], &large)
    }])
    .await
    .unwrap();
    for topics in [
        &["chat"][..],
        &["chat/room/r", "chat/room/s"],
        &["chat", "chat/room/r"],
    ] {
        assert_eq!(all(&*log, topics).await, [&large, "2", &large]);
    }
}

pub async fn pages_of_any_size_join_without_a_gap_or_repetition(backend: &dyn Backend) {
    let log = backend.open();
    for batch in 0..10 {
        let records = (10 * batch..10 * batch + 10)
            .map(|n: usize| record(&[["a", "b", "c"][n % 3]], &n.to_string()));
        log.put(records.collect()).await.unwrap();
    }
    for limit in [
        Limit {
            events: 1,
            bytes: 1 << 20,
        },
        Limit {
            events: 7,
            bytes: 5,
        },
        Limit {
            events: 13,
            bytes: 1,
        },
    ] {
        let (mut after, mut seen) = (Position::START, Vec::new());
        while after < log.head() {
            let page = log
                .read(&selector(&["a", "b"]), after, log.head(), limit)
                .await
                .unwrap();
            seen.extend(numbers(&page.entries));
            assert!(page.next > after, "a page makes progress");
            after = page.next;
        }
        let expected: Vec<u64> = (0..100).filter(|n| n % 3 != 2).map(|n| n + 1).collect();
        assert_eq!(seen, expected);
    }
}

pub async fn a_page_ends_at_until(backend: &dyn Backend) {
    let log = backend.open();
    log.put(numbered(&["a"], 0..10)).await.unwrap();
    let page = log
        .read(
            &selector(&["a"]),
            Position::new(3),
            Position::new(5),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert_eq!(numbers(&page.entries), [4, 5]);
    assert_eq!(page.next, Position::new(5));
    let page = log
        .read(
            &selector(&["a"]),
            Position::new(8),
            Position::new(99),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert_eq!(
        (numbers(&page.entries), page.next),
        (vec![9, 10], Position::new(10))
    );
}

/// Reads all pages of `names` from the head backwards. Returns the positions in the order of the
/// log, and the number of pages.
pub(crate) async fn backwards(
    log: &dyn Journal,
    names: &[&str],
    limit: Limit,
) -> (Vec<u64>, usize) {
    let (mut before, mut seen, mut pages) = (log.head().next(), Vec::new(), 0);
    loop {
        let page = log
            .read_before(&selector(names), before, limit)
            .await
            .unwrap();
        pages += 1;
        seen.splice(0..0, numbers(&page.entries));
        if page.end {
            return (seen, pages);
        }
        assert!(page.prev < before, "a page makes progress");
        before = page.prev;
    }
}

pub async fn reading_backwards_in_pages_of_any_size_returns_the_same_entries(
    backend: &dyn Backend,
) {
    let log = backend.open();
    for batch in 0..10 {
        let records = (30 * batch..30 * batch + 30).map(|n: usize| match n % 7 {
            0 => Record {
                key: Some("k".into()),
                ..record(&["a"], "keyed")
            },
            1 => record(&["chat/room/r", "chat"], &"x".repeat(100 * n)),
            _ => record(&[["a", "b", "c"][n % 3]], &n.to_string()),
        });
        log.put(records.collect()).await.unwrap();
    }
    for names in [
        &["a"][..],
        &["a", "b"],
        &["chat"],
        &["chat", "chat/room/r"],
        &["none"],
    ] {
        let forwards = log
            .read(&selector(names), Position::START, log.head(), Limit::NONE)
            .await
            .unwrap();
        for limit in [
            Limit {
                events: 1,
                bytes: 1 << 20,
            },
            Limit {
                events: 7,
                bytes: 5,
            },
            Limit {
                events: 13,
                bytes: 1 << 20,
            },
            Limit::NONE,
        ] {
            let (seen, pages) = backwards(&*log, names, limit).await;
            assert_eq!(seen, numbers(&forwards.entries), "{names:?} {limit:?}");
            assert!(
                pages >= seen.len().div_ceil(limit.events),
                "{names:?} {limit:?}"
            );
        }
    }
}

pub async fn read_before_accepts_a_position_without_an_entry(backend: &dyn Backend) {
    let log = backend.open();
    log.put(numbered(&["a"], 0..5)).await.unwrap();
    log.put(numbered(&["b"], 0..5)).await.unwrap();
    let page = |before| {
        let (log, limit) = (
            &log,
            Limit {
                events: 2,
                bytes: 1 << 20,
            },
        );
        async move {
            log.read_before(&selector(&["a"]), Position::new(before), limit)
                .await
                .unwrap()
        }
    };
    for (before, expected, end) in [
        (99, &[4, 5][..], false),
        (8, &[4, 5], false),
        (5, &[3, 4], false),
        (3, &[1, 2], true),
    ] {
        let page = page(before).await;
        assert_eq!(
            (numbers(&page.entries), page.end),
            (expected.to_vec(), end),
            "before {before}"
        );
    }
    for before in [0, 1] {
        let page = page(before).await;
        assert!(page.entries.is_empty() && page.end);
    }
}

pub async fn reading_backwards_ends_at_the_floor(backend: &dyn Backend) {
    let log = backend.open();
    let keyed = |key: &str| Record {
        key: Some(key.into()),
        ..record(&["a"], key)
    };
    log.put(vec![
        record(&["a"], "1"),
        keyed("x"),
        keyed("y"),
        keyed("z"),
        record(&["a"], "5"),
    ])
    .await
    .unwrap();
    log.erase(&[topic("a")], id(&*log, 2)).await.unwrap();
    let page = log
        .read_before(&selector(&["a"]), Position::new(6), Limit::NONE)
        .await
        .unwrap();
    assert_eq!(
        (numbers(&page.entries), page.end, page.floor),
        (vec![3, 4, 5], true, Position::new(2))
    );
}

pub async fn surplus_topics_are_trimmed_whole_least_recently_written_first(backend: &dyn Backend) {
    let log = backend.open_with(Bounds::of_each(10_000), 20);
    log.put(vec![
        status("db", "1"),
        record(&["chat/room/busy", "chat"], "2"),
    ])
    .await
    .unwrap();
    let large = "x".repeat(5_000);
    for number in 0..100 {
        log.put(vec![record(
            &[&format!("chat/room/{number}"), "chat"],
            &large,
        )])
        .await
        .unwrap();
        if number % 10 == 0 {
            log.put(vec![record(&["chat/room/busy", "chat"], "busy")])
                .await
                .unwrap();
        }
    }
    let vitals = log.vitals();
    assert_eq!((vitals.topics, vitals.topics_trimmed), (Some(20), Some(83)));
    // A topic that was written to all the time is complete, and so are the newest topics. Nothing
    // is left of the oldest.
    assert_eq!(all(&*log, &["chat/room/busy"]).await.len(), 11);
    assert_eq!(all(&*log, &["chat/room/99"]).await, [&*large]);
    assert_eq!(all(&*log, &["chat/room/0", "chat/room/82"]).await, [""; 0]);
    assert_eq!(
        all(&*log, &["system/status"]).await,
        ["1"],
        "the server's own stays"
    );
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    assert!(!log.knows(&topic("chat/room/0")) && log.knows(&topic("chat/room/99")));
    // Readers that missed something of a trimmed topic are told: readers of the topic itself, and
    // of an aggregate that showed it.
    let gone = Position::new(95);
    for name in ["chat/room/0", "chat/room/82", "chat"] {
        let floor = log.floor(&selector(&[name]));
        assert!(
            (gone.get() - 2..=gone.get()).contains(&floor.get()),
            "{name}: {floor}"
        );
    }
    let chat = selector(&["chat"]);
    let page = log
        .read(&chat, log.floor(&chat), log.head(), Limit::NONE)
        .await
        .unwrap();
    assert_eq!(
        page.entries.len() as u64,
        log.head().get() - log.floor(&chat).get(),
        "nothing is missing above the floor"
    );
    // A topic that is published to again starts empty.
    log.put(vec![record(&["chat/room/0", "chat"], "again")])
        .await
        .unwrap();
    assert_eq!(all(&*log, &["chat/room/0"]).await, ["again"]);
    let Some(kept) = backend.durable() else {
        return;
    };
    drop(log);
    kept.verify();
    // If fewer topics may be kept from now on, topics that were there at the start are trimmed too,
    // without another append.
    let log = backend.open_with(Bounds::of_each(10_000), 10);
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    while log.vitals().topics > Some(10) {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", log.vitals());
        log.expire(0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(all(&*log, &["chat/room/0"]).await, ["again"]);
    assert_eq!(all(&*log, &["system/status"]).await, ["1"]);
    assert_eq!(all(&*log, &["chat/room/90"]).await, [""; 0]);
    let page = log
        .read(&chat, log.floor(&chat), log.head(), Limit::NONE)
        .await
        .unwrap();
    assert_eq!(
        page.entries.len() as u64,
        log.head().get() - log.floor(&chat).get()
    );
    drop(log);
    kept.verify();
}

pub async fn topics_are_listed_by_name_with_what_was_published_to_them(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![
        record(&["chat/room/b", "chat"], "1"),
        record(&["chat/room/a", "chat"], "2"),
    ])
    .await
    .unwrap();
    log.put(vec![
        record(&["chat/room/b", "chat"], "3"),
        status("db", "4"),
        status("db", "5"),
    ])
    .await
    .unwrap();
    let list = |prefix: &str, after: Option<&str>, most| {
        let listed = log.topics(prefix, after.map(topic).as_ref(), most);
        listed
            .into_iter()
            .map(|holding| (holding.topic.to_string(), holding.events))
            .collect::<Vec<_>>()
    };
    let all = [
        ("chat", 0),
        ("chat/room/a", 1),
        ("chat/room/b", 2),
        ("system/status", 1),
    ];
    let all: Vec<_> = all
        .into_iter()
        .map(|(name, events)| (name.to_owned(), events))
        .collect();
    assert_eq!(list("", None, 10), all);
    assert_eq!(list("", None, 2), all[..2]);
    assert_eq!(list("", Some("chat/room/a"), 10), all[2..]);
    assert_eq!(list("chat/room/", None, 10), all[1..3]);
    assert_eq!(list("chat/room/", Some("chat"), 1), all[1..2]);
    assert_eq!(list("chat/room/", Some("chat/room/b"), 1), []);
    assert!(
        log.topics("", None, 10)
            .iter()
            .all(|holding| (holding.bytes > 0) == (holding.events > 0))
    );
    log.erase(&[topic("chat")], id(&*log, log.head().get()))
        .await
        .unwrap();
    assert_eq!(
        list("chat", None, 10)
            .iter()
            .map(|(_, events)| events)
            .sum::<u64>(),
        0
    );
}

pub async fn an_entry_reads_back_as_it_was_appended(backend: &dyn Backend) {
    let log = backend.open();
    let record = Record {
        topics: [topic("chat/room/a%2Fb"), topic("chat")].into(),
        event: "chat-message".into(),
        key: Some("ü".into()),
        data: Bytes::from_static("{\"m\":\"\u{1f600}\"}".as_bytes()),
        at_ms: -5,
        ends_key: false,
    };
    log.put(vec![record.clone()]).await.unwrap();
    for topic in ["chat", "chat/room/a%2Fb"] {
        let page = log
            .read(
                &selector(&[topic]),
                Position::START,
                log.head(),
                Limit::NONE,
            )
            .await
            .unwrap();
        assert_eq!(page.entries.len(), 1);
        let entry = &page.entries[0];
        assert_eq!(format!("{:?}", entry.record), format!("{record:?}"));
        assert_eq!(
            entry.id,
            EventId {
                epoch: log.epochs().current(),
                position: Position::new(1)
            }
        );
    }
}

pub async fn a_record_replaces_the_earlier_one_with_its_key_and_no_floor_rises(
    backend: &dyn Backend,
) {
    let log = backend.open();
    log.put(vec![
        status("db", "1"),
        status("web", "2"),
        status("db", "3"),
    ])
    .await
    .unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3"]);
    log.put(vec![
        status("web", "4"),
        record(&["system/status"], "5"),
        status("web", "6"),
    ])
    .await
    .unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["3", "5", "6"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    assert_eq!(
        log.oldest(&selector(&["system/status"])).await.unwrap(),
        Some(Position::new(3))
    );
}

pub async fn a_unit_that_exceeds_the_bound_on_keys_is_not_appended(backend: &dyn Backend) {
    let log = backend.open_keeping(2);
    log.put(vec![status("a", "1"), status("b", "2")])
        .await
        .unwrap();
    let full = log
        .append(vec![record(&["x"], "3"), status("c", "4")].into())
        .await
        .unwrap();
    assert!(matches!(full, Appended::Full(_)), "{full:?}");
    assert_eq!(
        log.put(vec![status("a", "3")]).await.unwrap(),
        Position::new(3),
        "it replaces another one"
    );
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    let other = Record {
        key: Some("k".into()),
        ..record(&["a"], "4")
    };
    log.put(vec![other]).await.unwrap();
    assert_eq!(log.head(), Position::new(4), "another pool has space");
}

pub async fn a_condition_is_checked_in_the_order_of_the_log(backend: &dyn Backend) {
    let log = backend.open();
    let append = async |record: Record, condition: Condition| {
        log.append(Append::from(vec![record]).when(Some(condition)))
            .await
            .unwrap()
    };
    let absent = || Condition::Absent(topic("system/status"), "a".into());
    let at = |n| Condition::Current(topic("system/status"), "a".into(), Position::new(n));
    assert_eq!(
        append(status("a", "1"), at(1)).await,
        Appended::Refused(Position::START)
    );
    assert_eq!(
        append(status("a", "1"), absent()).await,
        Appended::New(Position::new(1))
    );
    assert_eq!(
        append(status("a", "2"), absent()).await,
        Appended::Refused(Position::new(1))
    );
    assert_eq!(
        append(status("a", "2"), at(1)).await,
        Appended::New(Position::new(2))
    );
    assert_eq!(
        append(status("a", "3"), at(1)).await,
        Appended::Refused(Position::new(2))
    );
    let end = || Record {
        ends_key: true,
        ..status("a", "end")
    };
    assert_eq!(append(end(), at(2)).await, Appended::New(Position::new(3)));
    assert_eq!(
        append(end(), at(2)).await,
        Appended::Refused(Position::new(3))
    );
    assert_eq!(
        append(status("a", "4"), absent()).await,
        Appended::New(Position::new(4))
    );
    assert_eq!(all(&*log, &["system/status"]).await, ["end", "4"]);
}

pub async fn a_repetition_gets_the_outcome_of_the_first_append(backend: &dyn Backend) {
    let log = backend.open();
    let receipt = |key: &'static str| Receipt {
        key: key.into(),
        value: key.into(),
        lives: Duration::from_mins(5),
    };
    let join = || {
        let condition = Condition::Absent(topic("system/status"), "a".into());
        Append::from(vec![status("a", "in")]).when(Some(condition))
    };
    assert_eq!(
        log.append(join().receipt(Some(receipt("1"))))
            .await
            .unwrap(),
        Appended::New(Position::new(1))
    );
    assert_eq!(
        log.append(join().receipt(Some(receipt("2"))))
            .await
            .unwrap(),
        Appended::Refused(Position::new(1))
    );
    log.put(vec![Record {
        ends_key: true,
        ..status("a", "out")
    }])
    .await
    .unwrap();
    let kept = |key: &'static str, first, events, refused| {
        Appended::Known(StoredReceipt {
            value: key.into(),
            first: Position::new(first),
            events,
            refused,
        })
    };
    assert_eq!(
        log.append(join().receipt(Some(receipt("1"))))
            .await
            .unwrap(),
        kept("1", 1, 1, false)
    );
    assert_eq!(
        log.append(join().receipt(Some(receipt("2"))))
            .await
            .unwrap(),
        kept("2", 2, 0, true)
    );
    assert_eq!(log.head(), Position::new(2));
    let [once, twice] = [1, 2].map(|_| log.append(join().receipt(Some(receipt("3")))));
    let (once, twice) = tokio::join!(once, twice);
    assert_eq!(
        (once.unwrap(), twice.unwrap()),
        (Appended::New(Position::new(3)), kept("3", 3, 1, false))
    );
}

pub async fn ending_a_key_frees_its_place_and_keeps_the_record_that_ended_it(
    backend: &dyn Backend,
) {
    let log = backend.open_keeping(1);
    log.put(vec![status("a", "1")]).await.unwrap();
    let end = Record {
        ends_key: true,
        ..status("a", "2")
    };
    log.put(vec![end, status("b", "3")]).await.unwrap();
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    let page = log
        .read(
            &selector(&["system/status"]),
            Position::START,
            log.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    let ended = &page.entries[0].record;
    assert_eq!((ended.key.as_deref(), ended.ends_key), (Some("a"), true));
    log.put(vec![Record {
        ends_key: true,
        ..status("never", "4")
    }])
    .await
    .unwrap();
    let full = log.append(vec![status("c", "5")].into()).await.unwrap();
    assert!(matches!(full, Appended::Full(_)), "{full:?}");
    assert_eq!(all(&*log, &["system/status"]).await, ["2", "3", "4"]);
}

pub async fn the_tail_shows_every_entry_once_and_in_order(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![record(&["a"], "before")]).await.unwrap();
    let mut tail = log.tail();
    log.put(vec![status("db", "1"), status("db", "2")])
        .await
        .unwrap();
    log.put(numbered(&["a"], 0..3)).await.unwrap();
    assert_eq!(
        numbers(tail.next().await.unwrap().entries()),
        [2, 3, 4, 5, 6]
    );
    let waiting = tokio::spawn(async move { tail.next().await.unwrap().entries().len() });
    log.put(vec![record(&["a"], "later")]).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

pub async fn nothing_is_missing_between_the_head_and_a_tail_opened_before_it(
    backend: &dyn Backend,
) {
    let log: std::sync::Arc<dyn Journal> = backend.open().into();
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..200 {
                log.put(numbered(&["a"], 0..2)).await.unwrap();
            }
        }
    });
    let mut done = false;
    while !done {
        done = writer.is_finished();
        let mut tail = log.tail();
        let head = log.head();
        if log.head() < Position::new(400) {
            let next = tail.next().await.unwrap();
            if let Some(first) = next.entries().iter().find(|entry| entry.id.position > head) {
                assert_eq!(first.id.position, head.next());
            }
        }
        tokio::task::yield_now().await;
    }
}

pub async fn concurrent_appends_get_consecutive_positions_and_units_stay_whole(
    backend: &dyn Backend,
) {
    let log: std::sync::Arc<dyn Journal> = backend.open().into();
    let mut appends = tokio::task::JoinSet::new();
    for writer in 0..50_u64 {
        let log = log.clone();
        appends.spawn(async move {
            let name = format!("w/{writer}");
            let first = log.put(numbered(&[&name, "all"], 0..7)).await.unwrap();
            (name, first)
        });
    }
    let mut firsts = Vec::new();
    while let Some(append) = appends.join_next().await {
        let (name, first) = append.unwrap();
        let page = log
            .read(
                &selector(&[&name]),
                Position::START,
                log.head(),
                Limit::NONE,
            )
            .await
            .unwrap();
        assert_eq!(
            numbers(&page.entries),
            (first.get()..first.get() + 7).collect::<Vec<_>>()
        );
        firsts.push(first.get());
    }
    firsts.sort_unstable();
    assert_eq!(
        firsts,
        (0..50).map(|batch| 7 * batch + 1).collect::<Vec<_>>()
    );
    let page = log
        .read(
            &selector(&["all"]),
            Position::START,
            log.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert_eq!(numbers(&page.entries), (1..=350).collect::<Vec<_>>());
}

pub async fn a_receipt_is_stored_with_its_unit_until_it_expires(backend: &dyn Backend) {
    let log = backend.open();
    let receipt = |value: &'static str| Receipt {
        key: Bytes::from_static(b"ann POST /p k"),
        value: Bytes::from_static(value.as_bytes()),
        lives: Duration::from_millis(100),
    };
    log.put(vec![record(&["a"], "1")]).await.unwrap();
    log.append(
        Append::from(numbered(&["a"], 2..4))
            .receipt(Some(receipt("first")))
            .at(1_000),
    )
    .await
    .unwrap();
    let kept = |value: &'static str, first, events| StoredReceipt {
        value: Bytes::from_static(value.as_bytes()),
        first: Position::new(first),
        events,
        refused: false,
    };
    log.expire(1_099);
    assert_eq!(
        log.receipt(b"ann POST /p k").await.unwrap(),
        Some(kept("first", 2, 2))
    );
    assert_eq!(log.receipt(b"ann POST /p").await.unwrap(), None);
    log.expire(1_100);
    assert_eq!(log.receipt(b"ann POST /p k").await.unwrap(), None);
    log.put_with(vec![], Some(receipt("second"))).await.unwrap();
    assert_eq!(
        log.receipt(b"ann POST /p k").await.unwrap(),
        Some(kept("second", 4, 0))
    );
    assert_eq!(log.head(), Position::new(3));
}

pub async fn a_cursor_of_another_log_or_ahead_of_it_is_recognized(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![record(&["a"], "1")]).await.unwrap();
    let epochs = log.epochs();
    let cursor = |position| EventId {
        epoch: epochs.current(),
        position: Position::new(position),
    };
    assert_eq!(epochs.locate(cursor(1), log.head()), Ok(Position::new(1)));
    assert_eq!(
        epochs.locate(cursor(2), log.head()),
        Err(CursorError::Ahead)
    );
    let other = backend.another();
    other.put(vec![record(&["a"], "1")]).await.unwrap();
    assert_eq!(
        other.epochs().locate(cursor(1), other.head()),
        Err(CursorError::UnknownEpoch)
    );
}

pub async fn a_record_without_a_topic_takes_a_position(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![record(&[], "1"), record(&["a"], "2")])
        .await
        .unwrap();
    assert_eq!(log.head(), Position::new(2));
    assert_eq!(all(&*log, &["a"]).await, ["2"]);
}

pub async fn a_topic_named_twice_shows_the_entry_once(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![record(&["a", "b", "a"], "1")]).await.unwrap();
    log.put(vec![Record {
        key: Some("k".into()),
        ..record(&["a", "a"], "2")
    }])
    .await
    .unwrap();
    assert_eq!(all(&*log, &["a"]).await, ["1", "2"]);
}

pub async fn a_topic_is_known_from_its_first_entry_on(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![
        record(&["chat/room/r", "chat"], "1"),
        status("db", "2"),
    ])
    .await
    .unwrap();
    for (name, known) in [
        ("chat/room/r", true),
        ("chat", true),
        ("system/status", true),
        ("chat/room", false),
    ] {
        assert_eq!(log.knows(&topic(name)), known, "{name}");
    }
}

pub async fn a_closed_log_can_be_read(backend: &dyn Backend) {
    let log = backend.open();
    log.put(vec![record(&["a"], "1")]).await.unwrap();
    assert!(log.health().is_ok());
    log.close().await;
    assert_eq!(all(&*log, &["a"]).await, ["1"]);
    if backend.durable().is_some() {
        assert!(log.put(vec![record(&["a"], "2")]).await.is_err());
        assert!(log.health().is_err());
    }
}
