//! What the hub of a server does with the news of its journal, without streams: generations that
//! never go backwards, and the position up to which entries are visible.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::{Entry, Epochs, EventId, Journal, News, Position, Tail};
use tokio::sync::Notify;

use crate::sim::Sim;

/// How long a caller waits until something is visible or certain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Hub {
    generation: Mutex<Arc<Generation>>,
}

/// A stretch of the node's life on one line.
pub(crate) struct Generation {
    pub(crate) number: u64,
    /// Everything up to here counted as shown when the generation began.
    pub(crate) base: Position,
    line: Mutex<Line>,
    changed: Notify,
}

struct Line {
    epochs: Arc<Epochs>,
    visible: Position,
    shown: Vec<Arc<Entry>>,
    ended: bool,
}

/// The line broke, or what was waited for did not come in time. The client is told to come back.
pub(crate) struct Busy;

impl Hub {
    /// Opens the tail, and takes what the journal has now as shown.
    pub(crate) fn new(journal: &dyn Journal) -> (Arc<Self>, Box<dyn Tail>) {
        let tail = journal.tail();
        let first = Generation::new(1, journal.head(), journal.epochs());
        (
            Arc::new(Self {
                generation: Mutex::new(Arc::new(first)),
            }),
            tail,
        )
    }

    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.lock().clone()
    }

    pub(crate) fn is_current(&self, generation: &Arc<Generation>) -> bool {
        Arc::ptr_eq(&self.generation.lock(), generation)
    }

    /// Handles all news of the journal.
    pub(crate) async fn run(&self, sim: &Sim, mut tail: Box<dyn Tail>, name: &str) {
        loop {
            let news = match tail.next().await {
                Ok(news) => news,
                Err(error) => {
                    sim.trace(|| format!("{name}: the tail failed: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let generation = self.generation();
            match news {
                News::Entries(entries) => show(sim, &generation, &entries, name),
                News::Epochs(epochs) => {
                    let visible = generation.visible();
                    sim.trace(|| {
                        format!(
                            "{name}: epoch {} begins, {visible} is visible",
                            epochs.current()
                        )
                    });
                    if epochs.id_of(visible) == generation.id_of(visible) {
                        generation.line.lock().epochs = epochs;
                        generation.changed.notify_waiters();
                    } else {
                        self.begin(&generation, visible, epochs);
                    }
                }
                News::Rebuilt(position, epochs) => {
                    sim.trace(|| {
                        format!(
                            "{name}: rebuilt up to {position}, epoch {}",
                            epochs.current()
                        )
                    });
                    self.begin(&generation, position, epochs);
                }
            }
        }
    }

    fn begin(&self, last: &Arc<Generation>, position: Position, epochs: Arc<Epochs>) {
        *self.generation.lock() = Arc::new(Generation::new(last.number + 1, position, epochs));
        last.line.lock().ended = true;
        last.changed.notify_waiters();
    }
}

impl Generation {
    fn new(number: u64, base: Position, epochs: Arc<Epochs>) -> Self {
        let line = Line {
            epochs,
            visible: base,
            shown: Vec::new(),
            ended: false,
        };
        Self {
            number,
            base,
            line: Mutex::new(line),
            changed: Notify::new(),
        }
    }

    pub(crate) fn visible(&self) -> Position {
        self.line.lock().visible
    }

    pub(crate) fn epochs(&self) -> Arc<Epochs> {
        self.line.lock().epochs.clone()
    }

    pub(crate) fn id_of(&self, position: Position) -> EventId {
        self.line.lock().epochs.id_of(position)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.line.lock().ended
    }

    /// Returns what was shown after a position.
    pub(crate) fn shown_after(&self, position: Position) -> Vec<Arc<Entry>> {
        let line = self.line.lock();
        let passed = line
            .shown
            .partition_point(|entry| entry.id.position <= position);
        line.shown[passed..].to_vec()
    }

    /// Waits until more than up to `position` is visible, or the generation has ended.
    pub(crate) async fn more_than(&self, position: Position) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change is missed
            if self.visible() > position || self.has_ended() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until `position` is visible.
    pub(crate) async fn until_visible(&self, position: Position) -> Result<(), Busy> {
        let wait = async {
            while self.visible() < position && !self.has_ended() {
                self.more_than(self.visible()).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| Busy)?;
        if self.has_ended() { Err(Busy) } else { Ok(()) }
    }
}

/// Makes entries visible.
fn show(sim: &Sim, generation: &Generation, entries: &[Arc<Entry>], name: &str) {
    let mut line = generation.line.lock();
    for entry in entries {
        let position = entry.id.position;
        if position <= line.visible {
            let at = line.visible;
            sim.violation(format!("{name}: the tail returned {position} after {at}"));
            continue;
        }
        if line.epochs.id_of(position) != entry.id {
            let expected = line.epochs.id_of(position);
            sim.violation(format!(
                "{name}: the tail returned {} where {expected} comes next",
                entry.id
            ));
        }
        line.visible = position;
        if !entry.record.topics.is_empty() {
            sim.facts.lock().show(entry);
            sim.trace(|| format!("{name}: shows {} {:?}", entry.id, entry.record.data));
        }
        line.shown.push(entry.clone());
    }
    drop(line);
    generation.changed.notify_waiters();
}
