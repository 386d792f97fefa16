//! What the process says: its log, to standard error, as text for people or JSON for machines; [`panics`] in it; and to the
//! service manager how it is ([`service_manager`]).
//!
//! What is never in it: tokens, tickets, cookies, query strings, bodies. Nothing that happens to it, or that it does to
//! standard error, may be felt anywhere else: see `queue.rs`.

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

/// What the storage engine says at `info` is of use to whoever works on it: some fifty lines at each start.
const ENGINE: &str = "fjall=warn,lsm_tree=warn";

/// How long the end of the process waits for what is still to be written.
const LAST_LINES: Duration = Duration::from_millis(200);

/// What this process says on standard error, once [`start`] was called.
static QUEUE: Queue = Queue::new();
static RUNS: AtomicBool = AtomicBool::new(false);

/// Puts another filter in the place of the one that holds.
type Refilter = Box<dyn Fn(Targets) -> bool + Send>;
static REFILTER: Mutex<Option<Refilter>> = Mutex::new(None);

/// One line for the queue: the log hands over each in one piece.
struct Line;

/// The form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line of text, for people.
    Text,
    /// One object of JSON, for machines.
    Json,
}

/// Starts the log of this process, and has panics written to it. A second call changes nothing.
pub fn start(level: &str, format: Format) -> io::Result<()> {
    if RUNS.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    std::thread::Builder::new().name("log".to_owned()).spawn(|| {
        QUEUE.write_to(io::stderr(), |lines| tracing::warn!(lines, "lines of the log were dropped: nobody took them"));
    })?;
    // Its own errors would be written by `eprintln!`, which panics if it can't.
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

/// Has the log say what `level` asks for from now on. Returns whether the log is this module's, and not an application's.
pub fn set_level(level: &str) -> bool {
    REFILTER.lock().as_ref().is_some_and(|refilter| refilter(filter(level)))
}

/// Says lines that are no entries of the log: in their order among these, and with the same care. Before the log runs, and in
/// programs that have none, at once.
pub fn say(lines: &str) {
    if RUNS.load(Ordering::Acquire) {
        QUEUE.put(lines.as_bytes());
    } else {
        let _ = io::stderr().write_all(lines.as_bytes()); // a closed standard error is no reason to panic
    }
}

/// Waits a little for what is still to be written, before the process ends.
pub fn flush() {
    if RUNS.load(Ordering::Acquire) {
        QUEUE.flush(LAST_LINES);
    }
}

/// How many lines were dropped, by reason.
pub fn dropped() -> [(&'static str, u64); 2] {
    let Dropped { full, failed } = QUEUE.dropped();
    [("full", full), ("failed", failed)]
}

/// Whether the log understands this filter: a level, or levels of single modules (`info,tidings_hub=debug`).
pub fn is_filter(text: &str) -> bool {
    text.parse::<Targets>().is_ok()
}

/// The settings were checked when they were read; a filter that does not parse can only come from a library user.
fn filter(level: &str) -> Targets {
    quiet(level).parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO))
}

/// The filter with the storage engine's `info` left out, unless it says itself what the engine may say.
fn quiet(level: &str) -> String {
    match level.split(',').next() {
        // Of two directives for one target the later holds.
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
