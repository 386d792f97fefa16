//! Directories that earlier versions wrote: everything that they knew is there.
//!
//! `tests/upgrades/make.py` made them, with a note of what the same version told of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidings_journal::disk::{Disk, Inspection, Options};
use tidings_journal::{EventId, Journal, Limit, Position, Selector, Stray};

use crate::{of, topic};

/// The versions, by their commit.
const VERSIONS: [&str; 2] = ["fca78b1", "a7bb9bb"];

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades").join(name)
}

/// A directory as `version` left it, and the note.
fn written_by(version: &str) -> (TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    let archive = beside(&format!("{version}.tar.gz"));
    let unpacked = Command::new("tar").arg("-C").arg(dir.path()).arg("-xzf").arg(archive).status().unwrap();
    assert!(unpacked.success(), "{unpacked}");
    let note = std::fs::read_to_string(beside(&format!("{version}.json"))).unwrap();
    (dir, serde_json::from_str(&note).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What a reader who comes back finds is what the version that wrote it sent.
async fn compare_streams(log: &dyn Journal, note: &Value, what: &str) {
    let (epochs, head) = (log.epochs(), log.head());
    for stream in list(note, "streams") {
        let after = text(stream, "after");
        let what = format!("{what}: {after} on {}", text(stream, "path"));
        let topics: Vec<_> = list(stream, "topics").iter().map(|name| topic(name.as_str().unwrap())).collect();
        let selector = Selector::topics(topics);
        let from = match after {
            "earliest" => log.floor(&selector), // where a server begins, as it tells no hole
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
                    Err(Stray::Epoch) => {
                        assert_eq!(expected, Some("epoch"), "{what}");
                        continue;
                    }
                    Err(Stray::Ahead) => {
                        assert_eq!(expected, Some("ahead"), "{what}");
                        continue;
                    }
                }
            }
        };
        let page = log.read(&selector, from, head, Limit::NONE).await.unwrap();
        let found: Vec<_> = page.entries.iter().map(|entry| entry.id.to_string()).collect();
        let sees: Vec<_> = list(stream, "sees").iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(found, sees, "{what}");
        for entry in page.entries {
            let told = &note["events"][entry.id.to_string()];
            let data: Value = serde_json::from_slice(&entry.record.data).unwrap();
            assert_eq!((&*entry.record.event, &data), (text(told, "event"), &told["data"]), "{what}: {}", entry.id);
        }
    }
}

/// A key that was used is known for as long as it would have been, and by where its event stands.
async fn compare_receipts(log: &dyn Journal, note: &Value, now_ms: i64, is_last: bool, what: &str) {
    let mut known = Vec::new();
    log.expire(now_ms);
    for call in list(note, "calls") {
        let Some(key) = call["key"].as_str() else { continue };
        let path = text(call, "path").split('?').next().unwrap();
        let key = [text(call, "user"), text(call, "method"), path, key].join("\0");
        let kept = log.receipt(key.as_bytes()).await.unwrap().unwrap_or_else(|| panic!("{what}: {key}"));
        if let Some(id) = call["answer"]["eventId"].as_str() {
            let id = EventId::parse(id).unwrap();
            assert_eq!((kept.first, kept.events), (id.position, 1), "{what}: {key}");
        }
        known.push(key);
    }
    assert!(known.len() > 20, "{what}: {}", known.len());
    if is_last {
        (0..=6).for_each(|minute| log.expire(now_ms + minute * 60_000)); // as a server tells the time: what jumps is not believed
        for key in known {
            assert_eq!(log.receipt(key.as_bytes()).await.unwrap(), None, "{what}: {key}");
        }
    }
}

#[tokio::test]
async fn a_directory_of_an_earlier_version_has_everything_that_it_had() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        for life in 1..=2 {
            let what = format!("{version}, opened {life} times");
            let log = Disk::open(Options::new(dir.path())).unwrap();
            compare_streams(&log, &note, &what).await;
            compare_receipts(&log, &note, note["lastMs"].as_i64().unwrap(), life == 2, &what).await;
            let page = log.read(&of(&["_members"]), Position::START, log.head(), Limit::NONE).await.unwrap();
            let there = page.entries.iter().filter(|entry| entry.record.data != "null").count();
            assert_eq!(there, list(&note["members"], "general").len() + list(&note["members"], "side").len(), "{what}");
            log.close().await;
        }
        assert_eq!(Inspection::open(dir.path()).unwrap().verify().unwrap().problems, [""; 0], "{version}");
    }
}

#[tokio::test]
async fn who_only_looks_finds_everything_too() {
    for version in VERSIONS {
        let (dir, note) = written_by(version);
        let log = Inspection::open(dir.path()).unwrap();
        assert_eq!(log.verify().unwrap().problems, [""; 0], "{version}");
        let epochs: Vec<_> = log.stats().epochs.iter().map(|(epoch, _)| epoch.to_string()).collect();
        let told: Vec<_> = list(&note, "epochs").iter().map(|epoch| text(epoch, "epoch").to_owned()).collect();
        assert_eq!(epochs, told, "{version}");
        let entries: HashMap<_, _> =
            log.entries().map(|entry| entry.unwrap()).map(|entry| (entry.id.to_string(), entry)).collect();
        for (id, told) in note["events"].as_object().unwrap() {
            assert_eq!(&*entries[id].record.event, text(told, "event"), "{version}: {id}");
        }
    }
}
