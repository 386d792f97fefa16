//! Why the server does not start: every error of the configuration, each one line.
//!
//! Owns the wording. Must never show a secret, nor a line of a file that may hold one.

use std::io;

use crate::name::variable;
use crate::origin::Origin;
use crate::rule::Raw;

/// An error of the configuration. Its `Display` is one line: the setting, its value, where it came from, what is allowed.
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
        /// What is allowed, in words.
        allowed: String,
    },
    /// A name that is no setting, in a place that holds nothing but settings.
    #[error("{written} ({origin}) is no setting; {hint}")]
    Unknown {
        /// What was written: name and value, the latter hidden where it looks like a secret.
        written: String,
        /// Where it was written.
        origin: Origin,
        /// The name that may have been meant, or where all are listed.
        hint: String,
    },
    /// A command line that makes no sense.
    #[error("{0}")]
    Arguments(String),
    /// A file that can't be read.
    #[error("{file} can't be read: {source}")]
    Unreadable {
        /// Its name.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file that does not follow its grammar.
    #[error("{file}, line {line}, can't be understood: {problem}")]
    Malformed {
        /// Its name.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
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

/// A value as an error shows it: on one line, not endless, or not at all.
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
