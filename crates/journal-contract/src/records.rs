//! Functions that make records and read them back.

use std::sync::Arc;

use tidings_journal::{
    Append, Entry, Error, EventId, Journal, Limit, Position, Receipt, Record, Selector, TopicName,
};

/// The topic with this name.
pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// The entries of the topics with these names.
pub fn selector(names: &[&str]) -> Selector {
    Selector::topics(names.iter().map(|name| topic(name)).collect::<Vec<_>>())
}

/// A record without a key, published at the beginning of 1970.
pub fn record(names: &[&str], data: &str) -> Record {
    Record {
        topics: names.iter().map(|name| topic(name)).collect(),
        event: "e".into(),
        key: None,
        data: data.to_owned().into(),
        at_ms: 0,
        ends_key: false,
    }
}

/// A record with a key: the status of a service.
pub fn status(service: &str, data: &str) -> Record {
    Record {
        key: Some(service.into()),
        ..record(&["system/status"], data)
    }
}

/// Records whose data are these numbers.
pub fn numbered(names: &[&str], numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers
        .map(|number| record(names, &number.to_string()))
        .collect()
}

/// The data of all entries of these topics.
pub async fn all(journal: &dyn Journal, names: &[&str]) -> Vec<String> {
    let page = journal
        .read(
            &selector(names),
            Position::START,
            journal.head(),
            Limit::NONE,
        )
        .await
        .unwrap();
    page.entries
        .iter()
        .map(|entry| String::from_utf8(entry.record.data.to_vec()).unwrap())
        .collect()
}

/// The positions of `entries`.
pub fn numbers(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries
        .iter()
        .map(|entry| entry.id.position.get())
        .collect()
}

/// The id of the event at a position.
pub fn id(journal: &dyn Journal, position: u64) -> EventId {
    journal.epochs().id_of(Position::new(position))
}

/// Appends records without a condition. Panics unless they were appended.
#[expect(async_fn_in_trait, reason = "for tests, which run on one thread")]
pub trait Put {
    /// Returns the position of the first record.
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error>;

    /// Appends with a receipt, and returns the position of the first record.
    async fn put_with(
        &self,
        records: Vec<Record>,
        receipt: Option<Receipt>,
    ) -> Result<Position, Error>;
}

impl<J: Journal + ?Sized> Put for J {
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error> {
        self.put_with(records, None).await
    }

    async fn put_with(
        &self,
        records: Vec<Record>,
        receipt: Option<Receipt>,
    ) -> Result<Position, Error> {
        let appended = self.append(Append::from(records).receipt(receipt)).await?;
        Ok(appended.first().unwrap_or_else(|| panic!("{appended:?}")))
    }
}
