//! The log in memory keeps as much of a topic as the topic's rule says, and no more.

use std::time::Duration;

use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{Journal, Limit, Pattern, Position, Rule};

use crate::{Put as _, all, numbered, record, selector};

fn rule(pattern: &str) -> Rule {
    Rule {
        pattern: Pattern::parse(pattern).unwrap(),
        max_age: None,
        max_events: None,
        max_bytes: None,
    }
}

fn in_memory(rules: Vec<Rule>) -> Memory {
    Memory::new(Retention {
        rules,
        ..Retention::default()
    })
}

#[tokio::test]
async fn a_topic_is_trimmed_as_soon_as_it_holds_too_much() {
    let log = in_memory(vec![
        Rule {
            max_events: Some(3),
            ..rule("chat/room/*")
        },
        Rule {
            max_events: Some(1),
            ..rule("chat/room/lobby")
        },
        Rule {
            max_bytes: Some(2 * record(&["big/a"], "xx").weight() as u64),
            ..rule("big/*")
        },
    ]);
    log.put(numbered(&["chat/room/r", "chat"], 0..6))
        .await
        .unwrap();
    log.put(numbered(&["chat/room/lobby", "chat"], 6..9))
        .await
        .unwrap();
    log.put(numbered(&["other"], 0..4)).await.unwrap();
    log.put(numbered(&["big/a"], 10..15)).await.unwrap();
    assert_eq!(all(&log, &["chat/room/r"]).await, ["3", "4", "5"]);
    assert_eq!(all(&log, &["chat/room/lobby"]).await, ["8"]);
    assert_eq!(all(&log, &["other"]).await, ["0", "1", "2", "3"]);
    assert_eq!(all(&log, &["big/a"]).await, ["13", "14"]);
    assert_eq!(log.floor(&selector(&["chat/room/r"])), Position::new(3));
    assert_eq!(
        log.floor(&selector(&["chat"])),
        Position::new(8),
        "followers of the aggregate are told"
    );
    let vitals = log.vitals();
    assert_eq!(
        (vitals.kept, vitals.trimmed),
        (Some(3 + 1 + 4 + 2), Some(3 + 2 + 3))
    );
}

#[tokio::test]
async fn a_tail_returns_entries_that_the_topic_does_not_keep() {
    let log = in_memory(vec![Rule {
        max_events: Some(1),
        ..rule("a")
    }]);
    let mut tail = log.tail();
    log.put(numbered(&["a"], 0..5)).await.unwrap();
    assert_eq!(tail.next().await.unwrap().entries().len(), 5);
    assert_eq!(all(&log, &["a"]).await, ["4"]);
}

#[tokio::test]
async fn records_with_a_longer_age_do_not_delay_the_trimming_of_others() {
    let log = in_memory(vec![Rule {
        max_age: Some(Duration::from_hours(24 * 30)),
        ..rule("slow")
    }]);
    log.put(vec![
        record(&["slow"], "1"),
        record(&["brief"], "2"),
        record(&["slow"], "3"),
        record(&["brief"], "4"),
    ])
    .await
    .unwrap();
    log.expire(25 * 3_600_000);
    assert_eq!(all(&log, &["slow", "brief"]).await, ["1", "3"]);
    log.expire(31 * 24 * 3_600_000);
    assert_eq!(
        (all(&log, &["slow"]).await, log.vitals().kept),
        (vec![], Some(0))
    );
    // A rule without an age keeps a record of any age.
    let log = in_memory(vec![Rule {
        max_events: Some(2),
        ..rule("a")
    }]);
    log.put(numbered(&["a"], 0..3)).await.unwrap();
    log.expire(i64::MAX);
    assert_eq!(all(&log, &["a"]).await, ["1", "2"]);
}

#[tokio::test]
async fn the_limits_for_all_topics_apply_in_addition_to_rules() {
    let rules = vec![Rule {
        max_events: Some(3),
        ..rule("a")
    }];
    let log = Memory::new(Retention {
        rules,
        max_events: 4,
        ..Retention::default()
    });
    log.put(numbered(&["a"], 0..5)).await.unwrap();
    log.put(numbered(&["b"], 5..7)).await.unwrap();
    assert_eq!(
        all(&log, &["a", "b"]).await,
        ["3", "4", "5", "6"],
        "the oldest of all is trimmed, even if a rule governs it"
    );
    log.put(numbered(&["b"], 7..12)).await.unwrap();
    assert_eq!(all(&log, &["a", "b"]).await, ["8", "9", "10", "11"]);
}

#[tokio::test]
async fn a_topic_is_trimmed_even_if_many_records_of_other_topics_come_first() {
    let log = in_memory(vec![Rule {
        max_events: Some(2),
        ..rule("chat")
    }]);
    log.put(numbered(&["chat/room/r", "chat"], 0..2_500))
        .await
        .unwrap();
    for number in 0..500 {
        log.put(vec![
            record(&["chat"], &number.to_string()),
            record(&["chat/room/r", "chat"], "other"),
        ])
        .await
        .unwrap();
    }
    let page = log
        .read(
            &selector(&["chat"]),
            log.floor(&selector(&["chat"])),
            log.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    let own = page
        .entries
        .iter()
        .filter(|entry| entry.record.topics.len() == 1);
    assert_eq!(
        own.map(|entry| entry.record.data.clone())
            .collect::<Vec<_>>(),
        ["498", "499"]
    );
    assert_eq!(
        all(&log, &["chat/room/r"]).await.len(),
        3_000,
        "their own topic keeps them"
    );
}
