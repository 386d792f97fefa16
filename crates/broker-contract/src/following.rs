//! The promises of a broker about readers that follow the log.
#![expect(missing_docs, reason = "a promise's name is what it promises")]

use std::time::Duration;

use bytes::Bytes;
use tidings_journal_shared::broker::{Broker, Follow, Live, Mark, Raw};

use crate::backend::{Backend, LIMIT, append, group, open, texts};

/// Reads `count` groups as a node does: what a live reader leaves out is read from the log.
async fn read(
    broker: &dyn Broker,
    reader: &mut dyn Follow,
    mut after: Mark,
    count: usize,
) -> Vec<Raw> {
    let mut found: Vec<Raw> = Vec::new();
    // What a page has returned may come from the reader, too, which does not know of the page.
    let mut told = Mark(0);
    while found.len() < count {
        let live = tokio::time::timeout(LIMIT, reader.next())
            .await
            .unwrap()
            .unwrap();
        let behind = match live {
            Live::Groups(groups) => {
                assert!(
                    groups.is_sorted_by_key(|raw| raw.mark),
                    "groups come in the order of the log"
                );
                assert!(
                    groups.iter().all(|raw| raw.mark > told),
                    "a group comes once"
                );
                told = groups.last().map_or(told, |raw| raw.mark);
                groups.last().map(|raw| raw.mark)
            }
            Live::Alive(state) => Some(state.head),
            Live::Message(_) => None,
        };
        if behind.is_some_and(|mark| mark > after) {
            let page = broker.page(after, 1 << 20).await.unwrap();
            found.extend(page.into_iter().filter(|raw| Some(raw.mark) <= behind));
            after = found.last().map_or(after, |raw| raw.mark);
        }
    }
    found
}

pub async fn a_reader_gets_what_is_appended_in_order(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let opened = open(&*a).await;
    let mut reader = b.follow(opened.state.head).await.unwrap();
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for text in &expected {
        append(&*a, opened.state.epoch, &group(text, 2)).await;
    }
    let found = read(&*b, &mut *reader, opened.state.head, 100).await;
    assert_eq!(texts(&found), expected);
}

pub async fn a_reader_begins_after_its_mark(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    append(&*node, opened.state.epoch, &group("before", 1)).await;
    let mark = append(&*node, opened.state.epoch, &group("there", 1)).await;
    append(&*node, opened.state.epoch, &group("after", 1)).await;
    let mut reader = node.follow(mark).await.unwrap();
    assert_eq!(texts(&read(&*node, &mut *reader, mark, 1).await), ["after"]);
}

pub async fn a_quiet_reader_learns_the_state_of_the_log(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let mut reader = node.follow(opened.state.head).await.unwrap();
    for _ in 0..2 {
        let live = tokio::time::timeout(LIMIT, reader.next())
            .await
            .unwrap()
            .unwrap();
        let Live::Alive(state) = live else {
            panic!("{live:?}")
        };
        assert_eq!(state, opened.state);
    }
}

pub async fn a_reader_that_is_not_polled_for_a_while_misses_nothing(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let mut reader = node.follow(opened.state.head).await.unwrap();
    append(&*node, opened.state.epoch, &group("0", 1)).await;
    let mut found = read(&*node, &mut *reader, opened.state.head, 1).await;
    for number in 1..300 {
        append(&*node, opened.state.epoch, &group(&number.to_string(), 1)).await;
    }
    found.extend(read(&*node, &mut *reader, found[0].mark, 299).await);
    assert_eq!(
        texts(&found),
        (0..300)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
}

pub async fn waiting_for_news_can_be_cancelled(backend: &dyn Backend) {
    let node = backend.node().await;
    let opened = open(&*node).await;
    let mut reader = node.follow(opened.state.head).await.unwrap();
    let (mut found, mut after) = (Vec::new(), opened.state.head);
    for number in 0..50 {
        append(&*node, opened.state.epoch, &group(&number.to_string(), 1)).await;
        for _ in 0..3 {
            let wait = tokio::time::timeout(Duration::from_micros(50), reader.next()).await;
            if let Ok(Ok(Live::Groups(groups))) = wait {
                // What is lost on the way is lost without being cancelled too.
                let page = node.page(after, 1 << 20).await.unwrap();
                let last = groups.last().unwrap().mark;
                if groups[0].previous.is_some() {
                    assert_eq!(groups[0], page[0], "a reader of this broker misses nothing");
                }
                found.extend(page.into_iter().filter(|raw| raw.mark <= last));
                after = last;
            }
        }
    }
    let left = 50 - found.len();
    found.extend(read(&*node, &mut *reader, after, left).await);
    assert_eq!(
        texts(&found),
        (0..50).map(|number| number.to_string()).collect::<Vec<_>>()
    );
}

pub async fn a_message_reaches_every_reader(backend: &dyn Backend) {
    let (a, b) = (backend.node().await, backend.node().await);
    let head = open(&*a).await.state.head;
    let (mut own, mut other) = (a.follow(head).await.unwrap(), b.follow(head).await.unwrap());
    let message = Bytes::from_static(b"hello\r\n\0");
    for reader in [&mut own, &mut other] {
        let heard = async {
            loop {
                // A message may be lost, so it is sent again until it arrives.
                a.send(message.clone()).await.unwrap();
                if let Live::Message(heard) = reader.next().await.unwrap() {
                    return heard;
                }
            }
        };
        assert_eq!(tokio::time::timeout(LIMIT, heard).await.unwrap(), message);
    }
}
