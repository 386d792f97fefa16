//! The origin of a value.

use std::fmt;

/// The origin of a value.
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
    /// The setting was not written anywhere.
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
