//! The log: to standard error, as text for people or JSON for machines.
//!
//! What is never in it: tokens, tickets, cookies, query strings, bodies.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Format, Log};

/// What the storage engine says at `info` is of use to whoever works on it: some fifty lines at each start.
const ENGINE: &str = "fjall=warn,lsm_tree=warn";

/// Starts the log of this process. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    // The settings were checked when they were read; a filter that does not parse can only come from a library user.
    let filter = EnvFilter::try_new(quiet(&log.level)).unwrap_or_else(|_| EnvFilter::new(quiet("info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        Format::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log runs already");
    }
}

/// The filter with the storage engine's `info` left out, unless it says itself what the engine may say.
fn quiet(level: &str) -> String {
    match level.split(',').next() {
        // Of two directives for one target the later holds.
        Some(first) if first.eq_ignore_ascii_case("info") => format!("{ENGINE},{level}"),
        _ => level.to_owned(),
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
