//! The errors of a log.

/// Why the log did not do what it was asked to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The log takes no more appends. Everything that was appended before stays readable.
    #[error("the journal is closed for writing: {0}")]
    Closed(String),
    /// The append is larger than the log accepts. It is not in the log.
    #[error("{0}")]
    TooLarge(String),
    /// A part of the log is damaged. The next attempt to read it fails in the same way.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The log can't be read. The next attempt may succeed.
    #[error("the journal can't be read: {0}")]
    Unreadable(String),
    /// The log gave no answer that can be relied on: it took too long, or its history changed in
    /// the meantime. The append may be in the log or not. Another attempt may succeed.
    #[error("the journal gave no certain answer: {0}")]
    Uncertain(String),
}
