//! Clients that follow some topics, and come back to any node with the last id that they saw.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tidings_journal::{CursorError, Entry, EventId, Limit, Position, Selector, TopicName};
use tokio::time::Instant;

use crate::facts::{End, Span};
use crate::hub::{Busy, Generation, PATIENCE};
use crate::sim::{Node, Sim};

struct Reader {
    sim: Arc<Sim>,
    rng: StdRng,
    number: usize,
    topics: Vec<TopicName>,
    selector: Selector,
    /// The last id that the client knows.
    cursor: Option<EventId>,
}

/// A stream of a node.
struct Stream {
    node: Arc<Node>,
    generation: Arc<Generation>,
    at: Position,
}

/// Follows `topics` until everything is over and seen.
pub(crate) async fn follow(sim: Arc<Sim>, number: usize, mut rng: StdRng, topics: Vec<TopicName>) {
    let selector = Selector::topics(topics.clone());
    tokio::time::sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
    let mut reader = Reader {
        sim,
        rng,
        number,
        topics,
        selector,
        cursor: None,
    };
    loop {
        let last = reader.sim.is_settled();
        let Some(node) = reader.sim.any_node(&mut reader.rng) else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let name = node.name.clone();
        match reader.connect(node).await {
            Ok(stream) => {
                let patience = Duration::from_millis(reader.rng.random_range(50..4_000));
                let outcome = reader.stream(stream, last, Instant::now() + patience).await;
                if outcome.is_ok_and(|finished| finished && last) {
                    return;
                }
            }
            Err(Busy) => {
                reader
                    .sim
                    .trace(|| format!("reader {number}: {name} is busy"));
                tokio::time::sleep(Duration::from_millis(reader.rng.random_range(100..1_500)))
                    .await;
            }
        }
    }
}

impl Reader {
    async fn connect(&mut self, node: Arc<Node>) -> Result<Stream, Busy> {
        let generation = node.hub.generation();
        let journal = &node.journal;
        let Some(cursor) = self.cursor else {
            let at = generation.visible();
            let id = generation.id_of(at);
            self.begin(&node, &generation, id, None)?;
            return Ok(Stream {
                node,
                generation,
                at,
            });
        };
        let mut found = generation.epochs().locate(cursor, journal.head());
        if found.is_err() {
            tokio::time::timeout(PATIENCE, journal.certain())
                .await
                .map_err(|_| Busy)?
                .map_err(|_| Busy)?;
            found = journal.epochs().locate(cursor, journal.head());
        }
        let end = match found {
            Ok(position) => {
                generation.until_visible(position).await?;
                let visible = generation.visible();
                generation
                    .epochs()
                    .locate(cursor, visible)
                    .map_err(|_| Busy)?;
                if position >= journal.floor(&self.selector) {
                    if !node.hub.is_current(&generation) {
                        return Err(Busy);
                    }
                    self.sim.trace(|| {
                        format!(
                            "reader {}: goes on at {} from {cursor}",
                            self.number, node.name
                        )
                    });
                    return Ok(Stream {
                        node,
                        generation,
                        at: position,
                    });
                }
                End::Trimmed(cursor)
            }
            Err(CursorError::Ahead | CursorError::UnknownEpoch) => {
                let spared = self.sim.spares_resets(&node);
                if !spared {
                    self.sim.judged_foreign(cursor, &node.name);
                }
                End::Foreign(cursor)
            }
        };
        let at = generation.visible();
        let id = generation.id_of(at);
        self.begin(&node, &generation, id, Some(end))?;
        Ok(Stream {
            node,
            generation,
            at,
        })
    }

    /// Begins a span after `id`, and ends the one before.
    fn begin(
        &mut self,
        node: &Node,
        generation: &Arc<Generation>,
        id: EventId,
        end: Option<End>,
    ) -> Result<(), Busy> {
        if !node.hub.is_current(generation) {
            return Err(Busy);
        }
        self.sim.trace(|| {
            format!(
                "reader {}: begins at {} after {id}, {end:?}",
                self.number, node.name
            )
        });
        self.start_span(id, end);
        Ok(())
    }

    fn start_span(&mut self, id: EventId, end: Option<End>) {
        let mut facts = self.sim.facts.lock();
        let spans = &mut facts.readers[self.number];
        if let (Some(last), Some(end)) = (spans.last_mut(), end) {
            last.end = end;
        }
        spans.push(Span {
            topics: self.topics.clone(),
            start: id,
            seen: Vec::new(),
            end: End::Open,
        });
        self.cursor = Some(id);
    }

    /// Reads until the patience ends, or if `last`, until everything was seen. Returns whether it
    /// was.
    async fn stream(
        &mut self,
        mut stream: Stream,
        last: bool,
        until: Instant,
    ) -> Result<bool, Busy> {
        loop {
            let visible = stream.generation.visible();
            if stream.generation.has_ended() {
                return Err(Busy);
            }
            if stream.at < visible {
                self.advance(&mut stream, visible).await?;
                continue;
            }
            if last {
                let id = stream.generation.id_of(stream.at);
                if let Some(span) = self.sim.facts.lock().readers[self.number].last_mut() {
                    span.end = End::Final(id);
                }
                self.sim
                    .trace(|| format!("reader {}: has everything up to {id}", self.number));
                return Ok(true);
            }
            tokio::select! {
                biased;
                () = stream.node.killed() => return Err(Busy),
                () = tokio::time::sleep_until(until) => return Ok(false),
                () = stream.generation.more_than(stream.at) => {}
            }
        }
    }

    async fn advance(&mut self, stream: &mut Stream, visible: Position) -> Result<(), Busy> {
        if stream.at >= stream.generation.base && self.rng.random_range(0..5) > 0 {
            let entries = stream.generation.shown_after(stream.at);
            for entry in &entries {
                if self.wants(entry) {
                    self.see(entry);
                }
            }
            stream.at = entries.last().map_or(visible, |entry| entry.id.position);
            return Ok(());
        }
        let limit = Limit {
            events: self.rng.random_range(1..40),
            bytes: 1 << 20,
        };
        let page = stream
            .node
            .journal
            .read(&self.selector, stream.at, visible, limit)
            .await
            .map_err(|_| Busy)?;
        let is_of_line =
            |entry: &Arc<Entry>| stream.generation.id_of(entry.id.position) == entry.id;
        if !page.entries.last().is_none_or(is_of_line)
            || !stream.node.hub.is_current(&stream.generation)
        {
            return Err(Busy);
        }
        if page.floor > stream.at {
            let cursor = self
                .cursor
                .unwrap_or_else(|| stream.generation.id_of(stream.at));
            stream.at = visible;
            let id = stream.generation.id_of(visible);
            self.sim.trace(|| {
                format!(
                    "reader {}: trimmed up to {}, goes on after {id}",
                    self.number, page.floor
                )
            });
            self.start_span(id, Some(End::Trimmed(cursor)));
            return Ok(());
        }
        for entry in &page.entries {
            self.see(entry);
        }
        stream.at = page.next.max(stream.at.next());
        Ok(())
    }

    fn wants(&self, entry: &Entry) -> bool {
        entry
            .record
            .topics
            .iter()
            .any(|topic| self.topics.contains(topic))
    }

    fn see(&mut self, entry: &Entry) {
        let mut facts = self.sim.facts.lock();
        if let Some(span) = facts.readers[self.number].last_mut() {
            span.seen.push((entry.id, entry.record.data.clone()));
        }
        self.cursor = Some(entry.id);
    }
}
