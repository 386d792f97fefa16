//! The promises of a broker about groups and their order.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use bytes::Bytes;
use tidings_journal_shared::broker::{Encoded, Mark, Placed, Tag};
use tokio::task::JoinSet;

use crate::backend::{Backend, all, append, group, open, texts};

pub async fn groups_come_back_as_they_were_appended(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let mut marks = Vec::new();
    for (text, positions) in [("a", 1), ("bb", 5), ("ccc", 1_000)] {
        marks.push(append(&*node, opened.state.epoch, &group(text, positions)).await);
    }
    assert!(
        opened.state.head < marks[0] && marks.is_sorted(),
        "{marks:?}"
    );
    let groups = all(&*node, opened.state.head, 1 << 20).await;
    assert_eq!(texts(&groups), ["a", "bb", "ccc"]);
    assert_eq!(groups.iter().map(|raw| raw.mark).collect::<Vec<_>>(), marks);
    assert_eq!(open(&*node).await.state.head, marks[2]);
}

pub async fn pages_join_without_a_hole_whatever_their_size(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let expected: Vec<String> = (0..60)
        .map(|number: usize| format!("{number} {}", "x".repeat(number * 10)))
        .collect();
    for text in &expected {
        append(&*node, opened.state.epoch, &group(text, 3)).await;
    }
    for bytes in [1, 500, 5_000, 1 << 20] {
        assert_eq!(
            texts(&all(&*node, opened.state.head, bytes).await),
            expected,
            "pages of {bytes} bytes"
        );
    }
    let page = node.page(opened.state.head, 1_000).await.unwrap();
    assert!(
        !page.is_empty() && page.len() < 60,
        "a page of 1,000 bytes has {} groups",
        page.len()
    );
}

pub async fn a_page_after_the_head_is_empty(backend: &dyn Backend) {
    let node = backend.node().await;
    let head = open(&*node).await.state.head;
    assert_eq!(node.page(head, 1 << 20).await, Ok(Vec::new()));
    assert_eq!(node.page(Mark(head.0 + 100), 1 << 20).await, Ok(Vec::new()));
}

pub async fn a_group_says_which_one_it_follows(backend: &dyn Backend) {
    let node = backend.node().await;
    let epoch = open(&*node).await.state.epoch;
    for number in 0..10 {
        append(&*node, epoch, &group(&number.to_string(), 1 + number)).await;
    }
    let groups = all(&*node, Mark(0), 1 << 20).await;
    for pair in groups.windows(2) {
        match pair[1].previous {
            Some(previous) => assert_eq!(previous, Tag::of(&pair[0].bytes)),
            None => assert_eq!(
                pair[1].mark.0,
                pair[0].mark.0 + 1,
                "without tags, marks have no gaps"
            ),
        }
    }
}

pub async fn the_answer_to_an_append_is_what_readers_are_told(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let mut placed = Vec::new();
    for number in 0..5 {
        placed.push(
            node.append(opened.state.epoch, &group(&number.to_string(), 1 + number))
                .await
                .unwrap(),
        );
    }
    let groups = all(&*node, opened.state.head, 1 << 20).await;
    for (placed, raw) in placed.iter().zip(&groups) {
        match placed {
            Placed::Whole(whole) => assert_eq!(whole, raw),
            Placed::At(mark) => assert_eq!(*mark, raw.mark),
        }
    }
    assert_eq!(placed.len(), groups.len());
}

pub async fn groups_of_several_nodes_get_one_order(backend: &dyn Backend) {
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let node = backend.node().await;
        let epoch = open(&*node).await.state.epoch;
        writers.spawn(async move {
            let mut marks = Vec::new();
            for number in 0..25 {
                marks.push(append(&*node, epoch, &group(&format!("{writer}.{number}"), 2)).await);
            }
            marks
        });
    }
    let marks: Vec<_> = writers.join_all().await.concat();
    let (a, b) = (backend.node().await, backend.node().await);
    let groups = all(&*a, Mark(0), 700).await;
    assert_eq!(
        groups.len(),
        101,
        "a group of the epoch and one for each append"
    );
    assert_eq!(all(&*b, Mark(0), 1 << 20).await, groups);
    for writer in 0..4 {
        let own = groups
            .iter()
            .filter(|raw| raw.bytes.starts_with(format!("{writer}.").as_bytes()));
        let numbers: Vec<_> = own
            .map(|raw| String::from_utf8_lossy(&raw.bytes).into_owned())
            .collect();
        assert_eq!(
            numbers,
            (0..25)
                .map(|number| format!("{writer}.{number}"))
                .collect::<Vec<_>>()
        );
    }
    assert!(groups[1..].iter().all(|raw| marks.contains(&raw.mark)));
}

pub async fn the_time_of_the_broker_does_not_go_back(backend: &dyn Backend) {
    let node = backend.node().await;
    let epoch = open(&*node).await.state.epoch;
    for _ in 0..5 {
        append(&*node, epoch, &group("x", 1)).await;
    }
    let times: Vec<_> = all(&*node, Mark(0), 1 << 20)
        .await
        .iter()
        .map(|raw| raw.ms)
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(
        times[0] > 1_700_000_000_000,
        "milliseconds since 1970: {times:?}"
    );
}

pub async fn any_bytes_can_be_a_group(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let groups = [
        Bytes::from(every),
        Bytes::from_static(b"\r\n+OK\r\n"),
        Bytes::from_static(b"\0"),
    ];
    for bytes in &groups {
        append(&*node, opened.state.epoch, &Encoded::new(bytes.clone(), 1)).await;
    }
    let found: Vec<_> = all(&*node, opened.state.head, 1 << 20)
        .await
        .into_iter()
        .map(|raw| raw.bytes)
        .collect();
    assert_eq!(found, groups);
}
