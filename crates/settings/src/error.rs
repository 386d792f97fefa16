//! The errors of the configuration, because of which the server does not start.
//!
//! Owns the wording; each error is one line. Must never show a secret, nor a line of a file that
//! may contain one.

use std::io;

use crate::name::variable;
use crate::origin::Origin;
use crate::rule::Raw;

/// An error of the configuration. Its `Display` is one line: the setting, its value, where it came
/// from, what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that is not allowed.
    #[error("{name}={value} ({origin}) is not allowed; allowed is {allowed}")]
    Refused {
        /// The setting, as the environment writes it.
        name: String,
        /// The value as it was written; hidden where it is a secret.
        value: String,
        /// Where it was written.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// An unknown name in a place that contains nothing but settings.
    #[error("{written} ({origin}) is no setting; {hint}")]
    Unknown {
        /// The name and the value; the value is hidden if it looks like a secret.
        written: String,
        /// Where it was written.
        origin: Origin,
        /// The name that may have been meant, or where all names are listed.
        hint: String,
    },
    /// An invalid command line.
    #[error("{0}")]
    Arguments(String),
    /// A file that can't be read.
    #[error("{file} can't be read: {source}")]
    Unreadable {
        /// The name of the file.
        file: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A file that breaks its grammar.
    #[error("{file}, line {line}, can't be understood: {problem}")]
    Malformed {
        /// The name of the file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The error.
        problem: String,
    },
    /// Values that are each allowed, but not together.
    #[error("{0}")]
    Conflict(String),
}

impl Error {
    /// A value that its rule does not allow; where it is `secret`, it is not shown.
    pub fn refused(key: &str, raw: &Raw, secret: bool, origin: Origin, allowed: String) -> Self {
        Self::Refused { name: variable(key), value: shown(&raw.written(), secret), origin, allowed }
    }
}

/// Returns a value for an error message: on one line, shortened if it is long, hidden if it is a
/// secret.
pub(crate) fn shown(value: &str, secret: bool) -> String {
    const MOST: usize = 80;
    if secret {
        return "(hidden)".to_owned();
    }
    let mut shown: String = value.chars().take(MOST).flat_map(char::escape_debug).collect();
    if value.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
