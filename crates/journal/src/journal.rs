//! The trait of every log.

use std::sync::Arc;

use crate::{
    Append, Appended, Earlier, Epochs, Error, EventId, Holding, Limit, Page, Position, Selector,
    StoredReceipt, Tail, Timeline, TopicName, Vitals,
};

/// The ordered log. A process has one, and all of its parts share it.
#[async_trait::async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Returns the current epoch and the earlier ones. The answer is never older than what an
    /// append, a read or [`Journal::head`] has returned. It is the same [`Arc`] until an epoch
    /// begins.
    fn epochs(&self) -> Arc<Epochs>;

    /// Returns the position of the newest entry.
    fn head(&self) -> Position;

    /// Appends a unit at consecutive positions, either all of it or none, and returns the outcome
    /// once the unit is as durable as the log promises. The log decides in one step and in its own
    /// order, so two concurrent appends can't both meet the same condition.
    ///
    /// Dropping the future does not withdraw the unit. After an error, the unit may be in the log
    /// or not.
    async fn append(&self, append: Append) -> Result<Appended, Error>;

    /// Returns the live receipt with this key. A caller can use it to recognize a repetition early,
    /// but only [`Journal::append`] decides whether an append is one.
    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error>;

    /// Returns once this journal has everything that the log had when the call began: entries,
    /// epochs, keys, and the positions that are never shown. Only then can it be said that an id is
    /// ahead of the log, that an epoch is unknown, or that a key is absent, because a copy of a log
    /// may lag behind it. The tail may still have to return entries that were received.
    ///
    /// The default returns at once, which is right if no other process appends to the log. Clients
    /// can cause very many of these calls. An implementation that has to ask another process must
    /// therefore answer all waiting callers with one question, and ask at most once a second. The
    /// call fails if there is no answer, and nothing may be assumed then.
    async fn certain(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns a reader of everything that is appended from now on, in order and exactly once,
    /// after it has become durable, and of what happens to the log's history.
    fn tail(&self) -> Box<dyn Tail>;

    /// Returns the entries of `selector` after `after`, up to and including `until`, oldest first,
    /// as many as `limit` allows. Damaged entries are left out and count as trimmed, see
    /// [`Page::damaged`].
    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error>;

    /// Reads like [`Journal::read`], but returns only the live entries that have a key. Records
    /// that ended a key are left out.
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

    /// Returns the newest entries of `selector` before `before`, oldest first, as many as `limit`
    /// allows. They end at the highest position that was ever trimmed from one of the topics, which
    /// is where [`Journal::read`] begins.
    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error>;

    /// Returns the position of the oldest entry of `selector` that is kept. Entries that a topic
    /// hides because they are at or below its floor do not count.
    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error>;

    /// Returns the highest position that was ever trimmed from one of the topics of `selector`. A
    /// cursor below it would miss entries. An entry that was superseded by a newer one with the
    /// same key does not count as trimmed.
    fn floor(&self, selector: &Selector) -> Position;

    /// Returns whether the log has state for `topic`: entries that are kept, or the floor of
    /// entries that were trimmed. Publishing to an unknown topic creates such state, which takes
    /// memory. Never waits for the device.
    fn knows(&self, topic: &TopicName) -> bool;

    /// Returns the topics whose names begin with `prefix` and come after `after`, sorted by name,
    /// at most `most` of them. It lists the topics that hold entries and those whose floor is
    /// remembered. Never waits for the device.
    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding>;

    /// Erases every entry at or below `until` that stands in one of `topics`, with or without a
    /// key. Each erased entry disappears from all topics that it stands in. Fails with
    /// [`Error::Uncertain`], and erases nothing, if `until` is not an id of the log's history at
    /// that moment: its position may belong to a different event.
    ///
    /// Once this returns, no read returns an erased entry, not even after a crash, and the floor of
    /// each affected topic is at least its highest erased position. Returns the affected topics
    /// with their floors. In a topic that is not one of `topics`, older entries below the new floor
    /// may be hidden too. After an error, some entries may be erased and others not. Dropping the
    /// future does not stop the operation.
    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error>;

    /// Removes what is older than the log keeps. `now_ms` is the current time in milliseconds since
    /// 1970, in log time rather than wall clock time (see [`Timeline`]). The call also sets the
    /// log's clock, which learns the time from nothing else while nothing is appended.
    fn expire(&self, now_ms: i64);

    /// Returns the time of the log's clock in milliseconds since 1970, see [`LogClock`](crate::LogClock).
    fn log_ms(&self) -> i64;

    /// Returns the timeline of the log as the last process stored it, or `None` if it is not known.
    fn kept_time(&self) -> Option<Timeline> {
        None
    }

    /// Ages records by `timeline` from now on, and stores it for the next process. The default does
    /// nothing, and records are as old as their timestamps say.
    fn keep_time(&self, timeline: &Timeline) {
        let _ = timeline;
    }

    /// Returns whether the log takes appends. The error says why not, and what the operator can do.
    /// A log recovers by itself only if the error says so.
    fn health(&self) -> Result<(), Error>;

    /// Returns figures for monitoring. Never waits for the device.
    fn vitals(&self) -> Vitals {
        Vitals::default()
    }

    /// Refuses further appends, and returns once everything is as durable as it can be. Reads go
    /// on.
    async fn close(&self);
}
