//! What every home of the log promises, and what only the one on disk does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alike;
mod contract;
mod decides;
mod disk;
mod inspect;
mod replica;
mod retention;
mod rules;
mod upgrades;

use tidings_journal::{Append, Error, Journal, Limit, Position, Receipt, Record, Selector, TopicName};

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn of(names: &[&str]) -> Selector {
    Selector::topics(names.iter().map(|name| topic(name)).collect::<Vec<_>>())
}

fn record(names: &[&str], data: &str) -> Record {
    Record {
        topics: names.iter().map(|name| topic(name)).collect(),
        event: "e".into(),
        key: None,
        data: data.to_owned().into(),
        at_ms: 0,
        ends_key: false,
    }
}

fn status(service: &str, data: &str) -> Record {
    Record { key: Some(service.into()), ..record(&["system/status"], data) }
}

fn numbered(names: &[&str], numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers.map(|number| record(names, &number.to_string())).collect()
}

async fn all(journal: &dyn Journal, names: &[&str]) -> Vec<String> {
    let page = journal.read(&of(names), Position::START, journal.head(), Limit::NONE).await.unwrap();
    page.entries.iter().map(|entry| String::from_utf8(entry.record.data.to_vec()).unwrap()).collect()
}

/// Appends what nothing stands in the way of.
trait Put {
    /// Returns the position of the first.
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error>;
    /// The same, with a receipt.
    async fn put_with(&self, records: Vec<Record>, receipt: Option<Receipt>) -> Result<Position, Error>;
}

impl<J: Journal + ?Sized> Put for J {
    async fn put(&self, records: Vec<Record>) -> Result<Position, Error> {
        self.put_with(records, None).await
    }

    async fn put_with(&self, records: Vec<Record>, receipt: Option<Receipt>) -> Result<Position, Error> {
        let appended = self.append(Append::from(records).receipt(receipt)).await?;
        Ok(appended.first().unwrap_or_else(|| panic!("{appended:?}")))
    }
}
