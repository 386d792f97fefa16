//! The ordered log behind Tidings: one trait, several homes.
//!
//! Everything that is published is appended to one log. The log decides the order: when it commits, an entry gets the
//! next [`Position`], and with the log's [`Epoch`] that makes the [`EventId`] under which clients come back. This crate
//! knows nothing of subscribers or HTTP.
//!
//! # Layout
//!
//! - [`topic`]: the addresses events are published to
//! - `id`, `epochs`: where an event stands, and whether a cursor belongs to this log
//! - `entry`: what is written and read
//! - `append`: what is appended in one step, and what came of it; `bounds`: how many keys there may be
//! - `receipt`: by what a repeated append is known
//! - `rule`: how much single topics keep
//! - [`replica`]: the log as one reader has it, a plain data structure
//! - [`memory`]: the log in memory, for tests and for those who need no more
//! - `tail`: the end of the log as it grows
//! - `clock`: the time by which the log decides what has expired, the same for every reader
//! - `timeline`: the time by which records age, whatever is done to the wall clock
//! - `vitals`: what a log tells of itself to those who watch it

mod append;
mod bounds;
mod clock;
mod entry;
mod epochs;
mod id;
pub mod memory;
mod pattern;
mod receipt;
pub mod replica;
mod rule;
mod tail;
mod timeline;
pub mod topic;
mod vitals;

use std::sync::Arc;

pub use append::{Append, Appended, Condition};
pub use bounds::{Bounds, Pool, PoolCounts};
pub use clock::LogClock;
pub use entry::{Earlier, Entry, Holding, Limit, Page, Record, Selector};
pub use epochs::{Epochs, Stray};
pub use id::{Epoch, Error as IdError, EventId, Position};
pub use memory::Memory;
pub use pattern::{Error as PatternError, Pattern};
pub use receipt::{Kept, Receipt};
pub use replica::Replica;
pub use rule::Rule;
pub use tail::{News, Tails};
pub use timeline::{Look, Timeline};
pub use topic::{Segment, TopicName};
pub use vitals::{DiskVitals, PoolVitals, Times, Vitals};

/// Why the log did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The log takes no appends any more. What was appended before stays readable.
    #[error("the journal is closed for writing: {0}")]
    Closed(String),
    /// What was to be appended is larger than the log takes. It is not in the log.
    #[error("{0}")]
    TooLarge(String),
    /// A part of the log is damaged, and will be as unreadable at the next try.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// What was asked for can't be read.
    #[error("the journal can't be read: {0}")]
    Unreadable(String),
    /// The log gave no answer that can be relied on: it took too long, or its history changed meanwhile. What was to be appended
    /// may be in the log or not. Another try may go well.
    #[error("the journal is not certain: {0}")]
    Uncertain(String),
}

/// The ordered log. One per process, shared by all.
#[async_trait::async_trait]
pub trait Journal: Send + Sync + 'static {
    /// The current epoch and the earlier ones. Never older than anything that an append, a read or [`Journal::head`] has
    /// returned. The same [`Arc`] until an epoch begins.
    fn epochs(&self) -> Arc<Epochs>;

    /// The position of the newest entry.
    fn head(&self) -> Position;

    /// Appends a unit, all or nothing, at consecutive positions, and says what came of it once the log's promise holds. The
    /// log decides, in one step under its order: two that append at the same time can't both be right.
    ///
    /// Dropping the future does not take the unit back. After an error it may be in the log or not.
    async fn append(&self, append: Append) -> Result<Appended, Error>;

    /// The live receipt with this key. A repetition is known by it before it is appended; whether it is one, only
    /// [`Journal::append`] decides.
    async fn receipt(&self, key: &[u8]) -> Result<Option<Kept>, Error>;

    /// Returns once this journal has all that the log had when it was called: entries, epochs, keys, and the positions that are
    /// not to be seen. Only then is it true of an id that it is ahead of the log or of no epoch of it, and of a key that it is
    /// not there: a copy of the log may not have heard of them yet. What the tail has yet to return may be behind it.
    ///
    /// At once where no other process appends to the log. A stranger can have this called as often as they like, so a journal
    /// that has to ask somebody serves all who wait with one question, and asks at most once a second. Fails where nobody
    /// answers; then nothing may be guessed.
    async fn certain(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Every entry appended from now on, in order, once, after the promise holds for it, and what happens to the log's history.
    fn tail(&self) -> Box<dyn Tail>;

    /// The entries of `selector` after `after`, up to and including `until`, oldest first, as many as `limit` allows. What is
    /// damaged is left out, and counts as trimmed: see [`Page::damaged`].
    async fn read(&self, selector: &Selector, after: Position, until: Position, limit: Limit) -> Result<Page, Error>;

    /// As [`Journal::read`], but of the live entries with a key alone: what is remembered, not what was said of it and is over.
    async fn read_keyed(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let mut page = self.read(selector, after, until, limit).await?;
        page.entries.retain(|entry| entry.record.is_keyed());
        Ok(page)
    }

    /// The newest entries of `selector` before `before`, oldest first, as many as `limit` allows. They end at the highest
    /// position ever trimmed away from one of the topics, where [`Journal::read`] begins.
    async fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error>;

    /// The position of the oldest entry of `selector` that is kept.
    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error>;

    /// The highest position ever trimmed away from one of the topics of `selector`: a cursor below it would miss
    /// something. An entry that was superseded by a newer one of its key does not count as trimmed.
    fn floor(&self, selector: &Selector) -> Position;

    /// Whether the log has a place for `topic` already: something of it is kept, or was and its floor is remembered. Publishing
    /// to a topic that is not known makes one, which takes memory. Never waits for the device.
    fn knows(&self, topic: &TopicName) -> bool;

    /// The topics whose name begins with `prefix` and comes after `after`, by name, at most `most` of them: those of which
    /// something is kept, and those whose floor is remembered. Never waits for the device.
    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding>;

    /// Erases every entry that stands in one of `topics` at or below `until`, from all topics that it stands in. Entries with a
    /// key go too.
    ///
    /// Once it returns, no read returns any of them, after any crash, and the floor of each of their topics is at least as
    /// high as the highest erased position in it. Returns these topics with their floors. In a topic that is not one of
    /// `topics`, entries below its new floor may be hidden with it. After an error some may be erased and others not. Dropping
    /// the future does not stop it.
    async fn erase(&self, topics: &[TopicName], until: Position) -> Result<Vec<(TopicName, Position)>, Error>;

    /// Lets go of what is older than the log keeps, given the time now in milliseconds since 1970: in log time, not the wall
    /// clock's (see [`Timeline`]). It tells the log's own clock the time too, which hears of it by nothing else while nothing is
    /// appended.
    fn expire(&self, now_ms: i64);

    /// The time by which the log decides what has expired, in milliseconds since 1970: see [`LogClock`].
    fn log_ms(&self) -> i64;

    /// The log's time as the last process left it; `None` if nothing is known of it.
    fn kept_time(&self) -> Option<Timeline> {
        None
    }

    /// Ages records by `timeline` from now on, and keeps it for the next process. By itself it does nothing: records are as old
    /// as they say.
    fn keep_time(&self, timeline: &Timeline) {
        let _ = timeline;
    }

    /// Whether the log takes appends; if not, why, and what to do about it. Gets better by itself only where it says so.
    fn health(&self) -> Result<(), Error>;

    /// How the log fares. Never waits for the device.
    fn vitals(&self) -> Vitals {
        Vitals::default()
    }

    /// Takes no more appends, and returns once everything is as safe as it can be. Reads go on.
    async fn close(&self);
}

/// The end of the log, as it grows.
#[async_trait::async_trait]
pub trait Tail: Send {
    /// Waits for what is new. Cancel-safe: what was not returned comes next time.
    async fn next(&mut self) -> Result<News, Error>;
}
