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
    Append, Appended, Earlier, Entry, Epoch, Epochs, Error, EventId, Holding, Journal, Limit, News, Page, Position,
    Record, Selector, StoredReceipt, Tail, TopicName,
};
use tokio::sync::Notify;

/// The copy.
pub(crate) struct Lines {
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
    unheard: Option<(Option<Epoch>, Vec<Record>)>,
    /// Where the log breaks when an erasure begins, and the records that follow there.
    breaks: Option<(Position, Vec<Record>)>,
    log: Log,
}

/// The log's answer when it is asked what it has.
#[derive(Clone, Copy, Default)]
pub(crate) enum Log {
    /// All of it.
    #[default]
    Answers,
    /// That it can't be reached.
    Fails,
    /// Nothing.
    IsSilent,
}

#[derive(Default)]
struct Queue {
    news: Mutex<Vec<News>>,
    filled: Notify,
    ended: AtomicBool,
}

impl Lines {
    pub(crate) fn new(retention: Retention) -> Arc<Self> {
        let (epochs, memory) = (Arc::new(Epochs::new(epoch(), Vec::new())), Arc::new(Memory::new(retention.clone())));
        let (records, earlier, log) = (Vec::new(), Vec::new(), Log::default());
        let state = State { memory, records, earlier, epochs, unheard: None, breaks: None, log };
        Arc::new(Self { retention, state: Mutex::new(state), news: Arc::default() })
    }

    /// The log has lost everything after `last`. It goes on with something else, of which the copy
    /// learns at once.
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

    /// Like [`Lines::break_after`], but only when an erasure begins.
    pub(crate) fn break_when_erasing(&self, last: Position, others: Vec<Record>) {
        self.state.lock().breaks = Some((last, others));
    }

    /// The log may have lost something, and has lost nothing.
    pub(crate) fn begin_epoch(&self) {
        let mut state = self.state.lock();
        self.hear_of(&mut state, Some(epoch()), Vec::new());
    }

    /// Others append to the log, of which the copy has yet to hear. Returns the id of the last of
    /// it.
    pub(crate) fn elsewhere(&self, begins_epoch: bool, others: Vec<Record>) -> EventId {
        let mut state = self.state.lock();
        let begun = begins_epoch.then(epoch);
        let position = Position::new(state.memory.head().get() + u64::try_from(others.len()).unwrap());
        state.unheard = Some((begun, others));
        EventId { epoch: begun.unwrap_or(state.epochs.current()), position }
    }

    /// Whether the log says from now on what it has.
    pub(crate) fn log(&self, says: Log) {
        self.state.lock().log = says;
    }

    fn hear_of(&self, state: &mut State, begun: Option<Epoch>, others: Vec<Record>) {
        if let Some(begun) = begun {
            let head = state.memory.head();
            state.begin_epoch(begun, head);
            self.news.push(News::Epochs(state.epochs.clone()));
        }
        let appended = at_once(state.memory.append(others.clone().into())).unwrap();
        self.tell(state, appended.first().unwrap(), others);
    }

    fn tell(&self, state: &mut State, first: Position, batch: Vec<Record>) {
        let entry = |(record, nth)| {
            let position = Position::new(first.get() + nth);
            Arc::new(Entry { id: state.epochs.id_of(position), record })
        };
        let entries = batch.iter().cloned().zip(0..).map(entry).collect();
        state.records.extend(batch);
        self.news.push(News::Entries(entries));
    }

    /// The tail fails once it has told everything.
    pub(crate) fn end(&self) {
        self.news.ended.store(true, Ordering::SeqCst);
        self.news.filled.notify_one();
    }

    fn memory(&self) -> Arc<Memory> {
        self.state.lock().memory.clone()
    }

    /// Gives `entries` of the memory `of` the ids that they have in this log.
    fn named(&self, entries: &mut [Arc<Entry>], of: &Arc<Memory>) -> Result<(), Error> {
        let state = self.state.lock();
        if !Arc::ptr_eq(&state.memory, of) {
            return Err(Error::Unreadable("it is being read anew".to_owned()));
        }
        for entry in entries {
            let record = entry.record.clone();
            *entry = Arc::new(Entry { id: state.epochs.id_of(entry.id.position), record });
        }
        Ok(())
    }
}

impl State {
    /// Everything up to `last` was and is in the log.
    fn begin_epoch(&mut self, name: Epoch, last: Position) {
        self.earlier.push((self.epochs.current(), last));
        for (_, end) in &mut self.earlier {
            *end = last.min(*end);
        }
        self.epochs = Arc::new(Epochs::new(name, self.earlier.clone()));
    }
}

#[async_trait::async_trait]
impl Journal for Lines {
    fn epochs(&self) -> Arc<Epochs> {
        self.state.lock().epochs.clone()
    }

    fn head(&self) -> Position {
        self.memory().head()
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        others_first().await;
        let appended = {
            let mut state = self.state.lock();
            if let Some((begun, others)) = state.unheard.take() {
                self.hear_of(&mut state, begun, others);
            }
            let records = append.records.clone();
            let appended = at_once(state.memory.append(append))?;
            if let Some(first) = appended.first() {
                self.tell(&mut state, first, records);
            }
            appended
        };
        others_first().await;
        Ok(appended)
    }

    async fn certain(&self) -> Result<(), Error> {
        others_first().await;
        let log = self.state.lock().log;
        match log {
            Log::Answers => {}
            Log::Fails => return Err(Error::Uncertain("the log can't be reached".to_owned())),
            Log::IsSilent => std::future::pending().await,
        }
        let mut state = self.state.lock();
        if let Some((begun, others)) = state.unheard.take() {
            self.hear_of(&mut state, begun, others);
        }
        Ok(())
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.memory().receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        Box::new(Reader(self.news.clone()))
    }

    async fn read(&self, selector: &Selector, after: Position, until: Position, limit: Limit) -> Result<Page, Error> {
        others_first().await;
        let memory = self.memory();
        let mut page = memory.read(selector, after, until, limit).await?;
        self.named(&mut page.entries, &memory)?;
        others_first().await;
        Ok(page)
    }

    async fn read_before(&self, selector: &Selector, before: Position, limit: Limit) -> Result<Earlier, Error> {
        let memory = self.memory();
        let mut page = memory.read_before(selector, before, limit).await?;
        self.named(&mut page.entries, &memory)?;
        Ok(page)
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        others_first().await;
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

    async fn erase(&self, topics: &[TopicName], until: EventId) -> Result<Vec<(TopicName, Position)>, Error> {
        others_first().await;
        let breaks = self.state.lock().breaks.take();
        if let Some((last, others)) = breaks {
            self.break_after(last, others);
        }
        let state = self.state.lock();
        let until = state.epochs.locate(until, state.memory.head())?;
        at_once(state.memory.erase(topics, state.memory.epochs().id_of(until)))
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
    /// Entries that follow each other are told together.
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
                None if self.0.ended.load(Ordering::SeqCst) => return Err(Error::Closed("the end".to_owned())),
                None => self.0.filled.notified().await,
            }
        }
    }
}

fn epoch() -> Epoch {
    Epoch::random(&mut rand::rng())
}

/// The log in memory answers at once.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the log in memory waits for something"),
    }
}

/// Under a model checker, lets others do something before it goes on.
#[cfg(shuttle)]
async fn others_first() {
    shuttle::future::yield_now().await;
}

#[cfg(not(shuttle))]
fn others_first() -> std::future::Ready<()> {
    std::future::ready(())
}
