//! What outlives a process.

use tidings_journal::disk::{Disk, OpenError, Options, Sync};
use tidings_journal::{EventId, Journal, Limit, Position, Receipt, Stray};

use crate::{all, numbered, of, record, status};

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
        let first = log.append(numbered(&["a", "b"], 0..3)).await.unwrap();
        ids.extend((0..3).map(|n| EventId { epoch: log.epochs().current(), position: Position::new(first.get() + n) }));
    }
    let log = open(&dir);
    for topic in ["a", "b"] {
        let page = log.read(&of(&[topic]), Position::START, log.head(), Limit::NONE).await.unwrap();
        assert_eq!(page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    }
    let (epochs, head) = (log.epochs(), log.head());
    for id in &ids {
        assert_eq!(epochs.locate(*id, head), Ok(id.position));
    }
    let ahead = EventId { epoch: ids[0].epoch, position: Position::new(4) };
    assert_eq!(epochs.locate(ahead, head), Err(Stray::Ahead), "seen, but lost in a crash");
}

#[tokio::test]
async fn keys_and_receipts_and_floors_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.retention.max_keyed = 2;
    {
        let log = Disk::open(options.clone()).unwrap();
        let receipt = Receipt { key: "k".into(), value: "v".into(), expires_at_ms: 100 };
        log.append_with(vec![status("a", "1"), status("b", "2")], Some(receipt)).await.unwrap();
        log.append(vec![status("b", "3"), status("c", "4")]).await.unwrap();
    }
    let log = Disk::open(options.clone()).unwrap();
    assert_eq!(all(&log, &["system/status"]).await, ["3", "4"]);
    assert_eq!(log.floor(&of(&["system/status"])), Position::new(1));
    let kept = log.receipt(b"k", 99).await.unwrap().unwrap();
    assert_eq!((&kept.value[..], kept.first, kept.events), (&b"v"[..], Position::new(1), 2));
    log.append(vec![status("b", "5")]).await.unwrap();
    assert_eq!(all(&log, &["system/status"]).await, ["4", "5"]);
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

#[tokio::test]
async fn every_mode_of_syncing_keeps_what_was_written_when_it_is_closed() {
    for sync in [Sync::Always, Sync::Interval(std::time::Duration::from_millis(1)), Sync::Never] {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let mut options = Options::new(dir.path());
            options.sync = sync;
            let log = Disk::open(options).unwrap();
            assert_eq!(log.head(), Position::new(round));
            log.append(vec![record(&["a"], "1")]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_log_that_was_half_made_is_made_anew() {
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
fn a_directory_that_can_not_be_written_to_is_refused_and_the_error_says_which() {
    use std::os::unix::fs::PermissionsExt as _;

    let refused = |dir: &std::path::Path| {
        let error = Disk::open(Options::new(dir)).err().unwrap().to_string();
        assert!(error.contains(dir.to_str().unwrap()) && error.contains("may read and write there"), "{error}");
    };
    // Nobody may write there, whoever runs this.
    let nowhere = if cfg!(target_os = "linux") { "/proc/self/journal" } else { "/dev/null/journal" };
    refused(nowhere.as_ref());
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let set = |mode| std::fs::set_permissions(dir.path().join("LOCK"), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o444);
    if std::fs::OpenOptions::new().write(true).open(dir.path().join("LOCK")).is_err() {
        refused(dir.path()); // not for root, to whom nothing is read-only
    }
    set(0o644);
    drop(open(&dir));
}
