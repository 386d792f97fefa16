use std::sync::Arc;

use super::super::options::Options;
use super::*;

/// Creates a log of three batches. Returns also where each of them ends.
fn three_batches() -> (tempfile::TempDir, Directory, PathBuf, Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::take(dir.path()).unwrap();
    let tables = Tables::open(&directory.db(), &Options::new(dir.path()), &Arc::default()).unwrap();
    let (_, log) = logs(&directory.db()).unwrap().pop().unwrap();
    let mut ends = Vec::new();
    for number in 1..=3 {
        let mut batch = tables.db.batch();
        let listed = codec::BatchEntry {
            topic: 1,
            keyed: false,
            bytes: 9,
            others: Vec::new(),
        };
        batch.insert(
            &tables.order,
            keys::position(Position::new(number)),
            codec::encode_batch(&[listed]),
        );
        batch.insert(&tables.topics, "a", vec![7; 2_000]);
        batch.remove(&tables.keys, "b");
        batch.commit().unwrap();
        tables.check().unwrap();
        let found = read(&log).unwrap();
        assert_eq!(
            (found.last, found.more),
            (Some(Position::new(number)), false)
        );
        ends.push(found.whole);
    }
    (dir, directory, log, ends)
}

#[test]
fn every_torn_end_is_cut_off_and_the_engine_opens_what_is_left() {
    let (_dir, directory, log, ends) = three_batches();
    let whole = std::fs::read(&log).unwrap();
    let end = usize::try_from(ends[2]).unwrap();
    let start = usize::try_from(ends[1]).unwrap();
    for torn in (start + 1..end).step_by(97).chain(end - 20..end) {
        let mut bytes = whole.clone();
        bytes.truncate(end + 100);
        bytes[torn..].fill(0); // the end is missing
        std::fs::write(&log, &bytes).unwrap();
        repair(&directory, &directory.db()).unwrap();
        assert_eq!(std::fs::metadata(&log).unwrap().len(), ends[1]);
        bytes[torn..].copy_from_slice(&whole[torn..end + 100]);
        let hole = torn.min(end - 1);
        bytes[hole] ^= 0xff; // only one byte in the middle is damaged
        std::fs::write(&log, &bytes).unwrap();
        repair(&directory, &directory.db()).unwrap();
        assert_eq!(
            std::fs::metadata(&log).unwrap().len(),
            ends[1],
            "damaged at {hole}"
        );
    }
    let tables = Tables::open(
        &directory.db(),
        &Options::new(directory.path()),
        &Arc::default(),
    )
    .unwrap();
    assert_eq!(tables.order.iter().count(), 2);
}

#[test]
fn nothing_that_was_on_the_device_is_cut_off() {
    let (dir, directory, log, ends) = three_batches();
    watermark::Watermark::open(dir.path())
        .unwrap()
        .set(Position::new(3))
        .unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[usize::try_from(ends[1]).unwrap() + 50] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    assert!(matches!(
        repair(&directory, &directory.db()),
        Err(OpenError::Lost {
            found: 2,
            synced: 3,
            ..
        })
    ));
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "it was left as it is");
}

#[test]
fn whole_batches_behind_a_bad_one_are_kept_in_a_file_and_a_torn_end_is_not() {
    let (_dir, directory, log, ends) = three_batches();
    let bytes = std::fs::read(&log).unwrap();
    let ends: Vec<_> = ends
        .iter()
        .map(|end| usize::try_from(*end).unwrap())
        .collect();
    // Damages the second batch: its first and last byte, a length, a key, and its number of items.
    for at in [
        ends[0],
        ends[1] - 1,
        ends[0] + 30,
        ends[0] + 40,
        ends[0] + 2,
    ] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        std::fs::write(&log, &damaged).unwrap();
        let cut = repair(&directory, &directory.db()).unwrap().unwrap();
        let kept = cut.kept.clone().unwrap();
        assert_eq!(
            std::fs::read(&kept).unwrap(),
            damaged[ends[0]..ends[2]],
            "byte {at}"
        );
        assert_eq!(std::fs::metadata(&log).unwrap().len(), ends[0] as u64);
        assert_eq!(directory.cut_files().unwrap(), 1);
        cut.undo().unwrap();
        assert!(std::fs::read(&log).unwrap() == damaged);
        assert_eq!(directory.cut_files().unwrap(), 0);
    }
    let mut torn = bytes;
    torn[ends[1] + 30] ^= 4;
    std::fs::write(&log, &torn).unwrap();
    assert!(
        repair(&directory, &directory.db())
            .unwrap()
            .unwrap()
            .kept
            .is_none()
    );
}

#[test]
fn a_completed_log_file_is_whole_or_damaged() {
    let (_dir, directory, log, ends) = three_batches();
    std::fs::write(log.with_file_name("1.jnl"), [0; 64]).unwrap();
    repair(&directory, &directory.db()).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[usize::try_from(ends[0]).unwrap() + 50] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let error = repair(&directory, &directory.db()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("db/0.jnl can't be read from byte {} on", ends[0])),
        "{error}"
    );
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "it was left as it is");
}
