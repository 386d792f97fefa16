//! A log in memory that all nodes have in common, to judge the oracle itself: it has to accept the
//! log as it is, and to notice each of its flaws.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings_broker_contract::fake::Kind;
use tidings_journal::replica::Retention;
use tidings_journal::{
    Append, Appended, Earlier, Epochs, Error, EventId, Holding, Journal, Limit, Memory, Page,
    Position, Selector, StoredReceipt, Tail, TopicName, Vitals,
};

use crate::plan::Plan;
use crate::sim;

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A unit is acknowledged and not appended.
    Lost,
    /// A unit is appended twice.
    Doubled,
    /// A repetition is not recognized.
    Forgetful,
    /// Conditions are not looked at.
    Unconditional,
    /// A page leaves out an entry.
    Holes,
    /// A page repeats an entry.
    Repeats,
    /// Ids that are good are said to be unknown.
    Distrustful,
    /// Something is said to be trimmed that is not.
    HighFloor,
    /// What was erased is still read.
    Unerased,
    /// An append never returns.
    Stuck,
    /// A read returns other data under an id than was shown.
    Forged,
}

struct Flawed {
    flaw: Flaw,
    log: Memory,
    calls: AtomicU64,
}

impl Flawed {
    fn new(flaw: Flaw, retention: Retention) -> Self {
        Self {
            flaw,
            log: Memory::new(retention),
            calls: AtomicU64::new(0),
        }
    }

    /// Whether the flaw shows this time.
    fn shows(&self, flaw: Flaw) -> bool {
        self.flaw == flaw && self.calls.fetch_add(1, Ordering::Relaxed) % 20 == 19
    }
}

#[async_trait::async_trait]
impl Journal for Flawed {
    fn epochs(&self) -> Arc<Epochs> {
        self.log.epochs()
    }

    fn head(&self) -> Position {
        let seems_empty =
            self.flaw == Flaw::Distrustful && self.calls.fetch_add(1, Ordering::Relaxed) % 12 > 7;
        if seems_empty {
            Position::START
        } else {
            self.log.head()
        }
    }

    async fn append(&self, mut append: Append) -> Result<Appended, Error> {
        if self.flaw == Flaw::Forgetful {
            append.receipt = None;
        }
        if self.flaw == Flaw::Unconditional {
            append.condition = None;
        }
        if self.shows(Flaw::Lost) {
            return Ok(Appended::New(self.log.head().next()));
        }
        if self.shows(Flaw::Stuck) {
            std::future::pending::<()>().await;
        }
        if self.shows(Flaw::Doubled) {
            self.log.append(append.clone()).await?;
        }
        self.log.append(append).await
    }

    async fn receipt(&self, key: &[u8]) -> Result<Option<StoredReceipt>, Error> {
        self.log.receipt(key).await
    }

    fn tail(&self) -> Box<dyn Tail> {
        self.log.tail()
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        until: Position,
        limit: Limit,
    ) -> Result<Page, Error> {
        let mut page = self.log.read(selector, after, until, limit).await?;
        let middle = page.entries.len() / 2;
        if self.shows(Flaw::Holes) && !page.entries.is_empty() {
            page.entries.remove(middle);
        }
        if self.shows(Flaw::Repeats) && !page.entries.is_empty() {
            page.entries.insert(middle, page.entries[middle].clone());
        }
        if self.shows(Flaw::Forged) && !page.entries.is_empty() {
            let mut entry = (*page.entries[middle]).clone();
            entry.record.data = "forged".into();
            page.entries[middle] = Arc::new(entry);
        }
        if self.shows(Flaw::HighFloor) {
            page.floor = page.next;
        }
        Ok(page)
    }

    async fn read_before(
        &self,
        selector: &Selector,
        before: Position,
        limit: Limit,
    ) -> Result<Earlier, Error> {
        self.log.read_before(selector, before, limit).await
    }

    async fn oldest(&self, selector: &Selector) -> Result<Option<Position>, Error> {
        self.log.oldest(selector).await
    }

    fn floor(&self, selector: &Selector) -> Position {
        self.log.floor(selector)
    }

    fn knows(&self, topic: &TopicName) -> bool {
        self.log.knows(topic)
    }

    fn topics(&self, prefix: &str, after: Option<&TopicName>, most: usize) -> Vec<Holding> {
        self.log.topics(prefix, after, most)
    }

    async fn erase(
        &self,
        topics: &[TopicName],
        until: EventId,
    ) -> Result<Vec<(TopicName, Position)>, Error> {
        if self.flaw == Flaw::Unerased {
            Ok(Vec::new())
        } else {
            self.log.erase(topics, until).await
        }
    }

    fn expire(&self, now_ms: i64) {
        self.log.expire(now_ms);
    }

    fn log_ms(&self) -> i64 {
        self.log.log_ms()
    }

    fn health(&self) -> Result<(), Error> {
        self.log.health()
    }

    fn vitals(&self) -> Vitals {
        self.log.vitals()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

/// A plan without faults.
fn plan(seed: u64) -> Plan {
    Plan {
        kind: Kind::Tagged,
        skewed: false,
        faults: Vec::new(),
        ..Plan::of(seed)
    }
}

fn violations(flaw: Flaw, seed: u64) -> Vec<String> {
    let plan = plan(seed);
    let log = Arc::new(Flawed::new(flaw, plan.retention()));
    sim::run_over(&plan, false, Some(log)).violations
}

#[test]
fn the_oracle_accepts_a_log_without_flaws() {
    for seed in 0..30 {
        assert_eq!(
            violations(Flaw::None, seed),
            Vec::<String>::new(),
            "seed {seed}"
        );
    }
}

#[test]
fn the_oracle_notices_every_flaw() {
    let flaws = [
        (Flaw::Lost, "and is not there"),
        (Flaw::Doubled, "stands at"),
        (Flaw::Forgetful, "more than one outcome"),
        (Flaw::Unconditional, "and again at"),
        (Flaw::Holes, "missed"),
        (Flaw::Repeats, "after position"),
        (Flaw::Distrustful, "none of the log's"),
        (Flaw::HighFloor, "that something was trimmed"),
        (Flaw::Unerased, "was erased, and is there"),
        (Flaw::Stuck, "waits for ever"),
        (Flaw::Forged, "forged"),
    ];
    for (flaw, expected) in flaws {
        let found: Vec<_> = (0..10).flat_map(|seed| violations(flaw, seed)).collect();
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "{flaw:?}: {found:?}"
        );
    }
}
