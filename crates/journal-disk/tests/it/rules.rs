//! The log on disk keeps as much of a topic as the topic's rule says, like the log in memory.

use std::time::Duration;

use tidings_journal::memory::{self, Memory};
use tidings_journal::{Append, Journal, Limit, Pattern, Position, Record, Rule};
use tidings_journal_disk::{Disk, Options, Retention};

use crate::{Put as _, all, numbered, record, selector};

fn rule(pattern: &str) -> Rule {
    Rule {
        pattern: Pattern::parse(pattern).unwrap(),
        max_age: None,
        max_events: None,
        max_bytes: None,
    }
}

/// The last topic shows some of the records that are published to the others.
const TOPICS: [&str; 9] = [
    "room/a",
    "room/b",
    "room/lobby",
    "slow/a",
    "brief/a",
    "other",
    "another",
    "keyed/a",
    "all",
];

/// Returns what a log keeps of each topic above its floor, and the floor.
async fn kept(log: &dyn Journal) -> Vec<(Position, Vec<u64>)> {
    let mut kept = Vec::new();
    for name in TOPICS {
        let floor = log.floor(&selector(&[name]));
        let page = log
            .read(&selector(&[name]), floor, log.head(), Limit::NONE)
            .await
            .unwrap();
        kept.push((
            page.floor,
            page.entries
                .iter()
                .map(|entry| entry.id.position.get())
                .collect(),
        ));
    }
    kept
}

#[tokio::test]
async fn the_journals_in_memory_and_on_disk_keep_the_same() {
    let second = Duration::from_secs(1);
    let rules = vec![
        Rule {
            max_events: Some(3),
            ..rule("room/*")
        },
        Rule {
            max_events: Some(1),
            max_age: Some(200 * second),
            ..rule("room/lobby")
        },
        Rule {
            max_age: Some(90 * second),
            ..rule("slow/**")
        },
        Rule {
            max_age: Some(5 * second),
            max_events: Some(4),
            ..rule("brief/*")
        },
        Rule {
            max_events: Some(2),
            ..rule("keyed/*")
        },
    ];
    let max_age = 30 * second;
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.retention = Retention {
        rules: rules.clone(),
        max_age: Some(max_age),
        ..Retention::default()
    };
    let on_disk = Disk::open(options).unwrap();
    let in_memory = Memory::new(memory::Retention {
        rules,
        max_age,
        ..memory::Retention::default()
    });
    for number in 0..400_i64 {
        let at_ms = number * 250;
        let name = TOPICS[usize::try_from(number * 7 % 8).unwrap()];
        // Every other record stands in a second topic. Every third record with a key ends it.
        let names = if number % 2 == 0 {
            vec![name, "all"]
        } else {
            vec![name]
        };
        let key = name
            .starts_with("keyed")
            .then(|| format!("k{}", number / 8 % 2).into());
        let ends_key = key.is_some() && number / 8 % 3 == 0;
        let unit = vec![Record {
            at_ms,
            key,
            ends_key,
            ..record(&names, &number.to_string())
        }];
        for log in [&on_disk as &dyn Journal, &in_memory] {
            log.append(Append::from(unit.clone()).at(at_ms))
                .await
                .unwrap();
        }
        if number % 100 == 99 {
            in_memory.expire(at_ms);
            let expected = kept(&in_memory).await;
            let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
            loop {
                on_disk.expire(at_ms);
                let found = kept(&on_disk).await;
                if found == expected {
                    break;
                }
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "at {number}:\n{found:?}\nnot\n{expected:?}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(on_disk.vitals().kept, in_memory.vitals().kept);
        }
    }
    let lengths: Vec<_> = kept(&in_memory)
        .await
        .into_iter()
        .map(|(_, kept)| kept.len())
        .collect();
    assert!(lengths.iter().all(|length| *length > 0), "{lengths:?}");
}

#[tokio::test]
async fn records_hidden_by_a_floor_do_not_count_against_visible_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    let rules = vec![
        Rule {
            max_events: Some(2),
            ..rule("room/*")
        },
        Rule {
            max_events: Some(10),
            ..rule("all")
        },
    ];
    options.retention = Retention {
        rules,
        ..Retention::default()
    };
    let log = Disk::open(options.clone()).unwrap();
    let settled = async |log: &Disk, floor, kept| {
        let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
        for now_ms in 0.. {
            log.expire(now_ms);
            let found = (log.floor(&selector(&["all"])).get(), log.vitals().kept);
            if found == (floor, Some(kept)) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{found:?}, not {floor} and {kept}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Each of the rooms is trimmed. This hides what was published to the topic `all` itself before.
    for _ in 0..30 {
        log.put(vec![
            record(&["all"], "own"),
            record(&["room/a", "all"], "a"),
            record(&["room/b", "all"], "b"),
        ])
        .await
        .unwrap();
    }
    settled(&log, 28 * 3, 4 + 2).await;
    log.put(numbered(&["all"], 0..8)).await.unwrap();
    settled(&log, 28 * 3, 4 + 10).await;
    let shown = log
        .read(
            &selector(&["all"]),
            log.floor(&selector(&["all"])),
            log.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert_eq!(
        shown.entries.len(),
        4 + 10,
        "the number that the rule allows"
    );
    log.put(numbered(&["all"], 8..9)).await.unwrap();
    settled(&log, 28 * 3 + 1, 4 + 10).await;
    drop(log);
    let log = Disk::open(options).unwrap();
    settled(&log, 28 * 3 + 1, 4 + 10).await;
    log.put(numbered(&["all"], 9..12)).await.unwrap();
    let shown = || all(&log, &["all"]);
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    while shown()
        .await
        .iter()
        .filter(|data| data.parse::<u32>().is_ok())
        .count()
        != 10
    {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:?}",
            shown().await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn records_hidden_by_topics_trimmed_whole_do_not_count_either() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.retention.max_topics = 10;
    let log = Disk::open(options).unwrap();
    for number in 0..60 {
        log.put(vec![
            record(&["all"], "own"),
            record(&[&format!("t/{number}"), "all"], "other"),
        ])
        .await
        .unwrap();
    }
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    for now_ms in 0.. {
        log.expire(now_ms);
        let page = log
            .read(
                &selector(&["all"]),
                log.floor(&selector(&["all"])),
                log.head(),
                Limit::NONE,
            )
            .await
            .unwrap();
        // Each of the topics shows its own record there.
        let found = (page.entries.len() as u64, log.vitals().kept.unwrap());
        if found == (18, 18) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(log.vitals().trimmed, Some(120 - 18));
}
