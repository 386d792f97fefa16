//! Erasing: removes the events of some topics up to an id, so that no reader is shown them again.
//!
//! The erasure is noted in the log first ([`floors`](crate::floors)), then the log destroys the
//! events, because only the log outlives the process. Then everything that may hold a copy drops
//! it: the rings, the cached pages of replays, and reads that are in progress. This hub does that
//! before it answers. Every other hub over the log does it before it shows anything after the
//! record that ends the note. What a stream took earlier is being written to its
//! socket, and can't be recalled.

use std::sync::Arc;

use tidings_journal::{Error as JournalError, EventId, Position, Selector, TopicName};

use crate::floors::Floor;
use crate::generation::Generation;
use crate::hub::{Hub, Inner};
use crate::line;
use crate::publication::Published;
use crate::subscribe::{After, Requested};
use crate::wording::ResetReason;

/// How many topic names are listed at a time. The log is locked while they are listed.
const TOPICS_PER_PAGE: usize = 1_000;

/// What is to be erased: a topic, and with an aggregate perhaps the topics that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The topic.
    pub topic: TopicName,
    /// The prefix of the names of other topics that are to be erased with it.
    pub below: Option<String>,
}

/// Why an erasure failed or is incomplete.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The id does not belong to this log. Nothing was erased.
    #[error("no event of this log has that id")]
    UnknownId(ResetReason),
    /// The log failed. Some events may be erased, and the others may be erased at the next start.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<TopicName> for Erasure {
    fn from(topic: TopicName) -> Self {
        Self { topic, below: None }
    }
}

impl Hub {
    /// Erases every event that stands in one of these topics at or below `until`, from all topics
    /// that it stands in. Returns the highest floor of these topics after that.
    ///
    /// Once this returns, no read and no replay shows the events, even after a crash, and a client
    /// that reconnects from below the floor gets a reset. The erasure continues if the future is
    /// dropped, so that the rings never show what the log has erased. If the process ends before
    /// this returns, either the next start completes the erasure, or nothing was erased.
    pub async fn erase(
        &self,
        what: impl IntoIterator<Item: Into<Erasure>>,
        until: &str,
    ) -> Result<EventId, Error> {
        let hub = self.clone();
        hub.folds_ready().await?; // interrupted erasures are known only then
        let generation = self.inner.generation();
        let until = match self
            .inner
            .locate(&generation, &After::Id(until.to_owned()))
            .await?
        {
            Requested::After(position) => position,
            Requested::Unknown(reason) => return Err(Error::UnknownId(reason)),
            Requested::Nothing | Requested::Everything => {
                return Err(Error::UnknownId(ResetReason::Malformed));
            }
        };
        let until = generation.line.id_of(until);
        let floor = |Erasure { topic, below }| Floor {
            topic,
            below,
            until,
        };
        let floors: Vec<_> = what
            .into_iter()
            .map(|erasure| floor(erasure.into()))
            .collect();
        let erasing = tokio::spawn(async move { hub.raise(&generation, floors).await });
        let stopped = |_| {
            JournalError::Closed(
                "the server is stopping; some of the events may be erased".to_owned(),
            )
        };
        let floor = erasing.await.map_err(stopped)??;
        Ok(self.inner.journal.epochs().id_of(floor))
    }

    /// Completes erasures that were interrupted because a server died or its log failed. Fails if
    /// this has to be tried again. Does nothing while this hub erases something.
    pub(crate) async fn complete_erasures(&self) -> Result<(), JournalError> {
        let Ok(_erasing) = self.inner.erasing.try_lock() else {
            return Ok(());
        };
        self.complete_notes().await
    }

    /// Destroys the events of every note and ends the note. Returns the first error.
    async fn complete_notes(&self) -> Result<(), JournalError> {
        let mut all = Ok(());
        for note in self.inner.floors.unfinished() {
            // A note from another line erases nothing here, because other events may have these
            // positions.
            let ended = match self.inner.destroy(&note.value).await {
                Ok(_) => self.end_note(&note.value, Some(note.position)).await,
                Err(error) => Err(error),
            };
            all = all.and(ended); // a failure does not keep the others from being completed
        }
        all
    }

    /// Carries out an erasure: notes it, destroys the events, and ends the notes. Returns the
    /// highest floor of the topics.
    async fn raise(
        &self,
        generation: &Arc<Generation>,
        floors: Vec<Floor>,
    ) -> Result<Position, JournalError> {
        let inner = &*self.inner;
        // After the line has broken, other events may have these positions.
        let check = || {
            if inner.is_current(generation) {
                Ok(())
            } else {
                Err(line::broken())
            }
        };
        let _erasing = inner.erasing.lock().await;
        check()?;
        // The new note replaces an older one on the topic. That one may cover more, so its events
        // are destroyed first.
        for older in floors
            .iter()
            .filter_map(|floor| inner.floors.note_on(&floor.topic))
        {
            inner.destroy(&older.value).await?;
        }
        let noted = self.note(&floors).await;
        let mut highest = Position::START;
        for floor in &floors {
            highest = highest.max(inner.destroy(floor).await?.ok_or_else(line::broken)?);
        }
        check()?;
        for (nth, floor) in floors.iter().enumerate() {
            let position = noted.map(|first| Position::new(first.get() + nth as u64));
            if let Err(error) = self.end_note(floor, position).await {
                // The events are erased here and after every start; other hubs over this log in the
                // process read no more of them either.
                tracing::warn!(%error, topic = %floor.topic, "the end of an erasure can't be \
                    stored");
            }
        }
        Ok(highest)
    }

    /// Stores a note for each of `floors`. Returns the position of the first one; `None` if they
    /// can't be stored, because the disk is full, which erasing may change, or because the limit of
    /// notes is reached even after older erasures were completed. Then the log's own floors have to
    /// suffice.
    async fn note(&self, floors: &[Floor]) -> Option<Position> {
        let notes = || {
            floors
                .iter()
                .map(|floor| self.inner.floors.note(floor))
                .collect()
        };
        for _ in 0..2 {
            match self.publish(notes(), None, None).await {
                Ok(Published::New(id)) => return Some(id.position),
                Ok(Published::Full(_)) => self.complete_notes().await.ok()?,
                Ok(_) | Err(_) => return None,
            }
        }
        None
    }

    /// Ends the note at `position`, which tells every hub over the log to drop what it holds below
    /// `floor`.
    async fn end_note(
        &self,
        floor: &Floor,
        position: Option<Position>,
    ) -> Result<(), JournalError> {
        let floors = &self.inner.floors;
        if let Some(position) = position {
            let condition = floors.current(&floor.topic, position);
            if let Published::New(_) = self
                .publish(vec![floors.end(floor)], None, Some(condition))
                .await?
            {
                return Ok(());
            }
        }
        // Another note has replaced this one and is ended later, or no note could be stored.
        self.publish(vec![floors.announce(floor)], None, None)
            .await
            .map(drop)
    }
}

impl Inner {
    /// Destroys the events whose erasure was interrupted, so that no reader sees them again. Called
    /// when the folds have read the notes, and before anything is delivered. An erasure that fails
    /// here is logged; the runner tries it again ([`Hub::complete_erasures`]).
    pub(crate) async fn destroy_interrupted(&self) {
        for note in self.floors.unfinished() {
            if let Err(error) = self.destroy(&note.value).await {
                let topic = &note.value.topic;
                tracing::error!(%error, %topic, "an interrupted erasure can't be completed; it is \
                                                 tried again");
            }
        }
    }

    /// Waits, without a timeout, until the events of interrupted erasures are destroyed, which is
    /// when the folds have begun. Nothing may be read for a stream before that.
    pub(crate) async fn until_erased(&self) {
        self.folds.settled().await;
    }

    /// Destroys in the log what is at or below `floor`, and drops the copies in this hub. Returns
    /// the highest floor that the topics have after that; `None` if `floor` belongs to another
    /// line, so that nothing was done.
    pub(crate) async fn destroy(&self, floor: &Floor) -> Result<Option<Position>, JournalError> {
        if floor
            .locate(&self.journal.epochs(), self.journal.head())
            .is_none()
        {
            return Ok(None);
        }
        let mut topics = vec![floor.topic.clone()];
        if let Some(below) = &floor.below {
            let mut after: Option<TopicName> = None;
            loop {
                let page = self.journal.topics(below, after.as_ref(), TOPICS_PER_PAGE);
                let Some(last) = page.last() else { break };
                after = Some(last.topic.clone());
                topics.extend(page.into_iter().map(|holding| holding.topic));
            }
        }
        // The log is given the id, not the position: if the line has broken since, it erases
        // nothing.
        let erased = self.journal.erase(&topics, floor.until).await;
        // The copies are dropped even if that failed, because nothing may show what the log no
        // longer shows.
        loop {
            let current = self.generation();
            current.replays.forget();
            if let Ok(floors) = &erased {
                current.fanout.forget(floors);
            }
            if self.is_current(&current) {
                break;
            }
        }
        erased?;
        Ok(Some(self.journal.floor(&Selector::topics(topics))))
    }
}
