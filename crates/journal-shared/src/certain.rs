//! Being certain: whoever has folded a group that was appended after a question has everything that
//! was in the log when the question was asked.

use parking_lot::Mutex;
use tidings_journal::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::watched::Watched;

/// The questions whether this node has everything. All that are asked before a group is sent are
/// answered by it.
pub(crate) struct Certain {
    state: Mutex<State>,
    asked: Notify,
    /// The newest question that was answered.
    answered: Watched<u64>,
}

#[derive(Default)]
struct State {
    /// The number of the question that is asked next or was asked already.
    number: u64,
    is_asked: bool,
}

impl Certain {
    pub(crate) fn new() -> Self {
        let state = Mutex::new(State {
            number: 1,
            is_asked: false,
        });
        Self {
            state,
            asked: Notify::new(),
            answered: Watched::new(0),
        }
    }

    /// Asks, and returns once the question is answered.
    pub(crate) async fn ask(&self, deadline: Instant) -> Result<(), Error> {
        let number = {
            let mut state = self.state.lock();
            state.is_asked = true;
            state.number
        };
        self.asked.notify_one();
        let answer = timeout_at(
            deadline,
            self.answered.wait_for(|answered| *answered >= number),
        )
        .await;
        let is_answered = answer.is_ok();
        let why =
            || Error::Uncertain("the broker can't be asked what else is in the log".to_owned());
        if is_answered { Ok(()) } else { Err(why()) }
    }

    /// Waits until somebody may have asked.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.state.lock().is_asked
    }

    /// Returns the question that a group answers which is sent from now on, if there is one.
    pub(crate) fn take(&self) -> Option<u64> {
        let mut state = self.state.lock();
        if !state.is_asked {
            return None;
        }
        state.is_asked = false;
        state.number += 1;
        Some(state.number - 1)
    }

    /// The group that would have answered was given up. The next one does.
    pub(crate) fn again(&self) {
        self.state.lock().is_asked = true;
        self.asked.notify_one();
    }

    /// The group that answers `number` was folded.
    pub(crate) fn answer(&self, number: u64) {
        self.answered.update(|answered| Some(number.max(*answered)));
    }
}
