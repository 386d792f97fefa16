use bytes::Bytes;
use tidings_journal::{Epoch, Position};

use super::*;
use crate::broker::{Commit, Encoded, Follow, Opened, Opening, Placed, Tag};

/// A broker that has these groups and returns them all.
struct Having(Vec<Raw>);

fn no<T>() -> Result<T, Failure> {
    Err(Failure::Unusable("it only reads".to_owned()))
}

#[async_trait::async_trait]
impl Broker for Having {
    async fn open(&self, _: &Opening) -> Result<Opened, Failure> {
        no()
    }

    async fn append(&self, _: Epoch, _: &Encoded) -> Result<Placed, Failure> {
        no()
    }

    async fn page(&self, after: Mark, _: usize) -> Result<Vec<Raw>, Failure> {
        Ok(self
            .0
            .iter()
            .filter(|raw| raw.mark > after)
            .cloned()
            .collect())
    }

    async fn follow(&self, _: Mark) -> Result<Box<dyn Follow>, Failure> {
        no()
    }

    async fn write_chunk(&self, _: &SnapshotId, _: u32, _: Bytes) -> Result<(), Failure> {
        no()
    }

    async fn commit(&self, _: &Commit) -> Result<bool, Failure> {
        no()
    }

    async fn read_chunk(&self, _: &SnapshotId, _: u32) -> Result<Option<Bytes>, Failure> {
        no()
    }

    async fn send(&self, _: Bytes) -> Result<(), Failure> {
        no()
    }
}

/// A log that has one group for each letter.
fn log(letters: &'static str) -> Vec<Raw> {
    let letters = letters.as_bytes().chunks(1).zip(1..);
    letters
        .map(|(letter, mark)| Raw {
            mark: Mark(mark),
            previous: None,
            ms: 0,
            bytes: Bytes::from_static(letter),
        })
        .collect()
}

fn newest(letters: &'static str) -> Place {
    log(letters).last().map_or(Place::default(), |raw| Place {
        mark: raw.mark,
        tag: Tag::of(&raw.bytes),
        position: Position::new(raw.mark.0),
    })
}

async fn after(newest: Place, letters: &'static str) -> Result<Vec<Bytes>, Failure> {
    let page = page_after(&Having(log(letters)), newest, false).await?;
    Ok(page.into_iter().map(|raw| raw.bytes).collect())
}

#[tokio::test]
async fn what_follows_the_newest_group_is_read() {
    assert_eq!(
        after(newest("ab"), "abcd").await,
        Ok(vec!["c".into(), "d".into()])
    );
    assert_eq!(
        after(newest(""), "ab").await,
        Ok(vec!["a".into(), "b".into()])
    );
    assert_eq!(after(newest("ab"), "ab").await, Ok(Vec::new()));
    assert_eq!(after(newest("abc"), "a").await, Ok(Vec::new()));
}

#[tokio::test]
async fn what_follows_another_group_at_the_same_number_is_of_another_line() {
    let found = after(newest("ab"), "axcd").await;
    assert!(matches!(found, Err(Failure::Reopen(_))));
}
