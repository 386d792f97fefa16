//! What a server leaves unfinished if it does not end in time.

use std::fmt;

use crate::app::{App, Phase};

/// What was unfinished when `SHUTDOWN_TIMEOUT` had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Streams that were still open, whether they were told to end or not yet.
    pub streams: usize,
    /// Calls that had arrived whole and were not answered yet.
    pub calls: usize,
    /// Connections that were still open, including those of streams and calls. None are known if an
    /// application serves them.
    pub connections: usize,
    /// Whether publishes were still accepted. The log was then not closed.
    pub is_draining: bool,
}

impl Unfinished {
    pub(crate) fn of(app: &App, connections: usize) -> Self {
        Self {
            streams: app.hub.connections().stats().total,
            calls: app.counts.whole_calls(),
            connections,
            is_draining: app.phase() < Phase::Closing,
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            streams,
            calls,
            connections,
            is_draining,
        } = self;
        if (*streams, *calls, *connections) == (0, 0, 0) {
            return f.write_str("the journal, which had not stored everything yet");
        }
        write!(
            f,
            "{streams} open streams, {calls} calls without an answer, {connections} connections"
        )?;
        if *is_draining {
            f.write_str("; the drain was not over, see DRAIN_SECONDS")
        } else {
            Ok(())
        }
    }
}
