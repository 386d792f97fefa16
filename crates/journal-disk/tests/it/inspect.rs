//! Tests of examining a directory that no server holds.

use std::time::Duration;

use tidings_journal::{Journal, Position, Receipt};
use tidings_journal_disk::{Disk, Inspection, OpenError, Options};

use crate::{Put as _, numbered, record, status};

#[tokio::test]
async fn an_inspection_returns_everything_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let log = Disk::open(Options::new(dir.path())).unwrap();
        log.put(numbered(&["chat/room/r", "chat"], 0..3))
            .await
            .unwrap();
        let receipt = Receipt {
            key: format!("k{round}").into(),
            value: "v".into(),
            lives: Duration::from_mins(5),
        };
        log.put_with(vec![status("db", "1"), status("web", "2")], Some(receipt))
            .await
            .unwrap();
        log.put(vec![
            record(&["large", "chat"], &"x".repeat(50_000 + round)),
            record(&[], ""),
        ])
        .await
        .unwrap();
        assert!(matches!(
            Inspection::open(dir.path()),
            Err(OpenError::InUse { .. })
        ));
    }
    let log = Inspection::open(dir.path()).unwrap();
    let entries: Vec<_> = log.entries().collect::<Result<_, _>>().unwrap();
    let positions: Vec<_> = entries
        .iter()
        .map(|entry| entry.id.position.get())
        .collect();
    assert_eq!(
        positions,
        [1, 2, 3, 6, 8, 9, 10, 11, 12, 13],
        "4 and 5 were superseded; 7 and 14 are in no topic"
    );
    assert_ne!(entries[0].id.epoch, entries[9].id.epoch);
    let stats = log.stats();
    assert_eq!(
        (stats.head, stats.events, stats.keyed),
        (Position::new(14), 10, 2)
    );
    assert_eq!(
        stats
            .epochs
            .iter()
            .map(|(_, end)| end.get())
            .collect::<Vec<_>>(),
        [7, 14]
    );
    let names: Vec<_> = stats
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.events, topic.keyed))
        .collect();
    assert_eq!(
        names,
        [
            ("chat", 0, 0),
            ("chat/room/r", 6, 0),
            ("large", 2, 0),
            ("system/status", 0, 2)
        ]
    );
    assert!(stats.disk_bytes > 0 && stats.bytes > 100_000);
    let report = log.verify().unwrap();
    assert_eq!(report.problems, [""; 0]);
    assert_eq!((report.events, report.receipts), (10, 2));
    drop(log);
    assert_eq!(
        Disk::open(Options::new(dir.path())).unwrap().head(),
        Position::new(14)
    );
}

#[test]
fn a_directory_without_a_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Inspection::open(dir.path()),
        Err(OpenError::Foreign { .. })
    ));
    assert!(matches!(
        Inspection::open(&dir.path().join("nothing")),
        Err(OpenError::Io { .. })
    ));
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "an inspection creates nothing"
    );
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_to_write_can_be_inspected_in_a_copy() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    drop(Disk::open(Options::new(dir.path())).unwrap());
    let lock = dir.path().join("LOCK");
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&lock).is_err() {
        // Except for root, to whom nothing is read-only.
        let error = Inspection::open(dir.path()).err().unwrap();
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_truncated_log_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = Disk::open(Options::new(dir.path())).unwrap();
        for _ in 0..10 {
            log.put(vec![record(&["a"], "an event that was acknowledged")])
                .await
                .unwrap();
        }
        // The watermark is written some time later; closing the log writes it too.
        tokio::time::timeout(Duration::from_mins(10), log.close())
            .await
            .unwrap();
    }
    let journal = dir.path().join("db/0.jnl");
    let bytes = std::fs::read(&journal).unwrap();
    let events: Vec<_> = bytes
        .windows(12)
        .enumerate()
        .filter(|(_, bytes)| bytes == b"acknowledged")
        .collect();
    let mut damaged = bytes.clone();
    damaged[events[events.len() / 2].0 - 60..].fill(0);
    std::fs::write(&journal, &damaged).unwrap();
    let error = Disk::open(Options::new(dir.path())).err().unwrap();
    assert!(
        matches!(error, OpenError::Lost { synced: 10, .. }),
        "{error}"
    );
    let error = Inspection::open(dir.path()).err().unwrap();
    assert!(
        error.to_string().contains("position 10 was safely on disk"),
        "{error}"
    );
    assert!(
        std::fs::read(&journal).unwrap() == damaged,
        "the rest was left as it is"
    );
    // The remedy that the message suggests.
    std::fs::remove_file(dir.path().join("synced")).unwrap();
    let log = Disk::open(Options::new(dir.path())).unwrap();
    assert!(log.head() < Position::new(10));
}
