//! A node whose positions are counted as readers see them.
//!
//! On a broker, epochs, barriers and units that were not appended take positions that nobody sees.
//! The promises of journals say which positions records get, and hold for those that are seen. So
//! this journal numbers them anew, without gaps. It also moves the broker's clock, by which a log
//! on a broker goes, to the times that a promise reports to the log.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tidings_broker_contract::fake::Fake;
use tidings_journal::{
    Append, Appended, Condition, Earlier, Entry, Epochs, Error, EventId, Holding, Journal, Limit,
    News, Page, Position, Selector, StoredReceipt, Tail, TopicName, Vitals,
};
use tidings_journal_shared::Shared;

/// The positions that are seen, in order.
pub(crate) type Places = Arc<Mutex<Vec<u64>>>;

pub(crate) struct Dense {
    pub(crate) node: Arc<Shared>,
    pub(crate) fake: Fake,
    pub(crate) numbers: Arc<Numbers>,
    /// A time that was reported and that no group has told the log yet.
    pub(crate) untold: Mutex<bool>,
    /// Ends the node when it is dropped.
    pub(crate) _running: Box<dyn Send + Sync>,
}

/// The numbering.
pub(crate) struct Numbers {
    places: Places,
    /// Brings what the node has appended since.
    tail: Mutex<Box<dyn Tail>>,
}

struct DenseTail {
    tail: Box<dyn Tail>,
    numbers: Arc<Numbers>,
}

/// Whether an entry is a record, and not a position that shows nothing.
fn is_record(entry: &Entry) -> bool {
    !entry.record.event.is_empty()
}

impl Numbers {
    pub(crate) fn new(places: Places, tail: Box<dyn Tail>) -> Arc<Self> {
        Arc::new(Self {
            places,
            tail: Mutex::new(tail),
        })
    }

    /// Takes over what is new.
    fn update(&self) {
        let mut tail = self.tail.lock();
        let mut places = self.places.lock();
        loop {
            let mut next = tail.next();
            let Poll::Ready(Ok(news)) = next.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                return;
            };
            let seen = news
                .entries()
                .iter()
                .filter(|entry| is_record(entry))
                .map(|entry| entry.id.position.get());
            for position in seen {
                if places.last().is_none_or(|last| *last < position) {
                    places.push(position);
                }
            }
        }
    }

    /// The number of the last record at or before a position.
    fn last(&self, position: Position) -> Position {
        self.update();
        Position::new(
            self.places
                .lock()
                .partition_point(|place| *place <= position.get()) as u64,
        )
    }

    /// The number of the first record at or after a position.
    fn first(&self, position: Position) -> Position {
        self.update();
        Position::new(
            self.places
                .lock()
                .partition_point(|place| *place < position.get()) as u64
                + 1,
        )
    }

    /// The position of a record. Numbers that no record has yet are far above all positions.
    fn place(&self, number: Position) -> Position {
        self.update();
        let Some(index) = number.get().checked_sub(1) else {
            return Position::START;
        };
        let places = self.places.lock();
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| places.get(index).copied());
        Position::new(place.unwrap_or(1 << 40))
    }

    fn entries(&self, entries: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
        let entry = |entry: &Arc<Entry>| {
            let id = EventId {
                position: self.last(entry.id.position),
                ..entry.id
            };
            Arc::new(Entry {
                id,
                record: entry.record.clone(),
            })
        };
        entries
            .iter()
            .filter(|entry| is_record(entry))
            .map(entry)
            .collect()
    }

    fn receipt(&self, kept: StoredReceipt) -> StoredReceipt {
        StoredReceipt {
            first: self.first(kept.first),
            ..kept
        }
    }

    fn epochs(&self, epochs: &Epochs) -> Arc<Epochs> {
        let earlier = epochs
            .earlier()
            .iter()
            .map(|(epoch, end)| (*epoch, self.last(*end)));
        Arc::new(Epochs::new(epochs.current(), earlier.collect()))
    }
}

impl Dense {
    /// Has the log learn a time that was reported to it.
    async fn tell_time(&self) -> Result<(), Error> {
        if std::mem::take(&mut *self.untold.lock()) {
            self.node.append(Append::default()).await?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Journal for Dense {
    fn epochs(&self) -> Arc<Epochs> {
        self.numbers.epochs(&self.node.epochs())
    }

    fn head(&self) -> Position {
        self.numbers.last(self.node.head())
    }

    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.tell_time().await?;
        if append.now_ms != 0 {
            self.fake.set_clock(append.now_ms);
        }
        let condition = append.condition.map(|condition| match condition {
            Condition::Current(topic, key, number) => {
                Condition::Current(topic, key, self.numbers.place(number))
            }
            absent @ Condition::Absent(..) => absent,
        });
        Ok(
            match self
                .node
                .append(Append {
                    condition,
                    ..append
                })
                .await?
            {
                Appended::New(first) => Appended::New(self.numbers.first(first)),
                Appended::Known(kept) => Appended::Known(self.numbers.receipt(kept)),
                Appended::Refused(last) => Appended::Refused(self.numbers.last(last)),
                full @ Appended::Full(_) => full,
            },
        )
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.tell_time().await?;
        Ok(self
            .node
            .receipt(key)
            .await?
            .map(|kept| self.numbers.receipt(kept)))
    }

    async fn certain(&self) -> Result<(), Error> {
        self.node.certain().await
    }

    fn tail(&self) -> Box<dyn Tail> {
        Box::new(DenseTail {
            tail: self.node.tail(),
            numbers: self.numbers.clone(),
        })
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let (after, until) = (self.numbers.place(after), self.numbers.place(until));
        let page = self.node.read(selector, after, until, limit).await?;
        let (next, floor) = (self.numbers.last(page.next), self.numbers.last(page.floor));
        Ok(Page {
            entries: self.numbers.entries(&page.entries),
            next,
            floor,
            damaged: page.damaged,
        })
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        let page = self
            .node
            .read_before(selector, self.numbers.place(before), limit)
            .await?;
        let (prev, floor) = (self.numbers.first(page.prev), self.numbers.last(page.floor));
        Ok(Earlier {
            entries: self.numbers.entries(&page.entries),
            prev,
            floor,
            ..page
        })
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        Ok(self
            .node
            .oldest(selector)
            .await?
            .map(|position| self.numbers.last(position)))
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.numbers.last(self.node.floor(selector))
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.node.knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.node.topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        let until = EventId {
            position: self.numbers.place(until.position),
            ..until
        };
        let floors = self.node.erase(topics, until).await?;
        Ok(floors
            .into_iter()
            .map(|(topic, floor)| (topic, self.numbers.last(floor)))
            .collect())
    }

    fn expire(&self, now_ms: i64) {
        self.fake.set_clock(now_ms);
        *self.untold.lock() = true;
        self.node.expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.node.log_ms()
    }

    fn health(&self) -> Result<(), Error> {
        self.node.health()
    }

    fn vitals(&self) -> Vitals {
        self.node.vitals()
    }

    async fn close(&self) {
        self.node.close().await;
    }
}

#[async_trait::async_trait]
impl Tail for DenseTail {
    async fn next(&mut self) -> Result<News, Error> {
        loop {
            return Ok(match self.tail.next().await? {
                News::Entries(entries) => {
                    let entries = self.numbers.entries(&entries);
                    if entries.is_empty() {
                        continue;
                    }
                    News::Entries(entries)
                }
                News::Epochs(epochs) => News::Epochs(self.numbers.epochs(&epochs)),
                News::Rebuilt(position, epochs) => {
                    News::Rebuilt(self.numbers.last(position), self.numbers.epochs(&epochs))
                }
            });
        }
    }
}
