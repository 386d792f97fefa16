//! A copy of a log, like one that a server has of the log of a broker: it may be behind the log,
//! and the log may lose its end, as in a failover.
#![expect(dead_code, reason = "each test uses a part of it")]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{
    Append, Appended, Earlier, Entry, Epoch, Epochs, Error, EventId, Holding, Journal, Limit, News,
    Page, Position, Record, Selector, StoredReceipt, Tail, TopicName,
};
use tokio::sync::Notify;

/// The copy.
pub(crate) struct LogCopy {
    retention: Retention,
    state: Mutex<State>,
    news: Arc<Queue>,
}

struct State {
    memory: Arc<Memory>,
    /// All records on the current line, in the order of the log.
    records: Vec<Record>,
    /// The epochs that have ended, oldest first.
    earlier: Vec<(Epoch, Position)>,
    epochs: Arc<Epochs>,
    /// What the copy has not received yet: perhaps an epoch, and the records that were appended in
    /// it.
    not_received: Option<(Option<Epoch>, Vec<Record>)>,
    /// Where the log breaks when an erasure begins, and the records that follow there.
    breaks: Option<(Position, Vec<Record>)>,
    answer: LogAnswer,
}

/// How the log answers [`Journal::certain`].
#[derive(Clone, Copy, Default)]
pub(crate) enum LogAnswer {
    /// With everything that it has.
    #[default]
    Complete,
    /// With an error, because it can't be reached.
    Error,
    /// Not at all.
    Never,
}

#[derive(Default)]
struct Queue {
    news: Mutex<Vec<News>>,
    filled: Notify,
    ended: AtomicBool,
}

impl LogCopy {
    pub(crate) fn new(retention: Retention) -> Arc<Self> {
        let (epochs, memory) = (
            Arc::new(Epochs::new(epoch(), Vec::new())),
            Arc::new(Memory::new(retention.clone())),
        );
        let (records, earlier, answer) = (Vec::new(), Vec::new(), LogAnswer::default());
        let state = State {
            memory,
            records,
            earlier,
            epochs,
            not_received: None,
            breaks: None,
            answer,
        };
        Arc::new(Self {
            retention,
            state: Mutex::new(state),
            news: Arc::default(),
        })
    }

    /// Makes the log lose everything after `last` and continue with `others`. The copy is rebuilt
    /// at once.
    pub(crate) fn break_after(&self, last: Position, others: Vec<Record>) {
        let mut state = self.state.lock();
        let kept = usize::try_from(last.get()).unwrap();
        state.records.truncate(kept);
        state.records.extend(others);
        state.memory = Arc::new(Memory::new(self.retention.clone()));
        at_once(state.memory.append(state.records.clone().into())).unwrap();
        state.begin_epoch(epoch(), last);
        let head = Position::new(u64::try_from(state.records.len()).unwrap());
        self.news.push(News::Rebuilt(head, state.epochs.clone()));
    }

    /// Like [`LogCopy::break_after`], but only when an erasure begins.
    pub(crate) fn break_when_erasing(&self, last: Position, others: Vec<Record>) {
        self.state.lock().breaks = Some((last, others));
    }

    /// Begins an epoch without a loss.
    pub(crate) fn begin_epoch(&self) {
        let mut state = self.state.lock();
        self.receive(&mut state, Some(epoch()), Vec::new());
    }

    /// Appends `others` to the log as another server does, without the copy receiving them yet.
    /// Returns the id of the last one.
    pub(crate) fn append_elsewhere(&self, begins_epoch: bool, others: Vec<Record>) -> EventId {
        let mut state = self.state.lock();
        let begun = begins_epoch.then(epoch);
        let position =
            Position::new(state.memory.head().get() + u64::try_from(others.len()).unwrap());
        state.not_received = Some((begun, others));
        EventId {
            epoch: begun.unwrap_or(state.epochs.current()),
            position,
        }
    }

    /// Sets how the log answers from now on.
    pub(crate) fn set_answer(&self, answer: LogAnswer) {
        self.state.lock().answer = answer;
    }

    fn receive(&self, state: &mut State, begun: Option<Epoch>, others: Vec<Record>) {
        if let Some(begun) = begun {
            let head = state.memory.head();
            state.begin_epoch(begun, head);
            self.news.push(News::Epochs(state.epochs.clone()));
        }
        let appended = at_once(state.memory.append(others.clone().into())).unwrap();
        self.queue(state, appended.first().unwrap(), others);
    }

    fn queue(&self, state: &mut State, first: Position, batch: Vec<Record>) {
        let entry = |(record, nth)| {
            let position = Position::new(first.get() + nth);
            Arc::new(Entry {
                id: state.epochs.id_of(position),
                record,
            })
        };
        let entries = batch.iter().cloned().zip(0..).map(entry).collect();
        state.records.extend(batch);
        self.news.push(News::Entries(entries));
    }

    /// Makes the tail fail once it has returned everything.
    pub(crate) fn end(&self) {
        self.news.ended.store(true, Ordering::SeqCst);
        self.news.filled.notify_one();
    }

    fn memory(&self) -> Arc<Memory> {
        self.state.lock().memory.clone()
    }

    /// Gives `entries`, which were read from the memory `of`, the ids that they have in this log.
    fn named(&self, entries: &mut [Arc<Entry>], of: &Arc<Memory>) -> Result<(), Error> {
        let state = self.state.lock();
        if !Arc::ptr_eq(&state.memory, of) {
            return Err(Error::Unreadable(
                "it was rebuilt during the read".to_owned(),
            ));
        }
        for entry in entries {
            let record = entry.record.clone();
            *entry = Arc::new(Entry {
                id: state.epochs.id_of(entry.id.position),
                record,
            });
        }
        Ok(())
    }
}

impl State {
    /// Begins an epoch. Everything up to `last` was and is in the log.
    fn begin_epoch(&mut self, name: Epoch, last: Position) {
        self.earlier.push((self.epochs.current(), last));
        for (_, end) in &mut self.earlier {
            *end = last.min(*end);
        }
        self.epochs = Arc::new(Epochs::new(name, self.earlier.clone()));
    }
}

#[async_trait::async_trait]
impl Journal for LogCopy {
    fn epochs(&self) -> Arc<Epochs> {
        self.state.lock().epochs.clone()
    }

    fn head(&self) -> Position {
        self.memory().head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        yield_to_others().await;
        let appended = {
            let mut state = self.state.lock();
            if let Some((begun, others)) = state.not_received.take() {
                self.receive(&mut state, begun, others);
            }
            let records = append.records.clone();
            let appended = at_once(state.memory.append(append))?;
            if let Some(first) = appended.first() {
                self.queue(&mut state, first, records);
            }
            appended
        };
        yield_to_others().await;
        Ok(appended)
    }

    async fn certain(&self) -> Result<(), Error> {
        yield_to_others().await;
        let answer = self.state.lock().answer;
        match answer {
            LogAnswer::Complete => {}
            LogAnswer::Error => {
                return Err(Error::Uncertain("the log can't be reached".to_owned()));
            }
            LogAnswer::Never => std::future::pending().await,
        }
        let mut state = self.state.lock();
        if let Some((begun, others)) = state.not_received.take() {
            self.receive(&mut state, begun, others);
        }
        Ok(())
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.memory().receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        Box::new(Reader(self.news.clone()))
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        yield_to_others().await;
        let memory = self.memory();
        let mut page = memory.read(selector, after, until, limit).await?;
        self.named(&mut page.entries, &memory)?;
        yield_to_others().await;
        Ok(page)
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let memory = self.memory();
        let mut page = memory.read_before(selector, before, limit).await?;
        self.named(&mut page.entries, &memory)?;
        Ok(page)
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        yield_to_others().await;
        self.memory().oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.memory().floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.memory().knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.memory().topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        yield_to_others().await;
        let breaks = self.state.lock().breaks.take();
        if let Some((last, others)) = breaks {
            self.break_after(last, others);
        }
        let state = self.state.lock();
        let until = state.epochs.locate(until, state.memory.head())?;
        at_once(
            state
                .memory
                .erase(topics, state.memory.epochs().id_of(until)),
        )
    }

    fn expire(&self, now_ms: i64) {
        self.memory().expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.memory().log_ms()
    }

    fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) {}
}

impl Queue {
    /// Queues news. Consecutive entries are returned together.
    fn push(&self, news: News) {
        let mut queue = self.news.lock();
        match (queue.last_mut(), news) {
            (Some(News::Entries(last)), News::Entries(more)) => last.extend(more),
            (_, News::Entries(none)) if none.is_empty() => return,
            (_, news) => queue.push(news),
        }
        self.filled.notify_one();
    }
}

struct Reader(Arc<Queue>);

#[async_trait::async_trait]
impl Tail for Reader {
    async fn next(&mut self) -> Result<News, Error> {
        loop {
            let first = {
                let mut queue = self.0.news.lock();
                (!queue.is_empty()).then(|| queue.remove(0))
            };
            match first {
                Some(news) => return Ok(news),
                None if self.0.ended.load(Ordering::SeqCst) => {
                    return Err(Error::Closed("the end".to_owned()));
                }
                None => self.0.filled.notified().await,
            }
        }
    }
}

fn epoch() -> Epoch {
    Epoch::random(&mut rand::rng())
}

/// Returns the answer of the log in memory, which never waits.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the log in memory waits for something"),
    }
}

/// Lets other tasks go first under a model checker.
#[cfg(shuttle)]
async fn yield_to_others() {
    shuttle::future::yield_now().await;
}

#[cfg(not(shuttle))]
fn yield_to_others() -> std::future::Ready<()> {
    std::future::ready(())
}
