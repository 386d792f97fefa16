use super::*;
use crate::{Disk, Options};
use tidings_journal::{Journal as _, Record, TopicName};
use tidings_journal_contract::Put as _;

fn record(key: &str, ends_key: bool) -> Record {
    Record {
        topics: [TopicName::parse("_members").unwrap()].into(),
        event: "e".into(),
        key: Some(key.into()),
        data: "x".into(),
        at_ms: 0,
        ends_key,
    }
}

/// Damage of a record that ended its key does not affect a reader of live records.
#[tokio::test]
async fn a_damaged_record_without_a_key_hides_no_record_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(Options::new(dir.path())).unwrap();
    for record in [
        record("ann", false),
        record("bob", false),
        record("bob", true),
        record("cem", false),
    ] {
        disk.put(vec![record]).await.unwrap();
    }
    let members = Selector::topics([TopicName::parse("_members").unwrap()]);
    let live = async || {
        let page = disk
            .read_keyed(&members, Position::START, disk.head(), Limit::NONE)
            .await
            .unwrap();
        let keys: Vec<_> = page
            .entries
            .iter()
            .map(|entry| entry.record.key.clone().unwrap().to_string())
            .collect();
        (keys, page.damaged)
    };
    let expected = (vec!["ann".to_owned(), "cem".to_owned()], false);
    assert_eq!(live().await, expected);
    let id = disk
        .log
        .topics
        .read()
        .get(&members.as_slice()[0])
        .unwrap()
        .row
        .id;
    let end = keys::event(id, Kind::Plain, Position::new(3));
    disk.log.tables.events[keys::shard(id)]
        .insert(end, [0xff; 16])
        .unwrap();
    disk.log.show(disk.head());
    assert_eq!(live().await, expected);
    assert!(
        disk.read(&members, Position::START, disk.head(), Limit::NONE)
            .await
            .unwrap()
            .damaged
    );
}
