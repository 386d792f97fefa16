//! Checks that everything is there in directories that earlier versions wrote.
//!
//! `tests/upgrades/make.py` made them, each with a note of what the same version reported about it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidings_journal::{
    Appended, Bounds, CursorError, EventId, Journal, Limit, Position, Record, Selector,
};
use tidings_journal_disk::{Disk, Inspection, Options, has_earlier_format};

use crate::{all, selector, status, topic};

/// The versions, by their commit.
const VERSIONS: [&str; 2] = ["fca78b1", "a7bb9bb"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/upgrades")
        .join(name)
}

/// Unpacks a directory as `version` left it, and reads the note.
fn written_by(version: &str) -> (TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    let archive = fixture(&format!("{version}.tar.gz"));
    let unpacked = Command::new("tar")
        .arg("-C")
        .arg(dir.path())
        .arg("-xzf")
        .arg(archive)
        .status()
        .unwrap();
    assert!(unpacked.success(), "{unpacked}");
    let note = std::fs::read_to_string(fixture(&format!("{version}.json"))).unwrap();
    (dir, serde_json::from_str(&note).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Checks that a client that comes back finds what the version that wrote the directory sent.
async fn compare_streams(log: &dyn Journal, note: &Value, what: &str) {
    let (epochs, head) = (log.epochs(), log.head());
    for stream in list(note, "streams") {
        let after = text(stream, "after");
        let what = format!("{what}: {after} on {}", text(stream, "path"));
        let topics: Vec<_> = list(stream, "topics")
            .iter()
            .map(|name| topic(name.as_str().unwrap()))
            .collect();
        let selector = Selector::topics(topics);
        let from = match after {
            // where a server begins, because there is no gap behind it
            "earliest" => log.floor(&selector),
            id => {
                let expected = stream["reset"].as_str();
                match epochs.locate(EventId::parse(id).unwrap(), head) {
                    Ok(position) if log.floor(&selector) > position => {
                        assert_eq!(expected, Some("trimmed"), "{what}");
                        continue;
                    }
                    Ok(position) => {
                        assert_eq!(expected, None, "{what}");
                        position
                    }
                    Err(CursorError::UnknownEpoch) => {
                        assert_eq!(expected, Some("epoch"), "{what}");
                        continue;
                    }
                    Err(CursorError::Ahead) => {
                        assert_eq!(expected, Some("ahead"), "{what}");
                        continue;
                    }
                }
            }
        };
        let page = log.read(&selector, from, head, Limit::NONE).await.unwrap();
        let found: Vec<_> = page
            .entries
            .iter()
            .map(|entry| entry.id.to_string())
            .collect();
        let sees: Vec<_> = list(stream, "sees")
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        assert_eq!(found, sees, "{what}");
        for entry in page.entries {
            let noted = &note["events"][entry.id.to_string()];
            let data: Value = serde_json::from_slice(&entry.record.data).unwrap();
            assert_eq!(
                (&*entry.record.event, &data),
                (text(noted, "event"), &noted["data"]),
                "{what}: {}",
                entry.id
            );
        }
    }
}

/// Returns the keys of the receipts, each with the position of its event if the answer had one.
fn receipts(note: &Value) -> Vec<(String, Option<Position>)> {
    let calls = list(note, "calls").iter().filter_map(|call| {
        let path = text(call, "path").split('?').next().unwrap();
        let key = [
            text(call, "user"),
            text(call, "method"),
            path,
            call["key"].as_str()?,
        ]
        .join("\0");
        let first = call["answer"]["eventId"]
            .as_str()
            .map(|id| EventId::parse(id).unwrap().position);
        Some((key, first))
    });
    calls.collect()
}

/// Checks that a used key is known, with the position of its event.
async fn compare_receipts(log: &dyn Journal, note: &Value, what: &str) {
    let receipts = receipts(note);
    assert!(receipts.len() > 30, "{what}: {receipts:?}");
    for (key, first) in receipts {
        let kept = log
            .receipt(key.as_bytes())
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{what}: {key}"));
        assert!(
            !kept.refused && first.is_none_or(|first| (kept.first, kept.events) == (first, 1)),
            "{what}: {key}: {kept:?}"
        );
    }
}

fn open(dir: &TempDir) -> Disk {
    Disk::open(Options::new(dir.path())).unwrap()
}

fn format(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.path().join("FORMAT")).unwrap()
}

const FORMAT_1: &str = "tidings journal, format 1\n";

#[tokio::test]
async fn a_directory_of_an_earlier_version_has_everything_that_it_had() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        for life in 1..=2 {
            let what = format!("{version}, opened {life} times");
            let log = open(&dir);
            log.expire(note["lastMs"].as_i64().unwrap());
            compare_streams(&log, &note, &what).await;
            compare_receipts(&log, &note, &what).await;
            let page = log
                .read(
                    &selector(&["_members"]),
                    Position::START,
                    log.head(),
                    Limit::NONE,
                )
                .await
                .unwrap();
            let there = page
                .entries
                .iter()
                .filter(|entry| entry.record.data != "null")
                .count();
            assert_eq!(
                there,
                list(&note["members"], "general").len() + list(&note["members"], "side").len(),
                "{what}"
            );
            log.close().await;
        }
        assert_eq!(
            Inspection::open(dir.path())
                .unwrap()
                .verify()
                .unwrap()
                .problems,
            [""; 0],
            "{version}"
        );
    }
}

#[tokio::test]
async fn an_inspection_of_an_earlier_version_finds_everything() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        let log = Inspection::open(dir.path()).unwrap();
        assert_eq!(log.verify().unwrap().problems, [""; 0], "{version}");
        let epochs: Vec<_> = log
            .stats()
            .epochs
            .iter()
            .map(|(epoch, _)| epoch.to_string())
            .collect();
        let noted: Vec<_> = list(&note, "epochs")
            .iter()
            .map(|epoch| text(epoch, "epoch").to_owned())
            .collect();
        assert_eq!(epochs, noted, "{version}");
        let entries: HashMap<_, _> = log
            .entries()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.id.to_string(), entry))
            .collect();
        for (id, noted) in note["events"].as_object().unwrap() {
            assert_eq!(
                &*entries[id].record.event,
                text(noted, "event"),
                "{version}: {id}"
            );
        }
    }
}

#[tokio::test]
async fn receipts_of_an_earlier_version_expire_when_they_should() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        let log = open(&dir);
        let last_ms = note["lastMs"].as_i64().unwrap();
        let known = async |seconds: i64| {
            // Time passes; it does not jump.
            for second in (0..=seconds).step_by(10) {
                log.expire(last_ms + 1_000 * second);
            }
            let mut known = 0;
            for (key, _) in receipts(&note) {
                known += usize::from(log.receipt(key.as_bytes()).await.unwrap().is_some());
            }
            known
        };
        assert_eq!(known(4 * 60).await, receipts(&note).len(), "{version}");
        assert_eq!(known(6 * 60).await, 0, "{version}");
    }
}

#[tokio::test]
async fn the_format_is_raised_with_the_first_write_and_not_before() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        assert_eq!(format(&dir), FORMAT_1);
        // Examining the directory leaves the way back open, and so does a start that fails before
        // its first write.
        drop(Inspection::open(dir.path()).unwrap());
        std::fs::create_dir(dir.path().join("FORMAT.new")).unwrap();
        let error = Disk::open(Options::new(dir.path()))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("writing FORMAT"), "{error}");
        std::fs::remove_dir(dir.path().join("FORMAT.new")).unwrap();
        assert_eq!(format(&dir), FORMAT_1);
        let log = Inspection::open(dir.path()).unwrap();
        assert_eq!(
            log.stats().epochs.len(),
            list(&note, "epochs").len(),
            "{version}: no epoch has begun"
        );
        drop(log);
        assert!(has_earlier_format(dir.path()));
        drop(open(&dir));
        assert_eq!(format(&dir), "tidings journal, format 2\n");
        assert!(!has_earlier_format(dir.path()));
    }
}

#[tokio::test]
async fn dying_between_raising_the_format_and_the_first_write_loses_nothing() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        std::fs::write(dir.path().join("FORMAT"), "tidings journal, format 2\n").unwrap();
        assert_eq!(
            Inspection::open(dir.path())
                .unwrap()
                .verify()
                .unwrap()
                .problems,
            [""; 0],
            "{version}"
        );
        let log = open(&dir);
        compare_streams(&log, &note, version).await;
        compare_receipts(&log, &note, version).await;
    }
}

/// A log that an earlier version wrote with more live keys than it may have keeps them, and takes
/// no new one.
#[tokio::test]
async fn keys_above_a_bound_stay_and_no_other_is_accepted() {
    let append = async |log: &Disk, record: Record| log.append(vec![record].into()).await.unwrap();
    for version in VERSIONS {
        let (dir, _) = written_by(version);
        let mut options = Options::new(dir.path());
        options.retention.bounds = Bounds::of_each(2);
        let log = Disk::open(options).unwrap();
        let before = all(&log, &["system/status"]).await;
        assert_eq!(before.len(), 4, "{version}: {before:?}");
        assert!(
            matches!(append(&log, status("new", "1")).await, Appended::Full(_)),
            "{version}"
        );
        assert!(
            matches!(append(&log, status("db", "2")).await, Appended::New(_)),
            "{version}"
        );
        let moved = vec![
            Record {
                ends_key: true,
                ..status("cache", "0")
            },
            status("moved", "2"),
        ];
        assert!(
            matches!(log.append(moved.into()).await.unwrap(), Appended::New(_)),
            "{version}: they are no more"
        );
        assert_eq!(
            all(&log, &["system/status"]).await.len(),
            5,
            "with what ended a key"
        );
        drop(log);
        // The bounds that are stored in the log hold, whatever is asked for.
        let log = open(&dir);
        assert!(
            matches!(append(&log, status("new", "1")).await, Appended::Full(_)),
            "{version}"
        );
        for service in ["db", "web", "moved"] {
            let ending = Record {
                ends_key: true,
                ..status(service, "0")
            };
            assert!(
                matches!(append(&log, ending).await, Appended::New(_)),
                "{version}"
            );
        }
        assert!(
            matches!(append(&log, status("new", "1")).await, Appended::New(_)),
            "{version}"
        );
        assert!(
            matches!(append(&log, status("newer", "1")).await, Appended::Full(_)),
            "{version}"
        );
        drop(log);
        let log = Inspection::open(dir.path()).unwrap();
        assert_eq!(log.verify().unwrap().problems, [""; 0], "{version}");
        let pools = log.stats().pools;
        let pool = pools
            .iter()
            .find(|pool| pool.name == "system/status")
            .unwrap();
        assert_eq!((pool.held, pool.limit), (2, 2), "{version}");
    }
}
