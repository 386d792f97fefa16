//! The promises of a broker about snapshots and truncation.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use bytes::Bytes;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Broker, Commit, Failure, Mark, Opening, SnapshotId};

use crate::backend::{Backend, all, append, group, open, opening, texts};

fn id(name: &str) -> SnapshotId {
    SnapshotId(name.to_owned())
}

/// A commit of a snapshot that was taken at `trimmed`.
fn commit_of(name: &str, epoch: Epoch, expected: Mark, trimmed: Mark) -> Commit {
    Commit {
        epoch,
        snapshot: id(name),
        chunks: 1,
        taken_at: trimmed,
        expected,
        trimmed,
    }
}

/// Writes a snapshot of one chunk.
async fn write(broker: &dyn Broker, name: &str) {
    broker
        .write_chunk(&id(name), 0, Bytes::copy_from_slice(name.as_bytes()))
        .await
        .unwrap();
}

/// Opens the log and appends five groups. Returns their epoch and marks.
async fn filled(broker: &dyn Broker) -> (Epoch, Vec<Mark>) {
    let epoch = open(broker).await.state.epoch;
    let mut marks = Vec::new();
    for number in 0..5 {
        marks.push(append(broker, epoch, &group(&number.to_string(), 3)).await);
    }
    (epoch, marks)
}

pub async fn a_committed_snapshot_is_read_as_it_was_written(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let (epoch, marks) = filled(&*a).await;
    let chunks: Vec<Bytes> = (0..3_u8)
        .map(|nth| Bytes::from(vec![nth; 1 << (20 - nth)]))
        .collect();
    for (nth, chunk) in (0..).zip(&chunks) {
        a.write_chunk(&id("s"), nth, chunk.clone()).await.unwrap();
    }
    let commit = Commit {
        chunks: 3,
        ..commit_of("s", epoch, Mark(0), marks[1])
    };
    assert_eq!(a.commit(&commit).await, Ok(true));
    let state = open(&*b).await.state;
    assert_eq!(
        (state.snapshot, state.trimmed, state.head),
        (Some(id("s")), marks[1], marks[4])
    );
    for (nth, chunk) in (0..).zip(&chunks) {
        assert_eq!(
            b.read_chunk(&id("s"), nth).await.unwrap().as_ref(),
            Some(chunk)
        );
    }
    assert_eq!(b.read_chunk(&id("s"), 3).await, Ok(None));
}

pub async fn a_commit_truncates_the_log(backend: &dyn Backend) {
    let node = backend.node().await;
    let (epoch, marks) = filled(&*node).await;
    write(&*node, "s").await;
    assert_eq!(
        node.commit(&commit_of("s", epoch, Mark(0), marks[2])).await,
        Ok(true)
    );
    assert_eq!(texts(&all(&*node, marks[2], 1 << 20).await), ["3", "4"]);
    for cut in [Mark(0), marks[0], marks[1]] {
        let page = node.page(cut, 1 << 20).await;
        assert!(matches!(page, Err(Failure::Gone(_))), "{page:?}");
    }
    let next = append(&*node, epoch, &group("5", 1)).await;
    assert!(next > marks[4]);
    assert_eq!(texts(&all(&*node, marks[3], 1 << 20).await), ["4", "5"]);
}

pub async fn of_two_commits_one_takes_place(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let (epoch, marks) = filled(&*a).await;
    write(&*a, "a").await;
    write(&*b, "b").await;
    let (of_a, of_b) = (
        commit_of("a", epoch, Mark(0), marks[1]),
        commit_of("b", epoch, Mark(0), marks[2]),
    );
    let (by_a, by_b) = tokio::join!(a.commit(&of_a), b.commit(&of_b));
    let (by_a, by_b) = (by_a.unwrap(), by_b.unwrap());
    assert!(by_a != by_b, "both took place, or none");
    let state = open(&*a).await.state;
    let winner = if by_a {
        (Some(id("a")), marks[1])
    } else {
        (Some(id("b")), marks[2])
    };
    assert_eq!((state.snapshot, state.trimmed), winner);
}

pub async fn a_commit_of_another_epoch_does_nothing(backend: &dyn Backend) {
    let node = backend.node().await;
    let (epoch, marks) = filled(&*node).await;
    write(&*node, "s").await;
    let distrusting = Opening {
        distrusted: Some(epoch),
        ..opening("meta")
    };
    let opened = node.open(&distrusting).await.unwrap();
    assert_eq!(
        node.commit(&commit_of("s", epoch, Mark(0), marks[1])).await,
        Ok(false)
    );
    assert_eq!(open(&*node).await.state, opened.state);
}

pub async fn the_snapshot_before_the_newest_one_stays(backend: &dyn Backend) {
    let node = backend.node().await;
    let (epoch, marks) = filled(&*node).await;
    let mut expected = Mark(0);
    for (name, mark) in ["first", "second", "third"].into_iter().zip(&marks) {
        write(&*node, name).await;
        assert_eq!(
            node.commit(&commit_of(name, epoch, expected, *mark)).await,
            Ok(true)
        );
        expected = *mark;
    }
    for name in ["second", "third"] {
        assert_eq!(
            node.read_chunk(&id(name), 0).await.unwrap().as_deref(),
            Some(name.as_bytes())
        );
    }
    let gone = node.read_chunk(&id("first"), 0).await;
    assert!(matches!(gone, Err(Failure::Gone(_))), "{gone:?}");
}

pub async fn a_snapshot_that_was_not_committed_is_not_there(backend: &dyn Backend) {
    let node = backend.node().await;
    filled(&*node).await;
    write(&*node, "s").await;
    assert_eq!(open(&*node).await.state.snapshot, None);
    let chunk = node.read_chunk(&id("s"), 0).await;
    assert!(matches!(chunk, Err(Failure::Gone(_))), "{chunk:?}");
}
