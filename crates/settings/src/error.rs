//! The errors of the configuration that prevent the server from starting.
//!
//! Owns their texts, each of which is one line. Must never show a secret, nor a line of a file that
//! may contain one.

use std::io;

use crate::name::variable;
use crate::origin::Origin;
use crate::rule::Raw;

/// An error of the configuration. Its `Display` is one line with the setting, its value, the origin
/// of the value, and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is not allowed.
    #[error("{name}={value} ({origin}) is not allowed; allowed: {allowed}")]
    Refused {
        /// The setting, as the environment writes it.
        name: String,
        /// The value as it was written; hidden if it is a secret.
        value: String,
        /// Where it was written.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// There is an unknown name in a place that contains only settings.
    #[error("{written} ({origin}) is not a setting; {hint}")]
    Unknown {
        /// The name and the value; the value is hidden if it looks like a secret.
        written: String,
        /// Where it was written.
        origin: Origin,
        /// The name that may have been meant, or where all names are listed.
        hint: String,
    },
    /// The command line is invalid.
    #[error("{0}")]
    Arguments(String),
    /// A file can't be read.
    #[error("{file} can't be read: {source}")]
    Unreadable {
        /// The name of the file.
        file: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A file does not follow its grammar.
    #[error("{file}, line {line}, can't be understood: {problem}")]
    Malformed {
        /// The name of the file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The error.
        problem: String,
    },
    /// Some values are each allowed, but not together.
    #[error("{0}")]
    Conflict(String),
}

impl Error {
    /// Returns the error for a value that its rule does not allow. A `secret` value is not shown.
    pub fn refused(key: &str, raw: &Raw, secret: bool, origin: Origin, allowed: String) -> Self {
        Self::Refused {
            name: variable(key),
            value: shown(&raw.written(), secret),
            origin,
            allowed,
        }
    }
}

/// Formats a value for an error message: in one line, truncated if it is long, and hidden if it is
/// a secret.
pub(crate) fn shown(value: &str, secret: bool) -> String {
    const MAX_CHARS: usize = 80;
    if secret {
        return "(hidden)".to_owned();
    }
    let mut shown: String = value
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
