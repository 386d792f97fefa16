//! The link of a node to the fake broker: which servers it reaches, and what gets lost on the way.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// How a node is connected. Each request draws its fate by these numbers.
#[derive(Clone, Debug)]
pub struct Link {
    /// The time that each way of a request takes, in milliseconds.
    pub latency_ms: Range<u64>,
    /// How many of a thousand requests are lost before they reach the server.
    pub lost: u32,
    /// How many of a thousand requests are done, and their answers are lost.
    pub unanswered: u32,
    /// How many of a thousand requests are done late, after their sender has been told that there
    /// was no answer.
    pub ghosts: u32,
    /// How many of a thousand requests are done a second time, some seconds later.
    pub doubled: u32,
    /// How many of a thousand batches of live groups, and of messages, get lost. Groups only with a
    /// [`Numbered`](super::Kind::Numbered) broker.
    pub live_lost: u32,
    /// How many of a thousand pages lack the newest groups. Only with a
    /// [`Numbered`](super::Kind::Numbered) broker.
    pub stale: u32,
    /// Whether every request is refused at once.
    pub cut: bool,
    /// Whether nothing gets through for now, without an error. Requests wait in buffers and are
    /// done when the link is well again, whether or not their senders still wait.
    pub stalled: bool,
    /// Whether the node itself does not run. Unlike with a stalled link, the time limits of
    /// requests don't pass, and answers arrive afterwards.
    pub frozen: bool,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Answered,
    /// It is done, answered, and done again later.
    Doubled,
    /// It never reaches the server. The sender notices that at once if `noticed`.
    Lost { noticed: bool },
    /// It is done, and the answer never arrives. The sender notices that at once if `noticed`.
    Unanswered { noticed: bool },
    /// The sender gives up, and then it is done.
    Ghost,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency_ms: 0..1,
            lost: 0,
            unanswered: 0,
            ghosts: 0,
            doubled: 0,
            live_lost: 0,
            stale: 0,
            cut: false,
            stalled: false,
            frozen: false,
        }
    }
}

impl Link {
    /// Draws the fate of a request that changes something if `writes`.
    pub(super) fn fate(&self, writes: bool, rng: &mut StdRng) -> Fate {
        let noticed = rng.random_range(0..2) == 0;
        let draw = rng.random_range(0..1_000);
        let mut passed = 0;
        let mut is = |share: u32| {
            passed += share;
            draw < passed
        };
        if is(self.lost) {
            Fate::Lost { noticed }
        } else if is(self.unanswered) {
            Fate::Unanswered { noticed }
        } else if is(self.ghosts) && writes {
            Fate::Ghost
        } else if is(self.doubled) && writes {
            Fate::Doubled
        } else {
            Fate::Answered
        }
    }

    pub(super) fn latency(&self, rng: &mut StdRng) -> Duration {
        Duration::from_millis(rng.random_range(self.latency_ms.clone()))
    }
}

/// Draws whether something happens that happens `share` times of a thousand.
pub(super) fn happens(share: u32, rng: &mut StdRng) -> bool {
    share > 0 && rng.random_range(0..1_000) < share
}
