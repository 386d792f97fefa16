//! Whether a node can be relied on: the broker answers, and the node is not behind.

use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::Error;
use tokio::sync::watch;
use tokio::time::Instant;

/// How old the newest sign of the broker may be.
const MAX_SILENCE: Duration = Duration::from_secs(3);

/// For how long a node may be behind the log.
const MAX_LAG: Duration = Duration::from_secs(5);

/// What is known of the broker.
pub(crate) struct Pulse {
    state: Mutex<State>,
    /// Whether the log was read, or why it can't be.
    ready: watch::Sender<Ready>,
}

/// Whether the log was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Not yet.
    NotYet,
    /// It was.
    Yes,
    /// It can't be before the operator changes something.
    Never(String),
}

#[derive(Default)]
struct State {
    /// When the broker last answered.
    answered_at: Option<Instant>,
    /// Since when this node has been behind the log, and by how many positions.
    behind: Option<(Instant, u64)>,
    /// Why nothing can be appended, as of the last attempt.
    append: Option<String>,
    /// Why the log is not followed at the moment.
    follow: Option<String>,
    /// Whether this node decided otherwise than another one did.
    diverged: bool,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            ready: watch::Sender::new(Ready::NotYet),
        }
    }

    /// The broker has answered.
    pub(crate) fn beat(&self) {
        self.state.lock().answered_at = Some(Instant::now());
    }

    /// The log is followed, or not, and why.
    pub(crate) fn follows(&self, result: Result<(), String>) {
        let mut state = self.state.lock();
        state.follow = result.err();
        if state.follow.is_none() {
            state.answered_at = Some(Instant::now());
        }
    }

    /// A group was appended, or not, and why.
    pub(crate) fn appended(&self, result: Result<(), String>) {
        self.state.lock().append = result.err();
    }

    /// The node is behind by this many positions; by none if it is not.
    pub(crate) fn lags(&self, positions: u64) {
        let mut state = self.state.lock();
        let since = state.behind.map_or_else(Instant::now, |(since, _)| since);
        state.behind = (positions > 0).then_some((since, positions));
    }

    /// This node has decided otherwise than another one did.
    pub(crate) fn diverged(&self) {
        self.state.lock().diverged = true;
    }

    pub(crate) fn set_ready(&self, ready: Ready) {
        self.ready.send_if_modified(|known| {
            let is_new = *known != ready;
            *known = ready;
            is_new
        });
    }

    /// Waits until the log was read, or can't be.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        let mut ready = self.ready.subscribe();
        let known = ready
            .wait_for(|ready| *ready != Ready::NotYet)
            .await
            .map(|ready| ready.clone());
        match known {
            Ok(Ready::Never(why)) => Err(Error::Closed(why)),
            _ => Ok(()),
        }
    }

    /// Returns whether the broker answers and the log was read.
    pub(crate) fn is_up(&self) -> bool {
        let state = self.state.lock();
        let answers = state
            .answered_at
            .is_some_and(|at| at.elapsed() <= MAX_SILENCE);
        answers && state.follow.is_none() && *self.ready.borrow() == Ready::Yes
    }

    /// Returns by how much and for how long the node is behind, and whether it has diverged.
    pub(crate) fn lag(&self) -> (u64, Duration, bool) {
        let state = self.state.lock();
        let (positions, since) = state
            .behind
            .map_or((0, Duration::ZERO), |(since, by)| (by, since.elapsed()));
        (positions, since, state.diverged)
    }

    /// Returns whether the node can be relied on, or why not.
    pub(crate) fn health(&self) -> Result<(), Error> {
        let state = self.state.lock();
        let ready = self.ready.borrow().clone();
        let by_itself = |what: String| Err(Error::Closed(format!("{what}; it recovers by itself")));
        if state.diverged {
            let why = "this node has made something else of the log than another one; restart it, \
                       and report it as a fault";
            return Err(Error::Closed(why.to_owned()));
        }
        match ready {
            Ready::Never(why) => return Err(Error::Closed(why)),
            Ready::NotYet => {
                let why = state
                    .follow
                    .as_deref()
                    .unwrap_or("it has not been read to its end yet");
                return by_itself(format!("the broker's log is not here: {why}"));
            }
            Ready::Yes => {}
        }
        if let Some(why) = &state.follow {
            return by_itself(format!("the broker's log can't be followed: {why}"));
        }
        if state
            .answered_at
            .is_none_or(|at| at.elapsed() > MAX_SILENCE)
        {
            return by_itself(format!(
                "the broker has not answered for {} s",
                MAX_SILENCE.as_secs()
            ));
        }
        if let Some((since, by)) = state.behind
            && since.elapsed() > MAX_LAG
        {
            return by_itself(format!(
                "this node is {by} positions behind the broker's log"
            ));
        }
        match &state.append {
            Some(why) => by_itself(format!("the broker takes nothing: {why}")),
            None => Ok(()),
        }
    }
}
