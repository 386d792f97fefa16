//! Tests of the log in memory beyond the promises of every journal: its bounds, and what it
//! reports.

use std::time::Duration;

use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{CursorError, EventId, Journal, Limit, PoolVitals, Position, Record, Vitals};

use crate::{Put as _, all, record, selector, status};

fn keeping(max_events: usize) -> Memory {
    Memory::new(Retention {
        max_events,
        ..Retention::default()
    })
}

#[tokio::test]
async fn positions_are_dense_over_all_topics() {
    let memory = keeping(100);
    assert_eq!(
        memory
            .put(vec![record(&["a"], "1"), record(&["b"], "2")])
            .await
            .unwrap(),
        Position::new(1)
    );
    assert_eq!(
        memory.put(vec![record(&["a"], "3")]).await.unwrap(),
        Position::new(3)
    );
    assert_eq!(memory.head(), Position::new(3));
    assert_eq!(all(&memory, &["a"]).await, ["1", "3"]);
    assert_eq!(all(&memory, &["b", "a"]).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_entry_in_two_of_the_selected_topics_is_read_once() {
    let memory = keeping(100);
    memory
        .put(vec![
            record(&["chat/room/r", "chat"], "1"),
            record(&["chat/room/s", "chat"], "2"),
        ])
        .await
        .unwrap();
    assert_eq!(all(&memory, &["chat", "chat/room/r"]).await, ["1", "2"]);
}

#[tokio::test]
async fn pages_of_any_size_join_without_a_gap_or_repetition() {
    let memory = keeping(1000);
    for n in 0..100 {
        memory
            .put(vec![record(&[["a", "b", "c"][n % 3]], &n.to_string())])
            .await
            .unwrap();
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
        while after < memory.head() {
            let page = memory
                .read(&selector(&["a", "b"]), after, memory.head(), limit)
                .await
                .unwrap();
            seen.extend(page.entries.iter().map(|entry| entry.id.position.get()));
            assert!(page.next > after, "a page makes progress");
            after = page.next;
        }
        let expected: Vec<u64> = (0..100).filter(|n| n % 3 != 2).map(|n| n + 1).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_page_ends_at_until() {
    let memory = keeping(100);
    memory
        .put((0..10).map(|n| record(&["a"], &n.to_string())).collect())
        .await
        .unwrap();
    let page = memory
        .read(
            &selector(&["a"]),
            Position::new(3),
            Position::new(5),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert_eq!(
        page.entries
            .iter()
            .map(|entry| entry.id.position.get())
            .collect::<Vec<_>>(),
        [4, 5]
    );
    assert_eq!(page.next, Position::new(5));
}

#[tokio::test]
async fn trimming_a_busy_topic_does_not_raise_the_floor_of_a_quiet_one() {
    let memory = keeping(10);
    memory.put(vec![record(&["quiet"], "first")]).await.unwrap();
    memory
        .put((0..9).map(|n| record(&["busy"], &n.to_string())).collect())
        .await
        .unwrap();
    assert_eq!(memory.floor(&selector(&["busy", "quiet"])), Position::START);
    memory
        .put((0..10).map(|n| record(&["busy"], &n.to_string())).collect())
        .await
        .unwrap();
    assert_eq!(memory.floor(&selector(&["busy"])), Position::new(10));
    assert_eq!(
        memory.floor(&selector(&["quiet"])),
        Position::new(1),
        "its own event was trimmed"
    );
    assert_eq!(memory.floor(&selector(&["never"])), Position::START);
    assert_eq!(
        memory.oldest(&selector(&["busy", "quiet"])).await.unwrap(),
        Some(Position::new(11))
    );
}

#[tokio::test]
async fn the_log_is_bounded_by_bytes_and_age_too() {
    let weight = record(&["a"], "1").weight();
    let memory = Memory::new(Retention {
        max_bytes: 3 * weight,
        ..Retention::default()
    });
    memory
        .put((0..5).map(|n| record(&["a"], &n.to_string())).collect())
        .await
        .unwrap();
    assert_eq!(all(&memory, &["a"]).await, ["2", "3", "4"]);

    let memory = Memory::new(Retention {
        max_age: Duration::from_secs(10),
        ..Retention::default()
    });
    memory.put(vec![record(&["a"], "old")]).await.unwrap();
    memory
        .put(vec![Record {
            at_ms: 9_000,
            ..record(&["a"], "new")
        }])
        .await
        .unwrap();
    assert_eq!(all(&memory, &["a"]).await, ["old", "new"]);
    memory.expire(10_001);
    assert_eq!(all(&memory, &["a"]).await, ["new"]);
    let expected = Vitals {
        kept: Some(1),
        trimmed: Some(1),
        topics: Some(1),
        topics_trimmed: Some(0),
        oldest_ms: Some(9_000),
        keyed: memory.vitals().keyed,
        disk: None,
        broker: None,
    };
    assert_eq!(memory.vitals(), expected);
}

#[tokio::test]
async fn the_vitals_tell_how_full_each_pool_of_keys_is() {
    let memory = keeping(2);
    memory
        .put(vec![
            status("db", "online"),
            status("web", "online"),
            status("db", "degraded"),
        ])
        .await
        .unwrap();
    let held: Vec<_> = memory
        .vitals()
        .keyed
        .into_iter()
        .filter(|pool| pool.held > 0)
        .collect();
    assert_eq!(
        held,
        [PoolVitals {
            name: "system/status".to_owned(),
            held: 2,
            limit: 10_000
        }]
    );
    assert_eq!(
        memory.vitals().keyed.len(),
        8,
        "empty pools are listed too, so that their limits are known"
    );
}

#[tokio::test]
async fn the_newest_record_of_each_key_stays_and_replacing_one_raises_no_floor() {
    let memory = keeping(2);
    memory
        .put(vec![
            status("db", "degraded"),
            status("web", "online"),
            status("db", "online"),
        ])
        .await
        .unwrap();
    memory
        .put((0..5).map(|n| record(&["a"], &n.to_string())).collect())
        .await
        .unwrap();
    memory.expire(i64::MAX);
    assert_eq!(all(&memory, &["system/status"]).await, ["online", "online"]);
    assert_eq!(memory.floor(&selector(&["system/status"])), Position::START);
}

#[tokio::test]
async fn the_tail_returns_every_entry_once_even_if_it_was_trimmed_meanwhile() {
    let memory = keeping(1);
    memory.put(vec![record(&["a"], "before")]).await.unwrap();
    let mut tail = memory.tail();
    memory
        .put(vec![status("db", "degraded"), status("db", "online")])
        .await
        .unwrap();
    memory
        .put((0..3).map(|n| record(&["a"], &n.to_string())).collect())
        .await
        .unwrap();
    let seen: Vec<u64> = tail
        .next()
        .await
        .unwrap()
        .entries()
        .iter()
        .map(|entry| entry.id.position.get())
        .collect();
    assert_eq!(seen, [2, 3, 4, 5, 6]);
    let waiting = tokio::spawn(async move { tail.next().await.unwrap().entries().len() });
    memory.put(vec![record(&["a"], "later")]).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test]
async fn a_new_log_does_not_accept_a_cursor_of_another_one() {
    let (old, new) = (keeping(10), keeping(10));
    old.put(vec![record(&["a"], "1")]).await.unwrap();
    new.put(vec![record(&["a"], "1")]).await.unwrap();
    let cursor = EventId {
        epoch: old.epochs().current(),
        position: Position::new(1),
    };
    assert_eq!(
        new.epochs().locate(cursor, new.head()),
        Err(CursorError::UnknownEpoch)
    );
}
