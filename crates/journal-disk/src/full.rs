//! Tests of a directory that is full or gone, and of reads that have to wait.

use std::fs;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use super::log::MAX_CONCURRENT_READS;
use super::{Disk, Options, Sync};
use tidings_journal::{Journal, Limit, Position, Record, Selector, TopicName};
use tidings_journal_contract::Put as _;

fn record(topics: &[&str], data: &[u8]) -> Record {
    let topics = topics
        .iter()
        .map(|name| TopicName::parse(name).unwrap())
        .collect();
    Record {
        topics,
        event: "e".into(),
        key: None,
        data: data.to_vec().into(),
        at_ms: 0,
        ends_key: false,
    }
}

const APPEND_TIMEOUT: Duration = Duration::from_millis(100);

/// Opens a log with a ceiling of 8 MiB that measures often.
fn small(dir: &tempfile::TempDir, append_timeout: Duration) -> Disk {
    let mut options = Options::new(dir.path());
    options.retention.max_disk = 8 << 20;
    options.tuning.min_disk_bytes = 0;
    options.tuning.retention_interval = Duration::from_millis(5);
    options.tuning.append_timeout = append_timeout;
    Disk::open(options).unwrap()
}

/// Waits until `done`, for at most a minute.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_full_log_refuses_appends_and_takes_them_again_when_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let log = small(&dir, APPEND_TIMEOUT);
    log.put(vec![record(&["a"], b"kept")]).await.unwrap();
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, vec![1; 9 << 20]).unwrap();
    until("it is noticed", || log.log.is_full()).await;
    let error = log
        .put(vec![record(&["a"], b"refused")])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("at its ceiling of 8 MiB") && error.contains("Raise the ceiling"),
        "{error}"
    );
    assert_eq!(log.health().unwrap_err().to_string(), error);
    let vitals = log.vitals().disk.unwrap();
    assert!(
        !vitals.failed && vitals.bytes > vitals.ceiling,
        "refusing for now is no failure: {vitals:?}"
    );
    let error = log
        .put(vec![record(&["a"], b"refused at once")])
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(log.health().unwrap_err().to_string(), error);
    let selector = Selector::topics([TopicName::parse("a").unwrap()]);
    let page = log
        .read(&selector, Position::START, log.head(), Limit::NONE)
        .await;
    assert!(page.is_ok(), "reads succeed");
    fs::remove_file(ballast).unwrap();
    until("it recovers", || log.health().is_ok()).await;
    assert_eq!(
        log.put(vec![record(&["a"], b"taken")]).await.unwrap(),
        Position::new(2)
    );
}

#[tokio::test]
async fn a_full_log_can_be_closed_and_dropped() {
    for close in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = small(&dir, Duration::MAX);
        log.put(vec![record(&["a"], b"kept")]).await.unwrap();
        fs::write(dir.path().join("ballast"), vec![1; 9 << 20]).unwrap();
        until("it is noticed", || log.log.is_full()).await;
        let log = Arc::new(log);
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.put(vec![record(&["a"], b"refused")]).await }
        });
        if close {
            tokio::time::timeout(Duration::from_secs(20), log.close())
                .await
                .unwrap();
            assert!(waiting.await.unwrap().is_err());
        } else {
            waiting.abort();
            let _ = waiting.await;
        }
        let dropped = tokio::task::spawn_blocking(move || drop(log));
        tokio::time::timeout(Duration::from_secs(20), dropped)
            .await
            .unwrap()
            .unwrap();
        fs::remove_file(dir.path().join("ballast")).unwrap();
        assert_eq!(small(&dir, APPEND_TIMEOUT).head(), Position::new(1));
    }
}

/// `JOURNAL_CEILING_TIMES` is the size of what is written, as a multiple of the ceiling.
#[tokio::test]
async fn the_ceiling_holds_if_every_event_has_a_second_topic() {
    const CEILING: u64 = 128 << 20;
    let times = std::env::var("JOURNAL_CEILING_TIMES")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(3);
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.retention.max_disk = CEILING;
    options.tuning.min_disk_bytes = 0;
    options.tuning.max_wal_bytes = 40 << 20;
    options.tuning.memtable_bytes = 1 << 20;
    options.tuning.retention_interval = Duration::from_millis(100);
    let log = Disk::open(options).unwrap();
    let noise: Vec<u8> = (0..900).map(|_| rand::random()).collect();
    let (mut written, mut most, mut number) = (0, 0, 0_u64);
    while written < times * CEILING {
        let records = (0..500).map(|_| {
            number += 1;
            let mut data = noise.clone();
            data[..8].copy_from_slice(&number.to_be_bytes());
            // Each event gets noise of its own, so that it can't be compressed.
            data[8..].iter_mut().for_each(|byte| {
                *byte = byte.wrapping_mul(31).wrapping_add(number.to_be_bytes()[7]);
            });
            data[8..].rotate_left(usize::try_from(number % 800).unwrap());
            record(&[&format!("chat/room/{}", number % 7), "chat"], &data)
        });
        let records: Vec<_> = records.collect();
        written += 2 * 900 * records.len() as u64;
        let appended = tokio::time::timeout(Duration::from_mins(1), log.put(records)).await;
        appended.expect("an append waits for ever").unwrap();
        most = most.max(log.log.directory.disk_bytes().unwrap());
    }
    assert!(most <= CEILING, "{most} bytes were on disk");
    let newest = Position::new(log.head().get() - 100);
    for topic in ["chat", "chat/room/3"] {
        let selector = Selector::topics([TopicName::parse(topic).unwrap()]);
        assert!(log.floor(&selector) < newest, "{topic}");
        let page = log
            .read(&selector, newest, log.head(), Limit::NONE)
            .await
            .unwrap();
        assert!(
            page.entries.len() >= 14,
            "{} of {topic}",
            page.entries.len()
        );
    }
}

/// Measures the directory all the time, also between two appends, because merging takes the most
/// space.
#[tokio::test]
async fn the_ceiling_holds_while_large_events_are_merged_whether_or_not_they_compress() {
    const CEILING: u64 = 256 << 20;
    const LARGE: usize = 250_000;
    let noise: Vec<u8> = (0..2 * LARGE).map(|_| rand::random()).collect();
    for like in [noise, vec![b'z'; 2 * LARGE]] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path());
        options.retention.max_disk = CEILING;
        options.retention.max_age = None;
        options.tuning.append_timeout = Duration::from_mins(1);
        options.sync = Sync::Never;
        let log = Arc::new(Disk::open(options).unwrap());
        let watching = std::thread::spawn({
            let log = Arc::downgrade(&log);
            move || {
                let mut most = 0;
                while let Some(log) = log.upgrade() {
                    most = most.max(log.log.directory.disk_bytes().unwrap());
                    drop(log);
                    std::thread::sleep(Duration::from_millis(2));
                }
                most
            }
        });
        for step in 0..100 {
            let large = |nth: usize| &like[(step * 7_919 + nth * 1_009) % LARGE..][..LARGE];
            log.put((0..32).map(|nth| record(&["a"], large(nth))).collect())
                .await
                .unwrap();
        }
        let kept = log.vitals().kept.unwrap();
        drop(log);
        let most = watching.join().unwrap();
        assert!(most <= CEILING, "{} MiB were on disk", most >> 20);
        assert!(kept > 64, "{kept} are kept");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_whose_directory_is_gone_takes_no_more_appends() {
    for replaced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut options = Options::new(&data);
        options.tuning.retention_interval = Duration::from_millis(10);
        let log = Disk::open(options.clone()).unwrap();
        log.put(vec![record(&["a"], b"kept")]).await.unwrap();
        fs::rename(&data, dir.path().join("away")).unwrap();
        let other = replaced.then(|| Disk::open(options).unwrap());
        until("it is noticed", || log.health().is_err()).await;
        let refused = log
            .put(vec![record(&["a"], b"refused")])
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("was removed, or another directory took its place"),
            "{refused}"
        );
        assert!(log.vitals().disk.unwrap().failed);
        let a = Selector::topics([TopicName::parse("a").unwrap()]);
        let page = log.read(&a, Position::START, log.head(), Limit::NONE).await;
        assert_eq!(page.unwrap().entries.len(), 1, "the log can still be read");
        log.close().await;
        assert!(other.is_none_or(|other| other.health().is_ok()));
    }
}

#[tokio::test]
async fn a_dropped_read_counts_against_the_limit_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log = small(&dir, APPEND_TIMEOUT);
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begun, began) = std::sync::mpsc::channel();
    {
        let mut reading = pin!(log.reading(move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok(())
        }));
        assert!(
            reading
                .as_mut()
                .poll(&mut Context::from_waker(std::task::Waker::noop()))
                .is_pending()
        );
        began.recv().unwrap();
    }
    assert_eq!(
        log.log.readers.available_permits(),
        MAX_CONCURRENT_READS - 1
    );
    drop(go_on);
    until("the read no longer counts", || {
        log.log.readers.available_permits() == MAX_CONCURRENT_READS
    })
    .await;
}

const EIGHT_KIB: usize = 8 << 10;

fn below(dir: &tempfile::TempDir, ceiling: u64) -> Options {
    let mut options = Options::new(dir.path());
    options.retention.max_disk = ceiling;
    options.retention.max_age = None;
    options.tuning.min_disk_bytes = 0;
    options.tuning.max_wal_bytes = 40 << 20;
    options.tuning.memtable_bytes = 1 << 20;
    options.tuning.retention_interval = Duration::from_millis(100);
    options
}

/// Writes 180 MiB below a high ceiling, trims all but `kept` bytes, and opens the log again with a
/// ceiling of 160 MiB. Returns the log once it is below that ceiling.
async fn lowered(dir: &tempfile::TempDir, kept: u64) -> Disk {
    // Nothing is written out in the meantime. Otherwise the engine would already remove what was
    // trimmed when it merges.
    let mut far = below(dir, 1 << 30);
    far.tuning.max_wal_bytes = 128 << 20;
    let log = Disk::open(far.clone()).unwrap();
    let noise: Vec<u8> = (0..1 << 20).map(|_| rand::random()).collect();
    let one = |number: usize| {
        let from = number * 7_919 % (noise.len() - EIGHT_KIB);
        record(
            &[&format!("t/{}", number % 997)],
            &noise[from..from + EIGHT_KIB],
        )
    };
    for step in 0..180 {
        log.put((0..128).map(|nth| one(step * 128 + nth)).collect())
            .await
            .unwrap();
    }
    log.close().await;
    drop(log);
    far.retention.max_bytes = kept;
    let log = Disk::open(far).unwrap();
    until("it is trimmed", || log.log.topics.read().totals().1 <= kept).await;
    log.close().await;
    assert!(log.log.directory.disk_bytes().unwrap() > 160 << 20);
    drop(log);
    let log = Disk::open(below(dir, 160 << 20)).unwrap();
    until("it is below", || {
        !log.log.is_full() && log.log.directory.disk_bytes().unwrap() <= 160 << 20
    })
    .await;
    log.put(vec![record(&["a"], b"taken")]).await.unwrap();
    log
}

#[tokio::test]
async fn lowering_the_ceiling_trims_little_more_than_the_excess() {
    let dir = tempfile::tempdir().unwrap();
    let kept = lowered(&dir, u64::MAX).await.vitals().kept.unwrap();
    // 28 of the 160 MiB are for the tables.
    assert!(
        kept > (20 << 20) / EIGHT_KIB as u64,
        "{kept} events are kept"
    );
}

#[tokio::test]
async fn garbage_from_before_a_start_above_the_ceiling_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    lowered(&dir, 1).await;
}
