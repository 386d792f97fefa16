//! Where a value came from.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// The environment of the process.
    Environment,
    /// The `.env` of the working directory.
    DotEnv {
        /// The line, counted from 1.
        line: usize,
    },
    /// `tidings.toml`, or the file that `--config` names.
    File(String),
    /// Nowhere: nobody wrote it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Environment => f.write_str("environment"),
            Self::DotEnv { line } => write!(f, ".env line {line}"),
            Self::File(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}
