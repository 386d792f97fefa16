//! The promises of a broker about logs and epochs.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use tidings_journal_shared::broker::{Failure, Mark, Opening};
use tokio::task::JoinSet;

use crate::backend::{Backend, all, append, group, open, opening, texts};

pub async fn the_first_opening_creates_the_log_and_later_ones_find_it(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let first = opening("first");
    let opened = a.open(&first).await.unwrap();
    assert_eq!(
        (&opened.state.log, opened.state.epoch, &*opened.meta),
        (&first.log, first.epoch.0, &b"first"[..])
    );
    assert_eq!(
        (opened.state.trimmed, &opened.state.snapshot),
        (Mark(0), &None)
    );
    let mark = append(&*a, opened.state.epoch, &group("1", 1)).await;
    for node in [&a, &b] {
        let again = node.open(&opening("second")).await.unwrap();
        assert_eq!(
            (&again.state.log, again.state.epoch),
            (&opened.state.log, opened.state.epoch)
        );
        assert_eq!((again.state.head, again.meta), (mark, opened.meta.clone()));
    }
}

pub async fn an_epoch_begins_with_its_group(backend: &dyn Backend) {
    let node = backend.node().await;
    let first = opening("meta");
    let opened = node.open(&first).await.unwrap();
    append(&*node, opened.state.epoch, &group("1", 1)).await;
    let second = Opening {
        distrusted: Some(opened.state.epoch),
        ..opening("meta")
    };
    let opened = node.open(&second).await.unwrap();
    assert_eq!(opened.state.epoch, second.epoch.0);
    append(&*node, opened.state.epoch, &group("2", 1)).await;
    let epochs = [
        format!("epoch {}", first.epoch.0),
        format!("epoch {}", second.epoch.0),
    ];
    assert_eq!(
        texts(&all(&*node, Mark(0), 1 << 20).await),
        [&epochs[0], "1", &epochs[1], "2"]
    );
}

pub async fn nodes_that_open_at_the_same_time_get_the_same_log(backend: &dyn Backend) {
    let mut openings = JoinSet::new();
    for number in 0..5 {
        let node = backend.node().await;
        openings.spawn(async move { node.open(&opening(&number.to_string())).await.unwrap() });
    }
    let opened = openings.join_all().await;
    assert!(
        opened
            .iter()
            .all(|one| one.state == opened[0].state && one.meta == opened[0].meta),
        "{opened:?}"
    );
    assert_eq!(
        all(&*backend.node().await, Mark(0), 1 << 20).await.len(),
        1,
        "one epoch began"
    );
}

pub async fn a_distrusted_epoch_ends_once(backend: &dyn Backend) {
    let node = backend.node().await;
    let epoch = open(&*node).await.state.epoch;
    let distrusting = || Opening {
        distrusted: Some(epoch),
        ..opening("meta")
    };
    let next = node.open(&distrusting()).await.unwrap().state.epoch;
    assert_ne!(next, epoch);
    assert_eq!(
        node.open(&distrusting()).await.unwrap().state.epoch,
        next,
        "it had ended already"
    );
}

pub async fn an_epoch_that_is_not_the_current_one_is_not_distrusted(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let stranger = Opening {
        distrusted: Some(opening("meta").epoch.0),
        ..opening("meta")
    };
    assert_eq!(node.open(&stranger).await.unwrap().state, opened.state);
}

pub async fn nodes_that_distrust_the_same_epoch_begin_one(backend: &dyn Backend) {
    let epoch = open(&*backend.node().await).await.state.epoch;
    let mut openings = JoinSet::new();
    for _ in 0..5 {
        let node = backend.node().await;
        let opening = Opening {
            distrusted: Some(epoch),
            ..opening("meta")
        };
        openings.spawn(async move { node.open(&opening).await.unwrap().state });
    }
    let states = openings.join_all().await;
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    assert_eq!(all(&*backend.node().await, Mark(0), 1 << 20).await.len(), 2);
}

pub async fn an_append_in_an_epoch_that_ended_does_nothing(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let epoch = open(&*a).await.state.epoch;
    let opening = Opening {
        distrusted: Some(epoch),
        ..opening("meta")
    };
    let opened = b.open(&opening).await.unwrap();
    let refused = a.append(epoch, &group("late", 1)).await;
    assert!(matches!(refused, Err(Failure::Reopen(_))), "{refused:?}");
    assert_eq!(open(&*a).await.state, opened.state);
}

pub async fn a_restarted_server_takes_no_append_before_it_was_opened(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let opened = open(&*a).await;
    append(&*a, opened.state.epoch, &group("1", 1)).await;
    if !backend.restart().await {
        return;
    }
    let before = loop {
        // The connection may have to be made anew, which is up to the caller.
        match b.append(opened.state.epoch, &group("2", 1)).await {
            Err(Failure::Unsure(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            other => break other,
        }
    };
    assert!(matches!(before, Err(Failure::Reopen(_))), "{before:?}");
    let reopened = b.open(&opening("meta")).await.unwrap();
    assert_eq!(reopened.state.log, opened.state.log);
    assert_ne!(reopened.state.epoch, opened.state.epoch);
    append(&*b, reopened.state.epoch, &group("3", 1)).await;
    let groups = texts(&all(&*b, Mark(0), 1 << 20).await);
    assert_eq!(groups.len(), 4, "{groups:?}");
    assert_eq!((&*groups[1], &*groups[3]), ("1", "3"));
}
