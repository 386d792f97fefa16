//! The output of the process: its log on standard error, as text for people or JSON for machines,
//! with [`panics`] in it, and its messages to the service manager ([`service_manager`]).
//!
//! The log must never contain tokens, tickets, cookies, query strings or bodies. Writing it, and a
//! slow or failing standard error, must have no effect on anything else: see `queue.rs`.

pub mod panics;
mod queue;
pub mod service_manager;

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use queue::{Dropped, Queue};

/// The messages of the storage engine at the level `info` help only its developers. There are some
/// fifty at each start.
const ENGINE: &str = "fjall=warn,lsm_tree=warn";

/// How long the end of the process waits for lines that are not written yet.
const LAST_LINES: Duration = Duration::from_millis(200);

/// The lines on their way to standard error, once [`start`] was called.
static QUEUE: Queue = Queue::new();
static RUNS: AtomicBool = AtomicBool::new(false);

/// Replaces the current filter.
type Refilter = Box<dyn Fn(Targets) -> bool + Send>;
static REFILTER: Mutex<Option<Refilter>> = Mutex::new(None);

/// A writer for one entry of the log, which is written to it in one piece.
struct Line;

/// The form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line of text, for people.
    Text,
    /// One object of JSON, for machines.
    Json,
}

/// Starts the log of this process, and writes panics to it. A second call changes nothing.
pub fn start(level: &str, format: Format) -> io::Result<()> {
    if RUNS.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    std::thread::Builder::new().name("log".to_owned()).spawn(|| {
        QUEUE.write_to(io::stderr(), |lines| tracing::warn!(lines, "lines of the log were dropped: nobody took them"));
    })?;
    // The layer would write its own errors by `eprintln!`, which panics if it fails.
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Line).log_internal_errors(false);
    let lines = match format {
        Format::Text => lines.with_target(false).with_ansi(io::stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let (level, refilter) = reload::Layer::new(filter(level));
    match tracing_subscriber::registry().with(level).with(lines).try_init() {
        Ok(()) => *REFILTER.lock() = Some(Box::new(move |filter| refilter.reload(filter).is_ok())),
        Err(error) => tracing::debug!(%error, "the log runs already"),
    }
    panics::log_them();
    Ok(())
}

/// Sets the filter of the log. Returns whether the log is the one of this module, and not an
/// application's.
pub fn set_level(level: &str) -> bool {
    REFILTER.lock().as_ref().is_some_and(|refilter| refilter(filter(level)))
}

/// Writes lines that are not log entries to standard error. They appear in order among the entries,
/// and are subject to the same limits. Before the log runs, and in programs without a log, they are
/// written immediately.
pub fn say(lines: &str) {
    if RUNS.load(Ordering::Acquire) {
        QUEUE.put(lines.as_bytes());
    } else {
        let _ = io::stderr().write_all(lines.as_bytes()); // a closed standard error is no reason to panic
    }
}

/// Waits a short time for lines that are not written yet, before the process ends.
pub fn flush() {
    if RUNS.load(Ordering::Acquire) {
        QUEUE.flush(LAST_LINES);
    }
}

/// Returns the numbers of dropped lines, by reason.
pub fn dropped() -> [(&'static str, u64); 2] {
    let Dropped { full, failed } = QUEUE.dropped();
    [("full", full), ("failed", failed)]
}

/// Whether `text` is a valid filter: a level, or levels of single modules
/// (`info,tidings_hub=debug`).
pub fn is_filter(text: &str) -> bool {
    text.parse::<Targets>().is_ok()
}

/// Parses a filter. Settings were checked when they were read, so only an application that uses the
/// library can pass one that does not parse.
fn filter(level: &str) -> Targets {
    quiet(level).parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO))
}

/// Returns the filter with the storage engine's `info` excluded, unless the filter itself sets the
/// engine's level.
fn quiet(level: &str) -> String {
    match level.split(',').next() {
        // Of two directives for one target the later one applies.
        Some(first) if first.eq_ignore_ascii_case("info") => format!("{ENGINE},{level}"),
        _ => level.to_owned(),
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_says_little_unless_it_is_asked() {
        assert_eq!(quiet("info"), "fjall=warn,lsm_tree=warn,info");
        assert_eq!(quiet("info,fjall=debug"), "fjall=warn,lsm_tree=warn,info,fjall=debug");
        for level in ["error", "debug", "off", "tidings=info"] {
            assert_eq!(quiet(level), level);
        }
    }
}
