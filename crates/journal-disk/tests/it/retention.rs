//! Tests of retention: what is trimmed, what stays, and which floors rise.

use std::sync::Arc;
use std::time::Duration;

use tidings_journal::{
    Append, Journal, Limit, Memory, Pattern, Position, Receipt, Record, Timeline,
};
use tidings_journal_disk::{Disk, Inspection, Options, Retention, Rule};

use crate::{Put as _, all, numbered, record, selector, status};

const HOUR: i64 = 3_600_000;

fn rule(pattern: &str) -> Rule {
    Rule {
        pattern: Pattern::parse(pattern).unwrap(),
        max_age: None,
        max_events: None,
        max_bytes: None,
    }
}

fn open(dir: &tempfile::TempDir, retention: Retention) -> Disk {
    let mut options = Options::new(dir.path());
    options.retention = retention;
    Disk::open(options).unwrap()
}

/// Lets the log apply its limits until `names` hold what is expected.
async fn until(log: &Disk, now_ms: i64, names: &[&str], expected: &[&str]) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    loop {
        log.expire(now_ms);
        let found = all(log, names).await;
        if found == expected {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{names:?}: {found:?}, not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_topic_keeps_what_its_rule_says() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention {
        rules: vec![
            Rule {
                max_events: Some(3),
                ..rule("chat/room/*")
            },
            Rule {
                max_events: Some(1),
                ..rule("chat/room/lobby")
            },
            Rule {
                max_bytes: Some(400),
                ..rule("big/*")
            },
        ],
        ..Retention::default()
    };
    let log = open(&dir, retention.clone());
    log.put(numbered(&["chat/room/r", "chat"], 0..6))
        .await
        .unwrap();
    log.put(numbered(&["chat/room/lobby", "chat"], 6..9))
        .await
        .unwrap();
    log.put(numbered(&["other"], 0..4)).await.unwrap();
    log.put(
        (0..5)
            .map(|_| record(&["big/a"], &"x".repeat(100)))
            .collect(),
    )
    .await
    .unwrap();
    until(&log, 0, &["chat/room/r"], &["3", "4", "5"]).await;
    until(&log, 0, &["chat/room/lobby"], &["8"]).await;
    assert_eq!(all(&log, &["other"]).await, ["0", "1", "2", "3"]);
    let kept = "x".repeat(100);
    until(&log, 0, &["big/a"], &[&kept, &kept, &kept]).await;
    let vitals = log.vitals();
    assert_eq!(
        (vitals.kept, vitals.trimmed),
        (Some(3 + 1 + 4 + 3), Some(3 + 2 + 2))
    );
    drop(log);
    let log = open(&dir, retention);
    assert_eq!(
        all(&log, &["chat/room/r", "chat/room/lobby"]).await,
        ["3", "4", "5", "8"]
    );
    assert_eq!(log.floor(&selector(&["chat/room/r"])), Position::new(3));
}

#[tokio::test]
async fn trimming_a_topic_raises_its_floor_and_those_of_its_aggregates_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let rules = vec![Rule {
        max_events: Some(2),
        ..rule("chat/room/busy")
    }];
    let log = open(
        &dir,
        Retention {
            rules,
            ..Retention::default()
        },
    );
    log.put(vec![record(&["chat/room/quiet", "chat"], "q")])
        .await
        .unwrap();
    log.put(numbered(&["chat/room/busy", "chat"], 0..10))
        .await
        .unwrap();
    until(&log, 0, &["chat/room/busy"], &["8", "9"]).await;
    assert_eq!(log.floor(&selector(&["chat/room/busy"])), Position::new(9));
    assert_eq!(log.floor(&selector(&["chat"])), Position::new(9));
    assert_eq!(log.floor(&selector(&["chat/room/quiet"])), Position::START);
    assert_eq!(
        log.floor(&selector(&["chat/room/quiet", "chat"])),
        Position::new(9)
    );
    assert_eq!(all(&log, &["chat/room/quiet"]).await, ["q"]);
    let page = log
        .read(
            &selector(&["chat"]),
            Position::START,
            log.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    assert!(
        page.floor > Position::START,
        "the page says that entries are missing"
    );
}

#[tokio::test]
async fn old_records_are_trimmed_and_the_newest_of_each_key_stays() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention {
        rules: vec![Rule {
            max_age: Some(Duration::from_hours(48)),
            ..rule("slow/*")
        }],
        max_age: Some(Duration::from_hours(1)),
        ..Retention::default()
    };
    let log = open(&dir, retention.clone());
    let at = |hours: i64, topic: &str, data: &str| Record {
        at_ms: hours * HOUR,
        ..record(&[topic], data)
    };
    log.put(vec![
        at(0, "a", "old"),
        status("db", "online"),
        at(0, "slow/a", "old"),
        at(2, "a", "new"),
    ])
    .await
    .unwrap();
    until(&log, 2 * HOUR, &["a"], &["new"]).await;
    assert_eq!(log.floor(&selector(&["a"])), Position::new(1));
    until(&log, 5 * HOUR, &["a"], &[]).await;
    assert_eq!(all(&log, &["slow/a"]).await, ["old"]);
    drop(log);
    let log = open(&dir, retention);
    until(&log, 50 * HOUR, &["slow/a"], &[]).await;
    assert_eq!(all(&log, &["system/status"]).await, ["online"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    assert_eq!(
        log.put(vec![record(&["a"], "next")]).await.unwrap(),
        Position::new(5),
        "ids never go back"
    );
}

#[tokio::test]
async fn a_topic_that_holds_too_much_and_too_old_records_is_trimmed_once() {
    // Fewer and more topics than are trimmed in one step.
    for topics in [30, 100] {
        let dir = tempfile::tempdir().unwrap();
        let rules = vec![Rule {
            max_events: Some(3),
            max_age: Some(Duration::from_hours(1)),
            ..rule("t/*")
        }];
        let log = open(
            &dir,
            Retention {
                rules,
                ..Retention::default()
            },
        );
        let names: Vec<_> = (0..topics).map(|number| format!("t/{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let old = names.iter().flat_map(|name| numbered(&[name, "all"], 0..6));
        log.put(
            old.map(|record| Record {
                at_ms: HOUR / 2,
                ..record
            })
            .collect(),
        )
        .await
        .unwrap();
        until(&log, 2 * HOUR, &names, &[]).await;
        let vitals = log.vitals();
        assert_eq!((vitals.kept, vitals.trimmed), (Some(0), Some(6 * topics)));
        log.put(vec![record(&["t/0"], "next"), record(&["other"], "next")])
            .await
            .unwrap();
        assert_eq!(log.vitals().kept, Some(2), "no record was subtracted twice");
    }
}

#[tokio::test]
async fn above_the_total_the_largest_topics_are_trimmed_first() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(
        &dir,
        Retention {
            max_events: 10,
            ..Retention::default()
        },
    );
    log.put(numbered(&["a"], 0..20)).await.unwrap();
    log.put(numbered(&["b"], 0..7)).await.unwrap();
    log.put(numbered(&["c"], 0..2)).await.unwrap();
    until(&log, 0, &["a"], &["16", "17", "18", "19"]).await;
    until(&log, 0, &["b"], &["3", "4", "5", "6"]).await;
    assert_eq!(all(&log, &["c"]).await, ["0", "1"]);
}

#[tokio::test]
async fn no_event_is_missing_silently_while_topics_are_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let rules = vec![Rule {
        max_events: Some(5),
        ..rule("t/*")
    }];
    let log = Arc::new(open(
        &dir,
        Retention {
            rules,
            ..Retention::default()
        },
    ));
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for number in 0..300_u32 {
                let names = [format!("t/{}", number % 3), "all".to_owned()];
                log.put(numbered(&[&names[0], &names[1]], number..number + 2))
                    .await
                    .unwrap();
                log.expire(0);
            }
        }
    });
    let mut after = Position::START;
    let mut expected = None;
    while !writer.is_finished() || after < log.head() {
        let page = log
            .read(
                &selector(&["all"]),
                after,
                log.head(),
                Limit {
                    events: 3,
                    bytes: 1 << 20,
                },
            )
            .await
            .unwrap();
        if page.floor > after {
            expected = None; // the reset says that something is missing
        }
        for entry in &page.entries {
            let number = entry.id.position.get();
            assert!(
                expected.is_none_or(|expected| number == expected),
                "{number}, not {expected:?}"
            );
            expected = Some(number + 1);
        }
        after = page.next;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    drop(log);
    let log = Inspection::open(dir.path()).unwrap();
    assert_eq!(log.verify().unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn a_topic_is_trimmed_even_if_many_records_of_other_topics_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let rules = vec![Rule {
        max_events: Some(2),
        ..rule("chat")
    }];
    let log = open(
        &dir,
        Retention {
            rules,
            ..Retention::default()
        },
    );
    log.put(numbered(&["chat/room/r", "chat"], 0..2_500))
        .await
        .unwrap();
    log.put(numbered(&["chat"], 0..5)).await.unwrap();
    until(&log, 0, &["chat"], &["3", "4"]).await;
    assert_eq!(
        all(&log, &["chat/room/r"]).await.len(),
        2_500,
        "their own topic keeps them"
    );
}

#[tokio::test]
async fn a_lowered_rule_applies_from_the_next_start_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, Retention::default());
    log.put(numbered(&["a"], 0..10)).await.unwrap();
    drop(log);
    let rules = vec![Rule {
        max_events: Some(3),
        ..rule("a")
    }];
    let log = open(
        &dir,
        Retention {
            rules,
            ..Retention::default()
        },
    );
    until(&log, 0, &["a"], &["7", "8", "9"]).await;
}

/// Retention of an hour, and of a millisecond for the topic `probe`.
fn hour_retention() -> Retention {
    let rules = vec![Rule {
        max_age: Some(Duration::from_millis(1)),
        ..rule("probe")
    }];
    Retention {
        rules,
        max_age: Some(Duration::from_hours(1)),
        ..Retention::default()
    }
}

/// A log in memory and one on disk, each with a retention of an hour.
fn both_journals(dir: &tempfile::TempDir) -> [Box<dyn Journal>; 2] {
    let memory = tidings_journal::memory::Retention {
        max_age: Duration::from_hours(1),
        ..Default::default()
    };
    [
        Box::new(open(dir, hour_retention())),
        Box::new(Memory::new(memory)),
    ]
}

/// A log with a wall clock that can be set, and a monotonic clock that only advances.
struct ClockedLog<'a> {
    log: &'a dyn Journal,
    timeline: Timeline,
    wall: i64,
    steady: i64,
}

impl<'a> ClockedLog<'a> {
    fn new(log: &'a dyn Journal, wall: i64) -> Self {
        Self {
            log,
            timeline: Timeline::new(wall, 0),
            wall,
            steady: 0,
        }
    }

    /// Lets time pass, and reports it to the log as a server does.
    fn pass(&mut self, ms: i64) {
        for from in (0..ms).step_by(30_000) {
            let step = (ms - from).min(30_000);
            (self.wall, self.steady) = (self.wall + step, self.steady + step);
            self.report_time();
        }
    }

    fn set(&mut self, by_ms: i64) {
        self.wall += by_ms;
        self.report_time();
    }

    fn report_time(&mut self) {
        self.timeline
            .observe(self.wall, self.steady, self.log.head());
        self.log.keep_time(&self.timeline);
        self.log.expire(self.timeline.now_ms(self.wall));
    }

    async fn append(&self, topic: &str, data: &str) {
        self.log
            .put(vec![Record {
                at_ms: self.wall,
                ..record(&[topic], data)
            }])
            .await
            .unwrap();
    }

    /// Checks that `names` hold `expected` once the log has trimmed what is too old now. On disk,
    /// waits for two passes of the retention task: each has trimmed the topic `probe`.
    async fn holds(&mut self, names: &[&str], expected: &[&str]) {
        self.report_time();
        if self.log.vitals().disk.is_some() {
            for _ in 0..2 {
                self.append("probe", "p").await;
                self.pass(1_000);
                while !all(self.log, &["probe"]).await.is_empty() {
                    self.report_time();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        assert_eq!(all(self.log, names).await, expected);
    }
}

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn setting_the_clock_trims_no_young_record_and_passing_time_trims_old_ones() {
    for jump in [240 * HOUR, -240 * HOUR, 24 * 365 * HOUR] {
        let dir = tempfile::tempdir().unwrap();
        for log in both_journals(&dir) {
            let mut log = ClockedLog::new(&*log, 1_000 * HOUR);
            log.append("a", "1").await;
            log.pass(30 * MINUTE);
            log.set(jump);
            log.append("a", "2").await;
            log.pass(10 * MINUTE);
            log.set(-jump);
            log.append("a", "3").await;
            log.holds(&["a"], &["1", "2", "3"]).await;
            log.pass(25 * MINUTE);
            log.holds(&["a"], &["2", "3"]).await;
            log.pass(28 * MINUTE);
            log.holds(&["a"], &["3"]).await;
            log.pass(20 * MINUTE);
            log.holds(&["a"], &[]).await;
        }
    }
}

#[tokio::test]
async fn correcting_the_clock_for_good_trims_no_record_too_early() {
    let dir = tempfile::tempdir().unwrap();
    for log in both_journals(&dir) {
        let mut log = ClockedLog::new(&*log, 0); // the machine booted in 1970
        log.append("a", "1").await;
        log.pass(30 * MINUTE);
        log.set(490_000 * HOUR);
        for data in ["2", "3", "4", "5"] {
            log.pass(29 * MINUTE);
            log.append("a", data).await;
        }
        assert_eq!(log.timeline.skew(), 0, "the clock has settled");
        log.holds(&["a"], &["3", "4", "5"]).await;
        log.pass(2 * HOUR);
        log.holds(&["a"], &[]).await;
    }
}

#[tokio::test]
async fn a_receipt_expires_by_the_time_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    for log in both_journals(&dir) {
        let mut clocked = ClockedLog::new(&*log, 1_000 * HOUR);
        let keep = async |clocked: &ClockedLog<'_>, key: &'static str| {
            let receipt = Receipt {
                key: key.into(),
                value: "v".into(),
                lives: Duration::from_mins(5),
            };
            let now_ms = clocked.timeline.now_ms(clocked.wall);
            log.append(
                Append::from(vec![record(&["a"], key)])
                    .receipt(Some(receipt))
                    .at(now_ms),
            )
            .await
            .unwrap();
        };
        let held = async |key: &str| log.receipt(key.as_bytes()).await.unwrap().is_some();
        keep(&clocked, "before").await;
        clocked.set(240 * HOUR);
        keep(&clocked, "after").await;
        clocked.pass(4 * MINUTE);
        assert!(held("before").await && held("after").await);
        clocked.set(-240 * HOUR);
        assert!(held("before").await && held("after").await);
        clocked.pass(2 * MINUTE);
        assert!(!held("before").await && !held("after").await);
    }
}

#[tokio::test]
async fn the_log_on_disk_knows_after_a_restart_how_old_its_records_are() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, hour_retention());
    let mut clocked = ClockedLog::new(&log, 0);
    clocked.append("a", "1").await;
    clocked.pass(10 * MINUTE);
    clocked.set(490_000 * HOUR);
    clocked.append("a", "2").await;
    let wall = clocked.wall;
    drop(log);
    let log = open(&dir, hour_retention());
    let mut timeline = log.kept_time().unwrap();
    assert_eq!(timeline.resume(wall + 5_000, 77, log.head()), None);
    let mut clocked = ClockedLog {
        log: &log,
        timeline,
        wall: wall + 5_000,
        steady: 77,
    };
    clocked.append("a", "3").await;
    clocked.report_time();
    clocked.holds(&["a"], &["1", "2", "3"]).await;
    clocked.pass(51 * MINUTE);
    clocked.holds(&["a"], &["2", "3"]).await;
}
