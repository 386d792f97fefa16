//! The log: to standard error, as text for people or JSON for machines.
//!
//! What is never in it: tokens, tickets, cookies, query strings, bodies.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Format, Log};

/// Starts the log of this process. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    // The settings were checked when they were read; a filter that does not parse can only come from a library user.
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        Format::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log runs already");
    }
}
