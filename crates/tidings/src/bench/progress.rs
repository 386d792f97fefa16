//! One line that says how far a run is: drawn anew on a terminal, a line each second elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::terminal::say;

/// How often the line is written anew.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// The line.
pub(super) struct Progress {
    terminal: bool,
    drawn: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), drawn: false }
    }

    /// `line` must hold nothing that others wrote.
    pub(super) fn show(&mut self, line: &str) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K  {line}"); // a closed standard error is no reason to stop
            self.drawn = true;
        } else {
            say(line);
        }
    }

    /// Makes room for something else.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
