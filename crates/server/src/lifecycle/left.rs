//! What a server leaves behind that did not end in time.

use std::fmt;

use crate::app::{App, Phase};

/// What was left when `SHUTDOWN_TIMEOUT` was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Streams that were still open: told to go and not gone, or not told yet.
    pub streams: usize,
    /// Calls that had arrived whole and were not answered yet.
    pub calls: usize,
    /// Connections that were still open, those of streams and calls among them. None are known where an application serves
    /// them.
    pub connections: usize,
    /// Whether publishes were still taken, so that the log was not made safe for the end.
    pub is_draining: bool,
}

impl Left {
    pub(crate) fn of(app: &App, connections: usize) -> Self {
        Self {
            streams: app.hub.connections().stats().total,
            calls: app.counts.whole_calls(),
            connections,
            is_draining: app.phase() < Phase::Closing,
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { streams, calls, connections, is_draining } = self;
        if (*streams, *calls, *connections) == (0, 0, 0) {
            return f.write_str("the journal, which was not done with what it had to make safe");
        }
        write!(f, "{streams} open streams, {calls} calls without an answer, {connections} connections")?;
        if *is_draining { f.write_str("; the drain was not over, see DRAIN_SECONDS") } else { Ok(()) }
    }
}
