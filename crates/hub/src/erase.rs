//! Erasing at an operator's word: what stands in some topics up to a place is shown to nobody any more, by no path.
//!
//! That it is to be erased is noted in the log first ([`floors`](crate::floors)), then the log destroys it, as only that outlives the
//! process. Then whatever holds what was read of it or handed out lets go: the rings, the pages that are kept for clients who come
//! back, and reads that are under way; here before the answer, and at every other hub over the log before it shows anything
//! behind the end of the note. What a stream took before that is on its way to its socket, and can't be called back.

use std::sync::Arc;

use tidings_journal::{Error as JournalError, EventId, Position, Selector, TopicName};

use crate::floors::{Floor, Located};
use crate::generation::{self, Generation};
use crate::hub::{Hub, Inner};
use crate::publication::Published;
use crate::subscribe::{After, Asked};
use crate::wording::Reason;

/// How many names of topics are listed at a time: the log is held up while they are.
const LISTED: usize = 1_000;

/// What is to be erased: a topic, and perhaps those that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The topic.
    pub topic: TopicName,
    /// How the names of topics begin that go with it.
    pub below: Option<String>,
}

/// Why nothing was erased, or perhaps not all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The place is none of this log's. Nothing was erased.
    #[error("no event of this log has that id")]
    Stray(Reason),
    /// The log failed. Some of it may be erased, and the rest may be at the next start.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<TopicName> for Erasure {
    fn from(topic: TopicName) -> Self {
        Self { topic, below: None }
    }
}

impl Hub {
    /// Erases every event that stands in one of these topics at or below `until`, from all topics that it stands in. Returns the
    /// highest floor of these topics after that.
    ///
    /// Once it returns, no read and no replay shows any of it, after any crash, and a client that comes back from below it gets
    /// a reset. It goes on if the future is dropped: a log that was erased and rings that were not would show it. If the process
    /// ends before it returns, it is done at the next start, or nothing of it was.
    pub async fn erase(&self, what: impl IntoIterator<Item: Into<Erasure>>, until: &str) -> Result<EventId, Error> {
        let hub = self.clone();
        hub.begun().await?; // before it is known what somebody left behind
        let generation = self.inner.generation();
        let until = match self.inner.locate(&generation, &After::Id(until.to_owned())).await? {
            Asked::Place(position) => position,
            Asked::Stray(reason) => return Err(Error::Stray(reason)),
            Asked::Nothing | Asked::Everything => return Err(Error::Stray(Reason::Malformed)),
        };
        let until = generation.id_of(until);
        let floor = |Erasure { topic, below }| Floor { topic, below, until };
        let floors: Vec<_> = what.into_iter().map(|erasure| floor(erasure.into())).collect();
        let erasing = tokio::spawn(async move { hub.raise(&generation, floors).await });
        let stopped = |_| JournalError::Closed("the server is stopping; some of it may be erased".to_owned());
        let floor = erasing.await.map_err(stopped)??;
        Ok(self.inner.journal.epochs().id_of(floor))
    }

    /// Comes to the end with what somebody began to erase, and died or could not. Fails if it has to be tried again. Where something
    /// is being erased here, that is looked at the next time.
    pub(crate) async fn end_notes_left_behind(&self) -> Result<(), JournalError> {
        let Ok(_turn) = self.inner.erasing.try_lock() else { return Ok(()) };
        self.end_notes().await
    }

    async fn end_notes(&self) -> Result<(), JournalError> {
        let mut all = Ok(());
        for note in self.inner.floors.unfinished() {
            // One of another line erases nothing here: something else may stand up to there.
            let ended = match self.inner.destroy(&note.value).await {
                Ok(_) => self.end_note(&note.value, Some(note.position)).await,
                Err(error) => Err(error),
            };
            all = all.and(ended); // what can't be erased keeps none of the others
        }
        all
    }

    async fn raise(&self, generation: &Arc<Generation>, floors: Vec<Floor>) -> Result<Position, JournalError> {
        let inner = &*self.inner;
        // Where the log's history has broken, other events may stand up to there.
        let check = || if inner.is_current(generation) { Ok(()) } else { Err(generation::broken()) };
        let _turn = inner.erasing.lock().await;
        check()?;
        // The note that stands here takes the place of one that was left behind, and may say less.
        for left in floors.iter().filter_map(|floor| inner.floors.noted(&floor.topic)) {
            inner.destroy(&left.value).await?;
        }
        let noted = self.note(&floors).await;
        let mut highest = Position::START;
        for floor in &floors {
            highest = highest.max(inner.destroy(floor).await?.ok_or_else(generation::broken)?);
        }
        check()?;
        for (nth, floor) in floors.iter().enumerate() {
            let position = noted.map(|first| Position::new(first.get() + nth as u64));
            if let Err(error) = self.end_note(floor, position).await {
                // It is erased here, and after any start; who else has this log in the process finds no more of it either.
                tracing::warn!(%error, topic = %floor.topic, "that it was erased can't be noted");
            }
        }
        Ok(highest)
    }

    /// Notes what is to be erased. Returns where the first note stands; `None` if they can't be noted: because the log takes no
    /// appends for want of room, which erasing may give it, or because there is no room for more notes even after what was left behind
    /// was erased. Then the log's own floors have to do.
    async fn note(&self, floors: &[Floor]) -> Option<Position> {
        let notes = || floors.iter().map(|floor| self.inner.floors.note(floor)).collect();
        for _ in 0..2 {
            match self.publish(notes(), None, None).await {
                Ok(Published::New(id)) => return Some(id.position),
                Ok(Published::Full(_)) => self.end_notes().await.ok()?,
                Ok(_) | Err(_) => return None,
            }
        }
        None
    }

    /// Ends the note at `position`, and tells every hub that it may have been erased.
    async fn end_note(&self, floor: &Floor, position: Option<Position>) -> Result<(), JournalError> {
        let floors = &self.inner.floors;
        if let Some(position) = position {
            let condition = floors.current(&floor.topic, position);
            if let Published::New(_) = self.publish(vec![floors.end(floor)], None, Some(condition)).await? {
                return Ok(());
            }
        }
        // Another took its place, and will end it, or there was no room for one.
        self.publish(vec![floors.tell(floor)], None, None).await.map(drop)
    }
}

impl Inner {
    /// Has the log destroy what is up to `floor`, and everything here let go of it. Returns the floor of its topic after that; `None`
    /// if it is of another line, and nothing was done.
    pub(crate) async fn destroy(&self, floor: &Floor) -> Result<Option<Position>, JournalError> {
        if floor.locate(&self.journal.epochs(), self.journal.head()).is_none() {
            return Ok(None);
        }
        let mut topics = vec![floor.topic.clone()];
        if let Some(below) = &floor.below {
            let mut after: Option<TopicName> = None;
            loop {
                let page = self.journal.topics(below, after.as_ref(), LISTED);
                let Some(last) = page.last() else { break };
                after = Some(last.topic.clone());
                topics.extend(page.into_iter().map(|holding| holding.topic));
            }
        }
        // By the id: the line may have broken since, and then the log erases nothing.
        let erased = self.journal.erase(&topics, floor.until).await;
        // Whatever came of it: what the log shows no more, nothing else may show.
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

/// Lets go of everything in `generation` in which something of `floors` may be, which was erased by whomever.
pub(crate) fn forget(generation: &Generation, floors: &[Located]) {
    if let Some(until) = floors.iter().map(|floor| floor.until).max() {
        generation.replays.forget();
        generation.fanout.forget_all(until);
    }
}
