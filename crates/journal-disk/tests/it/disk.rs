//! Tests of what outlives a process, and of directories that can't be opened.

use std::time::Duration;

use tidings_journal::{
    Append, Appended, Bounds, CursorError, EventId, Journal, Limit, Position, Receipt, Record,
};
use tidings_journal_disk::{Disk, OpenError, Options, Sync};

use crate::{Put as _, all, numbered, record, selector, status};

fn open(dir: &tempfile::TempDir) -> Disk {
    Disk::open(Options::new(dir.path())).unwrap()
}

#[tokio::test]
async fn everything_is_there_after_a_restart_with_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..5 {
        let log = open(&dir);
        assert_eq!(log.head(), Position::new(3 * round));
        let first = log.put(numbered(&["a", "b"], 0..3)).await.unwrap();
        ids.extend((0..3).map(|n| EventId {
            epoch: log.epochs().current(),
            position: Position::new(first.get() + n),
        }));
    }
    let log = open(&dir);
    for topic in ["a", "b"] {
        let page = log
            .read(
                &selector(&[topic]),
                Position::START,
                log.head(),
                Limit::NONE,
            )
            .await
            .unwrap();
        assert_eq!(
            page.entries
                .iter()
                .map(|entry| entry.id)
                .collect::<Vec<_>>(),
            ids
        );
    }
    let (epochs, head) = (log.epochs(), log.head());
    for id in &ids {
        assert_eq!(epochs.locate(*id, head), Ok(id.position));
    }
    let ahead = EventId {
        epoch: ids[0].epoch,
        position: Position::new(4),
    };
    assert_eq!(
        epochs.locate(ahead, head),
        Err(CursorError::Ahead),
        "seen, but lost in a crash"
    );
}

#[tokio::test]
async fn keys_and_receipts_and_floors_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.retention.bounds = Bounds::of_each(2);
    {
        let log = Disk::open(options.clone()).unwrap();
        let receipt = Receipt {
            key: "k".into(),
            value: "v".into(),
            lives: Duration::from_mins(5),
        };
        log.put_with(vec![status("a", "1"), status("b", "2")], Some(receipt))
            .await
            .unwrap();
        log.put(vec![status("b", "3")]).await.unwrap();
        log.put(vec![
            Record {
                ends_key: true,
                ..status("a", "4")
            },
            status("c", "5"),
        ])
        .await
        .unwrap();
    }
    let log = Disk::open(options.clone()).unwrap();
    assert_eq!(all(&log, &["system/status"]).await, ["3", "4", "5"]);
    assert_eq!(log.floor(&selector(&["system/status"])), Position::START);
    let kept = log.receipt(b"k").await.unwrap().unwrap();
    assert_eq!(
        (&kept.value[..], kept.first, kept.events),
        (&b"v"[..], Position::new(1), 2)
    );
    log.put(vec![status("b", "6")]).await.unwrap();
    assert_eq!(all(&log, &["system/status"]).await, ["4", "5", "6"]);
    let full = log.append(vec![status("d", "7")].into()).await.unwrap();
    assert!(matches!(full, Appended::Full(_)), "{full:?}");
}

/// A process continues with the clock of the one before. The time between the two is a gap that has
/// to be confirmed first.
#[tokio::test]
async fn the_logs_clock_continues_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start_ms = 1_800_000_000_000;
    let append = async |log: &Disk, now_ms: i64| {
        log.append(Append::from(vec![record(&["a"], "1")]).at(now_ms))
            .await
            .unwrap();
        log.log_ms()
    };
    let log = open(&dir);
    assert_eq!(log.log_ms(), 0, "no time was ever reported to it");
    assert_eq!(append(&log, start_ms).await, start_ms);
    assert_eq!(append(&log, start_ms + 50_000).await, start_ms + 50_000);
    drop(log);
    let log = open(&dir);
    assert_eq!(log.log_ms(), start_ms + 50_000);
    assert_eq!(
        append(&log, start_ms + 3_600_000).await,
        start_ms + 50_000,
        "one process may be wrong about an hour"
    );
    drop(log);
    // The ten minutes that confirm the gap are counted across processes.
    let mut log = open(&dir);
    for second in (0..=600).step_by(20) {
        if second % 200 == 0 {
            drop(log);
            log = open(&dir);
        }
        append(&log, start_ms + 3_600_000 + 1_000 * second).await;
    }
    assert_eq!(log.log_ms(), start_ms + 4_200_000);
}

#[tokio::test]
async fn a_log_that_was_closed_continues_with_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = 1_800_000_000_000;
    for (round, closes) in [true, false].into_iter().enumerate() {
        let log = open(&dir);
        let reported_ms = now_ms + 10_000 * i64::try_from(round).unwrap();
        log.append(Append::from(numbered(&["a"], 0..1)).at(reported_ms))
            .await
            .unwrap();
        log.expire(reported_ms + 900);
        if closes {
            log.close().await;
        }
        drop(log);
        assert_eq!(open(&dir).log_ms(), reported_ms + 900);
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let error = Disk::open(Options::new(dir.path())).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(log);
    open(&dir);
}

/// The engine's lock file is empty, and some backups leave empty files out.
#[tokio::test]
async fn a_directory_without_the_engines_lock_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.put(vec![status("db", "1")]).await.unwrap();
    drop(log);
    let lock = dir.path().join("db/lock");
    std::fs::remove_file(&lock).unwrap();
    let error = Disk::open(Options::new(dir.path()))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("the file db/lock is not there") && error.contains("`touch` it"),
        "{error}"
    );
    std::fs::write(&lock, "").unwrap();
    assert_eq!(all(&open(&dir), &["system/status"]).await, ["1"]);
}

#[tokio::test]
async fn every_mode_of_syncing_keeps_what_was_written_when_it_is_closed() {
    for sync in [
        Sync::Always,
        Sync::Interval(std::time::Duration::from_millis(1)),
        Sync::Never,
    ] {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let mut options = Options::new(dir.path());
            options.sync = sync;
            let log = Disk::open(options).unwrap();
            assert_eq!(log.head(), Position::new(round));
            log.put(vec![record(&["a"], "1")]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_half_created_log_is_created_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("LOCK"), "").unwrap();
    std::fs::write(dir.path().join("FORMAT.new"), "tid").unwrap();
    drop(open(&dir));
    std::fs::rename(dir.path().join("db"), dir.path().join("db.new")).unwrap();
    std::fs::remove_file(dir.path().join("db.new/version")).unwrap();
    assert_eq!(open(&dir).head(), Position::START);
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_to_write_is_refused_and_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let refused = |dir: &std::path::Path| {
        let error = Disk::open(Options::new(dir)).err().unwrap().to_string();
        assert!(
            error.contains(dir.to_str().unwrap()) && error.contains("may read and write there"),
            "{error}"
        );
    };
    // No user may write there, not even root.
    let nowhere = if cfg!(target_os = "linux") {
        "/proc/self/journal"
    } else {
        "/dev/null/journal"
    };
    refused(nowhere.as_ref());
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let set = |mode| {
        std::fs::set_permissions(
            dir.path().join("LOCK"),
            std::fs::Permissions::from_mode(mode),
        )
        .unwrap();
    };
    set(0o444);
    if std::fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("LOCK"))
        .is_err()
    {
        refused(dir.path()); // except for root, to whom nothing is read-only
    }
    set(0o644);
    drop(open(&dir));
}

/// What was acknowledged before is lost with the directory. What is published after the directory
/// is gone must not be acknowledged.
#[cfg(unix)]
#[tokio::test]
async fn nothing_is_acknowledged_once_the_directory_is_gone() {
    use std::fs;
    type Loss = fn(&std::path::Path);
    let losses: [(&str, Loss); 5] = [
        ("removed", |dir| fs::remove_dir_all(dir).unwrap()),
        ("moved", |dir| {
            fs::rename(dir, dir.with_file_name("moved")).unwrap();
        }),
        ("replaced", |dir| {
            fs::rename(dir, dir.with_file_name("moved")).unwrap();
            drop(Disk::open(Options::new(dir)).unwrap());
        }),
        ("half removed", |dir| {
            for file in fs::read_dir(dir.join("db"))
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
            {
                if file.extension().is_some_and(|end| end == "jnl") {
                    fs::remove_file(file).unwrap();
                }
            }
        }),
        ("without its tables", |dir| {
            fs::remove_dir_all(dir.join("db/keyspaces")).unwrap();
        }),
    ];
    for sync in [Sync::Always, Sync::Never] {
        for (what, lose) in losses {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("log");
            let mut options = Options::new(&dir);
            options.sync = sync;
            let log = Disk::open(options).unwrap();
            log.put(vec![record(&["a"], "1")]).await.unwrap();
            lose(&dir);
            let error = log
                .put(vec![record(&["a"], "2")])
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("was removed, or another directory took its place"),
                "{what}: {error}"
            );
            assert!(
                log.health().is_err() && log.vitals().disk.unwrap().failed,
                "{what}"
            );
            assert_eq!(
                all(&log, &["a"]).await,
                ["1"],
                "{what}: reads succeed, and the refused append is not shown"
            );
            log.close().await;
            drop(log);
            if what == "replaced" {
                assert_eq!(
                    Disk::open(Options::new(&dir)).unwrap().head(),
                    Position::START,
                    "the other directory was not changed"
                );
            }
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_moved_directory_is_not_opened_by_another_while_the_first_has_it() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, moved) = (parent.path().join("log"), parent.path().join("moved"));
    let log = Disk::open(Options::new(&dir)).unwrap();
    log.put(vec![record(&["a"], "1")]).await.unwrap();
    std::fs::rename(&dir, &moved).unwrap();
    for _ in 0..2 {
        let error = Disk::open(Options::new(&moved)).err().unwrap();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        // The storage engine has a lock too, and its files are not touched while that is held.
        std::fs::remove_file(moved.join("LOCK")).unwrap();
    }
    assert!(log.put(vec![record(&["a"], "2")]).await.is_err());
    drop(log);
    // The refused append may be in the log.
    assert!(Disk::open(Options::new(&moved)).unwrap().head() >= Position::new(1));
}

#[tokio::test]
async fn intact_batches_behind_damage_are_kept_in_a_file_and_reported_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let log = open(&dir);
    for number in 1..=20 {
        log.put(vec![record(&["a"], &format!("event {number:02}"))])
            .await
            .unwrap();
    }
    // As after a kill, there is no watermark, because it is written some time after the sync.
    std::fs::remove_file(dir.path().join("synced")).unwrap();
    copy_all(dir.path(), copy.path());
    drop(log);
    let journal = copy.path().join("db/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let tenth = bytes
        .windows(8)
        .position(|bytes| bytes == b"event 10")
        .unwrap();
    bytes[tenth + 7] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let log = open(&copy);
    assert_eq!(log.head(), Position::new(9));
    assert!(log.health().is_ok(), "the log takes appends");
    log.put(vec![record(&["a"], "event 10 again")])
        .await
        .unwrap();
    let cut = |log: &Disk| log.vitals().disk.unwrap().cut;
    assert_eq!(cut(&log), 1);
    drop(log);
    let log = open(&copy);
    assert_eq!(
        (log.head(), cut(&log)),
        (Position::new(10), 1),
        "the damage is reported as long as the file exists"
    );
    let kept: Vec<_> = std::fs::read_dir(copy.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let kept = kept
        .iter()
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("cut-")
        })
        .unwrap();
    let bytes = std::fs::read(kept).unwrap();
    assert!(bytes.windows(8).any(|bytes| bytes == b"event 20"));
    std::fs::remove_file(kept).unwrap();
    while cut(&log) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
