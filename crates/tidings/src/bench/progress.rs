//! A line that shows the progress of a run: redrawn on a terminal, one line per second elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::terminal::say;

/// The time between two updates of the line.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The progress line.
pub(super) struct Progress {
    terminal: bool,
    drawn: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            drawn: false,
        }
    }

    /// Shows the line. It must not contain foreign text, because it is not made safe for a
    /// terminal.
    pub(super) fn show(&mut self, line: &str) {
        if self.terminal {
            // the run continues if standard error is closed
            let _ = write!(std::io::stderr(), "\r\x1b[K  {line}");
            self.drawn = true;
        } else {
            say(line);
        }
    }

    /// Removes the line, so that other output can be written.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
