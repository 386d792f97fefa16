//! The output of the process: the log, and messages to the service manager ([`service_manager`]).
//!
//! The log is written to standard error, as text for people or JSON for machines. [`panics`] are
//! part of it. It must never contain tokens, tickets, cookies, query strings or bodies. A slow or
//! failing standard error must have no effect on anything but the log: see `queue.rs`.

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

/// The part of a filter that hides the messages of the storage engine at the level `info`. They
/// help only its developers, and there are about fifty at each start.
const ENGINE_FILTER: &str = "fjall=warn,lsm_tree=warn";

/// How long the end of the process waits for lines that are not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// The lines that are not written to standard error yet. Used once [`start`] was called.
static QUEUE: Queue = Queue::new();

/// Whether [`start`] was called.
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// A function that replaces the current filter.
type SetFilter = Box<dyn Fn(Targets) -> bool + Send>;
static SET_FILTER: Mutex<Option<SetFilter>> = Mutex::new(None);

/// A writer that puts entries of the log into the queue. Each entry must be written in one call.
struct QueueWriter;

/// The format of the log's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line of text, for people.
    Text,
    /// One object of JSON, for machines.
    Json,
}

/// Starts the log of this process, and from then on logs panics. A second call has no effect.
pub fn start(level: &str, format: Format) -> io::Result<()> {
    if IS_STARTED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(|| {
            QUEUE.write_to(io::stderr(), |lines| {
                tracing::warn!(
                    lines,
                    "lines of the log were dropped, because they could not be \
                                   written in time or at all"
                );
            });
        })?;
    // Otherwise, the layer would write its own errors with `eprintln!`, which panics if it fails.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| QueueWriter)
        .log_internal_errors(false);
    let lines = match format {
        Format::Text => lines
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    };
    let (level, handle) = reload::Layer::new(filter(level));
    match tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init()
    {
        Ok(()) => *SET_FILTER.lock() = Some(Box::new(move |filter| handle.reload(filter).is_ok())),
        Err(error) => tracing::debug!(%error, "the application has a log of its own already"),
    }
    panics::install_hook();
    Ok(())
}

/// Sets the filter of the log. Returns whether it was set: if an application has a log of its own,
/// nothing is changed.
pub fn set_level(level: &str) -> bool {
    SET_FILTER
        .lock()
        .as_ref()
        .is_some_and(|set_filter| set_filter(filter(level)))
}

/// Writes lines that are not log entries to standard error. They go through the same queue as the
/// entries, with its order and its limits. If the log was not started, they are written at once.
pub fn say(lines: &str) {
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.put(lines.as_bytes());
    } else {
        // An error is ignored, because a closed standard error must not make the program fail.
        let _ = io::stderr().write_all(lines.as_bytes());
    }
}

/// Waits for a short time until all lines are written. To be called before the process ends.
pub fn flush() {
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.flush(FLUSH_TIMEOUT);
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

/// Parses a filter. If it is invalid, the level is `info`. Only an application that uses the
/// library can pass an invalid filter, because settings are checked when they are read.
fn filter(level: &str) -> Targets {
    with_engine_filter(level)
        .parse()
        .unwrap_or_else(|_| Targets::new().with_default(Level::INFO))
}

/// Adds [`ENGINE_FILTER`] to a filter whose level is `info`, in a place where the filter itself can
/// still override it.
fn with_engine_filter(level: &str) -> String {
    match level.split(',').next() {
        // If there are two directives for one target, the later one applies.
        Some(first) if first.eq_ignore_ascii_case("info") => format!("{ENGINE_FILTER},{level}"),
        _ => level.to_owned(),
    }
}

impl Write for QueueWriter {
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
    fn the_engine_logs_warnings_only_unless_the_filter_says_otherwise() {
        assert_eq!(with_engine_filter("info"), "fjall=warn,lsm_tree=warn,info");
        assert_eq!(
            with_engine_filter("info,fjall=debug"),
            "fjall=warn,lsm_tree=warn,info,fjall=debug"
        );
        for level in ["error", "debug", "off", "tidings=info"] {
            assert_eq!(with_engine_filter(level), level);
        }
    }
}
