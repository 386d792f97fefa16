//! The promises of [`Journal::append`] about receipts, conditions, and the bounds on keys.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{
    Append, Appended, Bounds, Condition, Journal, Limit, Position, Receipt, Record, StoredReceipt,
};

use crate::{Backend, all, numbered, numbers, record, selector, status, topic};

const STATUS: &str = "system/status";

fn keyed(name: &str, key: &str, data: &str) -> Record {
    Record {
        key: Some(key.into()),
        ..record(&[name], data)
    }
}

fn end(name: &str, key: &str, data: &str) -> Record {
    Record {
        ends_key: true,
        ..keyed(name, key, data)
    }
}

fn receipt(key: &'static str) -> Receipt {
    Receipt {
        key: key.into(),
        value: key.into(),
        lives: Duration::from_mins(5),
    }
}

fn absent(name: &str, key: &str) -> Condition {
    Condition::Absent(topic(name), key.into())
}

fn current(name: &str, key: &str, position: u64) -> Condition {
    Condition::Current(topic(name), key.into(), Position::new(position))
}

fn new(position: u64) -> Appended {
    Appended::New(Position::new(position))
}

fn refused(head: u64) -> Appended {
    Appended::Refused(Position::new(head))
}

fn known(key: &'static str, first: u64, events: u32) -> Appended {
    Appended::Known(StoredReceipt {
        value: key.into(),
        first: Position::new(first),
        events,
        refused: false,
    })
}

async fn append(log: &dyn Journal, records: Vec<Record>, condition: Option<Condition>) -> Appended {
    log.append(Append::from(records).when(condition))
        .await
        .unwrap()
}

async fn repeated(log: &dyn Journal, records: Vec<Record>, key: &'static str) -> Appended {
    log.append(Append::from(records).receipt(Some(receipt(key))))
        .await
        .unwrap()
}

/// Closes the log and opens it again, if it is durable.
async fn again(backend: &dyn Backend, log: Box<dyn Journal>, max_keyed: usize) -> Box<dyn Journal> {
    if backend.durable().is_none() {
        return log;
    }
    log.close().await;
    drop(log);
    backend.open_keeping(max_keyed)
}

pub async fn a_condition_is_checked_against_the_state_before_the_unit(backend: &dyn Backend) {
    let log = backend.open();
    let twice = vec![keyed("a", "k", "1"), keyed("a", "k", "2")];
    assert_eq!(
        append(&*log, twice.clone(), Some(absent("a", "k"))).await,
        new(1)
    );
    assert_eq!(
        append(&*log, twice.clone(), Some(absent("a", "k"))).await,
        refused(2)
    );
    assert_eq!(
        append(&*log, twice.clone(), Some(current("a", "k", 1))).await,
        refused(2),
        "position 1 was the first of the two"
    );
    assert_eq!(
        append(&*log, twice, Some(current("a", "k", 2))).await,
        new(3)
    );
    // A unit that ends the key and sets it again, on the condition that the key is live.
    let restarted = vec![end("a", "k", "5"), keyed("a", "k", "6")];
    assert_eq!(
        append(&*log, restarted.clone(), Some(absent("a", "k"))).await,
        refused(4)
    );
    assert_eq!(
        append(&*log, restarted, Some(current("a", "k", 4))).await,
        new(5)
    );
    assert_eq!(all(&*log, &["a"]).await, ["5", "6"]);
    assert_eq!(
        log.head(),
        Position::new(6),
        "a refused unit takes no position"
    );
}

pub async fn a_condition_may_concern_another_topic_than_the_records(backend: &dyn Backend) {
    let log = backend.open();
    append(&*log, vec![keyed("_members", "ann", "in")], None).await;
    let says = || vec![record(&["chat"], "hello")];
    assert_eq!(
        append(&*log, says(), Some(current("_members", "ann", 1))).await,
        new(2)
    );
    assert_eq!(
        append(&*log, says(), Some(current("_members", "bob", 1))).await,
        refused(2)
    );
    assert_eq!(
        append(&*log, says(), Some(absent("_members", "bob"))).await,
        new(3)
    );
    assert_eq!(
        append(&*log, says(), Some(absent("never", "ann"))).await,
        new(4),
        "an unknown topic"
    );
    assert_eq!(
        append(&*log, says(), Some(current("never", "ann", 1))).await,
        refused(4)
    );
    assert!(!log.knows(&topic("never")), "a condition creates no topic");
}

pub async fn a_key_of_a_topic_is_not_a_key_of_its_aggregate(backend: &dyn Backend) {
    let log = backend.open();
    let shown = Record {
        key: Some("k".into()),
        ..record(&["chat/room/r", "chat"], "1")
    };
    append(&*log, vec![shown.clone()], None).await;
    assert_eq!(
        append(
            &*log,
            vec![keyed("chat", "k", "2")],
            Some(absent("chat", "k"))
        )
        .await,
        new(2)
    );
    assert_eq!(
        all(&*log, &["chat"]).await,
        ["1", "2"],
        "each is live in the topic it was published to"
    );
    append(&*log, vec![end("chat", "k", "3")], None).await;
    assert_eq!(
        append(&*log, vec![shown], Some(current("chat/room/r", "k", 1))).await,
        new(4)
    );
    assert_eq!(all(&*log, &["chat"]).await, ["3", "1"]);
}

pub async fn conditions_are_checked_after_a_restart_as_before(backend: &dyn Backend) {
    let log = backend.open();
    append(
        &*log,
        vec![
            status("a", "1"),
            status("b", "2"),
            status("a", "3"),
            end(STATUS, "b", "4"),
        ],
        None,
    )
    .await;
    let log = again(backend, again(backend, log, 10_000).await, 10_000).await;
    assert_eq!(
        append(&*log, vec![status("b", "x")], Some(current(STATUS, "b", 2))).await,
        refused(4)
    );
    assert_eq!(
        append(&*log, vec![status("a", "x")], Some(absent(STATUS, "a"))).await,
        refused(4)
    );
    assert_eq!(
        append(&*log, vec![status("a", "x")], Some(current(STATUS, "a", 1))).await,
        refused(4)
    );
    assert_eq!(
        append(&*log, vec![status("a", "5")], Some(current(STATUS, "a", 3))).await,
        new(5)
    );
    assert_eq!(
        append(&*log, vec![status("b", "6")], Some(absent(STATUS, "b"))).await,
        new(6)
    );
    assert_eq!(all(&*log, &[STATUS]).await, ["4", "5", "6"]);
}

pub async fn of_concurrent_units_that_need_a_key_absent_one_is_appended(backend: &dyn Backend) {
    let log: Arc<dyn Journal> = backend.open().into();
    let mut joins = tokio::task::JoinSet::new();
    for number in 0..40 {
        let log = log.clone();
        joins.spawn(async move {
            let unit = vec![
                record(&["chat"], "joined"),
                keyed("_members", "ann", &number.to_string()),
            ];
            append(&*log, unit, Some(absent("_members", "ann"))).await
        });
    }
    let outcomes = joins.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == new(1))
            .count(),
        1
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == refused(2))
            .count(),
        39
    );
    assert_eq!(
        all(&*log, &["chat"]).await,
        ["joined"],
        "a unit is appended as a whole or not at all"
    );
    let mut leaves = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let log = log.clone();
        let unit = vec![record(&["chat"], "left"), end("_members", "ann", "")];
        leaves.spawn(async move { append(&*log, unit, Some(current("_members", "ann", 2))).await });
    }
    let outcomes = leaves.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == new(3))
            .count(),
        1
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == refused(4))
            .count(),
        39
    );
    assert_eq!(log.head(), Position::new(4));
}

pub async fn of_concurrent_units_with_one_receipt_one_is_appended(backend: &dyn Backend) {
    let log: Arc<dyn Journal> = backend.open().into();
    let mut publishes = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let log = log.clone();
        publishes.spawn(async move { repeated(&*log, numbered(&["a"], 0..3), "key").await });
    }
    let outcomes = publishes.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == new(1))
            .count(),
        1
    );
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == known("key", 1, 3))
            .count(),
        39
    );
    assert_eq!(
        (all(&*log, &["a"]).await.len(), log.head()),
        (3, Position::new(3))
    );
}

pub async fn a_unit_with_only_a_receipt_is_recognized(backend: &dyn Backend) {
    let log = backend.open();
    append(&*log, vec![record(&["a"], "1")], None).await;
    assert_eq!(repeated(&*log, vec![], "key").await, new(2));
    assert_eq!(repeated(&*log, vec![], "key").await, known("key", 2, 0));
    assert_eq!(
        repeated(&*log, vec![record(&["a"], "2")], "key").await,
        known("key", 2, 0),
        "the key decides"
    );
    assert_eq!(append(&*log, vec![], None).await, new(2));
    assert_eq!(log.head(), Position::new(1));
    let log = again(backend, log, 10_000).await;
    assert_eq!(repeated(&*log, vec![], "key").await, known("key", 2, 0));
    assert_eq!(
        repeated(&*log, vec![record(&["a"], "2")], "other").await,
        new(2)
    );
}

pub async fn a_receipt_is_found_until_it_expires(backend: &dyn Backend) {
    let log = backend.open();
    let at = async |log: &dyn Journal, now_ms| {
        let unit = Append::from(vec![record(&["a"], "x")]).receipt(Some(Receipt {
            lives: Duration::from_secs(10),
            ..receipt("key")
        }));
        log.append(unit.at(now_ms)).await.unwrap()
    };
    assert_eq!(at(&*log, 1_000).await, new(1));
    log.expire(10_999);
    assert_eq!(at(&*log, 10_999).await, known("key", 1, 1));
    assert!(log.receipt(b"key").await.unwrap().is_some());
    // An append from a server whose clock is behind does not change the log's clock.
    assert_eq!(at(&*log, 2_000).await, known("key", 1, 1));
    assert_eq!(at(&*log, 11_000).await, new(2), "the receipt has expired");
    assert_eq!(at(&*log, 11_000).await, known("key", 2, 1));
    log.expire(20_999);
    let log = again(backend, log, 10_000).await;
    assert_eq!(
        at(&*log, 20_999).await,
        known("key", 2, 1),
        "the second receipt has a lifetime of its own"
    );
    log.expire(21_000);
    assert_eq!(log.receipt(b"key").await.unwrap(), None);
    assert_eq!(at(&*log, 21_000).await, new(3));
}

pub async fn a_receipt_is_checked_before_the_condition_and_the_bounds(backend: &dyn Backend) {
    let log = backend.open_keeping(1);
    let join = || {
        Append::from(vec![status("a", "in")])
            .receipt(Some(receipt("key")))
            .when(Some(absent(STATUS, "a")))
    };
    assert_eq!(log.append(join()).await.unwrap(), new(1));
    assert_eq!(
        log.append(join()).await.unwrap(),
        known("key", 1, 1),
        "the key is live because of this unit"
    );
    let log = again(backend, log, 1).await;
    assert_eq!(log.append(join()).await.unwrap(), known("key", 1, 1));
    let other = Append::from(vec![status("b", "in")]).receipt(Some(receipt("key")));
    assert_eq!(
        log.append(other).await.unwrap(),
        known("key", 1, 1),
        "the bounds are not checked either"
    );
}

pub async fn a_refused_unit_with_a_receipt_stays_refused_even_if_its_condition_holds_later(
    backend: &dyn Backend,
) {
    let log = backend.open();
    let join = |key| {
        Append::from(vec![status("a", "in")])
            .receipt(Some(receipt(key)))
            .when(Some(absent(STATUS, "a")))
    };
    assert_eq!(log.append(join("first")).await.unwrap(), new(1));
    assert_eq!(log.append(join("late")).await.unwrap(), refused(1));
    let late = StoredReceipt {
        value: "late".into(),
        first: Position::new(2),
        events: 0,
        refused: true,
    };
    assert_eq!(log.receipt(b"late").await.unwrap(), Some(late.clone()));
    append(
        &*log,
        vec![end(STATUS, "a", "out")],
        Some(current(STATUS, "a", 1)),
    )
    .await;
    // A client was told that it is a member already, and the answer was lost. It does not join when
    // it repeats the call.
    assert_eq!(
        log.append(join("late")).await.unwrap(),
        Appended::Known(late.clone())
    );
    let log = again(backend, log, 10_000).await;
    assert_eq!(
        log.append(join("late")).await.unwrap(),
        Appended::Known(late)
    );
    assert_eq!(
        log.append(join("first")).await.unwrap(),
        known("first", 1, 1)
    );
    assert_eq!(all(&*log, &[STATUS]).await, ["out"]);
    assert_eq!(log.append(join("third")).await.unwrap(), new(3));
}

pub async fn a_refused_unit_without_a_receipt_is_checked_again(backend: &dyn Backend) {
    let log = backend.open();
    append(&*log, vec![status("a", "1")], None).await;
    let mut tail = log.tail();
    assert_eq!(
        append(&*log, vec![status("a", "2")], Some(absent(STATUS, "a"))).await,
        refused(1)
    );
    append(&*log, vec![end(STATUS, "a", "3")], None).await;
    assert_eq!(
        append(&*log, vec![status("a", "4")], Some(absent(STATUS, "a"))).await,
        new(3)
    );
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(numbers(tail.next().await.unwrap().entries()));
    }
    assert_eq!(seen, [2, 3], "a refused unit is not shown to readers");
}

pub async fn a_unit_that_exceeds_a_bound_changes_nothing_and_may_be_retried(backend: &dyn Backend) {
    let log = backend.open_keeping(2);
    append(&*log, vec![status("a", "1"), status("b", "2")], None).await;
    let (before, mut tail) = (log.vitals(), log.tail());
    let unit = || {
        vec![
            record(&["new/topic"], "x"),
            status("a", "3"),
            status("c", "4"),
        ]
    };
    for _ in 0..2 {
        assert!(matches!(
            repeated(&*log, unit(), "key").await,
            Appended::Full(_)
        ));
    }
    assert_eq!(log.receipt(b"key").await.unwrap(), None);
    assert_eq!(
        (all(&*log, &[STATUS]).await, log.head()),
        (vec!["1".to_owned(), "2".to_owned()], Position::new(2))
    );
    assert!(!log.knows(&topic("new/topic")));
    assert_eq!(
        (log.vitals().kept, log.vitals().topics),
        (before.kept, before.topics)
    );
    let log = again(backend, log, 2).await;
    assert!(matches!(
        repeated(&*log, unit(), "key").await,
        Appended::Full(_)
    ));
    append(&*log, vec![end(STATUS, "b", "3")], None).await;
    assert_eq!(
        repeated(&*log, unit(), "key").await,
        new(4),
        "the unit was not appended before"
    );
    assert_eq!(repeated(&*log, unit(), "key").await, known("key", 4, 3));
    if backend.durable().is_none() {
        assert_eq!(numbers(tail.next().await.unwrap().entries()), [3, 4, 5, 6]);
    }
}

pub async fn a_condition_is_checked_before_the_bounds(backend: &dyn Backend) {
    let log = backend.open_keeping(1);
    append(&*log, vec![status("a", "1")], None).await;
    let unit = || {
        Append::from(vec![status("b", "2")])
            .receipt(Some(receipt("key")))
            .when(Some(absent(STATUS, "a")))
    };
    assert_eq!(
        log.append(unit()).await.unwrap(),
        refused(1),
        "a refused unit needs no capacity"
    );
    assert!(matches!(
        log.append(unit()).await.unwrap(),
        Appended::Known(StoredReceipt { refused: true, .. })
    ));
}

pub async fn replacing_a_live_record_needs_no_free_place(backend: &dyn Backend) {
    let log = backend.open_keeping(2);
    append(&*log, vec![status("a", "1"), status("b", "2")], None).await;
    for round in 0..10_u64 {
        assert_eq!(
            append(&*log, vec![status("a", "x"), status("b", "y")], None).await,
            new(3 + 2 * round)
        );
    }
    let log = again(backend, log, 2).await;
    assert_eq!(
        append(&*log, vec![status("b", "4"), status("a", "3")], None).await,
        new(23)
    );
    assert_eq!(all(&*log, &[STATUS]).await, ["4", "3"]);
    assert_eq!(log.floor(&selector(&[STATUS])), Position::START);
}

pub async fn a_log_keeps_the_bounds_that_it_was_created_with(backend: &dyn Backend) {
    if backend.durable().is_none() {
        return;
    }
    let mut log = backend.open_keeping(2);
    append(&*log, vec![status("a", "1"), status("b", "2")], None).await;
    for asked in [4, 1] {
        log = again(backend, log, asked).await;
        assert!(
            matches!(
                append(&*log, vec![status("c", "x")], None).await,
                Appended::Full(_)
            ),
            "asked for {asked}"
        );
        append(&*log, vec![end(STATUS, "b", "x")], None).await;
        assert!(
            matches!(
                append(&*log, vec![status("b", "y")], None).await,
                Appended::New(_)
            ),
            "asked for {asked}"
        );
    }
}

pub async fn the_bounds_are_checked_record_by_record(backend: &dyn Backend) {
    let log = backend.open_keeping(2);
    append(&*log, vec![status("a", "1"), status("b", "2")], None).await;
    assert!(matches!(
        append(&*log, vec![status("c", "x"), end(STATUS, "a", "x")], None).await,
        Appended::Full(_)
    ));
    assert_eq!(
        append(&*log, vec![end(STATUS, "a", "3"), status("c", "4")], None).await,
        new(3)
    );
    // A key that is ended twice frees capacity for one.
    let twice = vec![
        end(STATUS, "b", "x"),
        end(STATUS, "b", "x"),
        status("d", "x"),
        status("e", "x"),
    ];
    assert!(matches!(
        append(&*log, twice, None).await,
        Appended::Full(_)
    ));
    assert_eq!(all(&*log, &[STATUS]).await, ["2", "3", "4"]);
}

pub async fn a_unit_that_repeats_a_key_leaves_its_last_record(backend: &dyn Backend) {
    let log = backend.open_keeping(1);
    let thrice = vec![status("a", "1"), status("a", "2"), status("a", "3")];
    assert_eq!(
        append(&*log, thrice, None).await,
        new(1),
        "three records with one key count once"
    );
    assert_eq!(all(&*log, &[STATUS]).await, ["3"]);
    assert_eq!(
        log.floor(&selector(&[STATUS])),
        Position::START,
        "no reader misses the others"
    );
    let log = again(backend, log, 1).await;
    assert_eq!(all(&*log, &[STATUS]).await, ["3"]);
    assert!(matches!(
        append(&*log, vec![status("b", "x")], None).await,
        Appended::Full(_)
    ));
    assert_eq!(
        append(&*log, vec![status("a", "4")], Some(current(STATUS, "a", 3))).await,
        new(4)
    );
}

pub async fn a_unit_may_begin_and_end_a_key(backend: &dyn Backend) {
    let log = backend.open_keeping(1);
    let whole = vec![
        status("a", "1"),
        end(STATUS, "a", "2"),
        status("b", "3"),
        end(STATUS, "b", "4"),
        status("c", "5"),
    ];
    assert_eq!(append(&*log, whole, None).await, new(1));
    assert_eq!(all(&*log, &[STATUS]).await, ["2", "4", "5"]);
    let log = again(backend, log, 1).await;
    assert_eq!(
        append(&*log, vec![status("c", "6")], Some(current(STATUS, "c", 5))).await,
        new(6)
    );
    for gone in ["a", "b"] {
        assert_eq!(
            append(&*log, vec![], Some(absent(STATUS, gone))).await,
            new(7)
        );
    }
}

pub async fn a_record_that_ends_a_key_counts_and_is_erased_like_any_other(backend: &dyn Backend) {
    let log = backend.open_with(Bounds::of_each(10_000), 200_000);
    append(&*log, vec![keyed("a", "k", "1"), record(&["a"], "2")], None).await;
    assert_eq!(log.vitals().kept, Some(1));
    append(&*log, vec![end("a", "k", "3"), end("a", "none", "4")], None).await;
    assert_eq!(
        log.vitals().kept,
        Some(3),
        "records that end a key count too, whether or not the key was live"
    );
    let events = |log: &dyn Journal| {
        log.topics("a", None, 1)
            .first()
            .map(|holding| holding.events)
    };
    assert_eq!(events(&*log), Some(3));
    let log = again(backend, log, 10_000).await;
    assert_eq!((log.vitals().kept, events(&*log)), (Some(3), Some(3)));
    let page = log
        .read(&selector(&["a"]), Position::START, log.head(), Limit::NONE)
        .await
        .unwrap();
    let keys = page
        .entries
        .iter()
        .map(|entry| (entry.record.key.as_deref(), entry.record.ends_key));
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [(None, false), (Some("k"), true), (Some("none"), true)]
    );
    assert_eq!(
        log.erase(&[topic("a")], crate::id(&*log, 3)).await.unwrap(),
        [(topic("a"), Position::new(3))]
    );
    assert_eq!(
        (log.vitals().kept, all(&*log, &["a"]).await),
        (Some(1), vec!["4".to_owned()])
    );
}

pub async fn an_ended_key_can_be_used_again(backend: &dyn Backend) {
    let log = backend.open();
    for round in 0..5_u64 {
        assert_eq!(
            append(&*log, vec![status("a", "in")], Some(absent(STATUS, "a"))).await,
            new(2 * round + 1)
        );
        let left = Some(current(STATUS, "a", 2 * round + 1));
        assert_eq!(
            append(&*log, vec![end(STATUS, "a", "out")], left.clone()).await,
            new(2 * round + 2)
        );
        assert_eq!(
            append(&*log, vec![end(STATUS, "a", "out")], left).await,
            refused(2 * round + 2)
        );
    }
    let log = again(backend, log, 10_000).await;
    assert_eq!(all(&*log, &[STATUS]).await, ["out"; 5]);
    assert_eq!(
        append(&*log, vec![status("a", "in")], Some(absent(STATUS, "a"))).await,
        new(11)
    );
}

pub async fn erasing_a_live_record_ends_its_key(backend: &dyn Backend) {
    let log = backend.open_keeping(1);
    append(&*log, vec![status("a", "1")], None).await;
    log.erase(&[topic(STATUS)], crate::id(&*log, 1))
        .await
        .unwrap();
    assert_eq!(
        append(&*log, vec![status("b", "2")], Some(absent(STATUS, "a"))).await,
        new(2),
        "the place of the erased record is free"
    );
    let log = again(backend, log, 1).await;
    assert!(matches!(
        append(&*log, vec![status("a", "x")], None).await,
        Appended::Full(_)
    ));
}

pub async fn each_pool_of_keys_has_its_own_bound(backend: &dyn Backend) {
    let log = backend.open_keeping(2);
    let of_each = [
        "_members",
        "_tickets",
        "_sessions",
        "_revoked",
        "_floors",
        STATUS,
        "_of/the/servers",
        "of/users",
    ];
    for key in ["1", "2"] {
        for name in of_each {
            assert!(
                matches!(
                    append(&*log, vec![keyed(name, key, key)], None).await,
                    Appended::New(_)
                ),
                "{name} {key}"
            );
        }
    }
    let log = again(backend, log, 2).await;
    for name in of_each.into_iter().chain([
        "_another/of/the/servers",
        "system/other",
        "another/of/users",
    ]) {
        let outcome = append(&*log, vec![keyed(name, "3", "3")], None).await;
        assert!(matches!(outcome, Appended::Full(_)), "{name}: {outcome:?}");
    }
    for name in of_each {
        assert_eq!(all(&*log, &[name]).await, ["1", "2"], "{name}");
    }
    append(&*log, vec![end("_tickets", "1", "")], None).await;
    assert!(matches!(
        append(&*log, vec![keyed("_sessions", "3", "")], None).await,
        Appended::Full(_)
    ));
    assert!(matches!(
        append(&*log, vec![keyed("_tickets", "3", "")], None).await,
        Appended::New(_)
    ));
}

pub async fn a_live_record_is_never_trimmed_for_a_limit(backend: &dyn Backend) {
    let log = backend.open_with(Bounds::of_each(10_000), 10);
    append(
        &*log,
        vec![
            keyed("of/users", "k", "live"),
            Record {
                key: Some("k".into()),
                ..record(&["shown", "chat"], "live")
            },
        ],
        None,
    )
    .await;
    for number in 0..100 {
        append(&*log, vec![record(&[&format!("room/{number}")], "x")], None).await;
    }
    assert_eq!(log.vitals().topics, Some(10));
    assert_eq!(all(&*log, &["of/users", "chat"]).await, ["live", "live"]);
    assert_eq!(
        log.floor(&selector(&["of/users", "shown", "chat"])),
        Position::START
    );
    let log = match backend.durable() {
        None => log,
        Some(_) => {
            drop(log);
            backend.open_with(Bounds::of_each(10_000), 10)
        }
    };
    assert_eq!(
        append(
            &*log,
            vec![end("of/users", "k", "end")],
            Some(current("of/users", "k", 1))
        )
        .await,
        new(103)
    );
    for number in 0..100 {
        append(
            &*log,
            vec![record(&[&format!("other/{number}")], "x")],
            None,
        )
        .await;
    }
    // Without a live record, the topic is trimmed like any other; on disk, once its other topics
    // are known.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    while !all(&*log, &["of/users"]).await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", log.vitals());
        log.expire(0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(all(&*log, &["shown"]).await, ["live"]);
    let Some(kept) = backend.durable() else {
        return;
    };
    drop(log);
    kept.verify();
}

/// Uses the bounds of a server.
pub async fn users_keys_take_no_space_from_the_servers_topics(backend: &dyn Backend) {
    let open = || backend.open_with(Bounds::default(), 200_000);
    let mut log = open();
    append(
        &*log,
        vec![keyed("_members", "ann", "in"), status("db", "online")],
        None,
    )
    .await;
    let mut taken = 0;
    for batch in 0..200 {
        let name = format!("of/users/{}", batch % 50);
        let unit = (0..1_000)
            .map(|nth| keyed(&name, &format!("{batch} {nth}"), ""))
            .collect();
        match append(&*log, unit, None).await {
            Appended::New(_) => taken += 1,
            Appended::Full(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, 100);
    for _ in 0..2 {
        assert_eq!(all(&*log, &["_members", STATUS]).await, ["in", "online"]);
        assert_eq!(log.floor(&selector(&["_members", STATUS])), Position::START);
        let held: u64 = log
            .topics("of/users/", None, 50)
            .iter()
            .map(|holding| holding.events)
            .sum();
        assert_eq!(held, 100_000);
        assert!(matches!(
            append(&*log, vec![keyed("of/users/0", "one more", "")], None).await,
            Appended::Full(_)
        ));
        assert!(matches!(
            append(&*log, vec![keyed("of/users/0", "0 0", "")], None).await,
            Appended::New(_)
        ));
        if backend.durable().is_some() {
            log.close().await;
            drop(log);
            log = open();
        }
    }
    assert!(matches!(
        append(
            &*log,
            vec![keyed("_members", "bob", "in"), status("web", "online")],
            None
        )
        .await,
        Appended::New(_)
    ));
}
