//! Where the value of a setting was written.

use std::fmt;

/// Where the value of a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, by the flag with this name.
    Flag(String),
    /// In the environment of the process.
    Environment,
    /// In the `.env` of the working directory.
    DotEnv {
        /// The line, counted from 1.
        line: usize,
    },
    /// In the file with this name: `tidings.toml`, or the one that `--config` names.
    File(String),
    /// Nowhere: the value is the default.
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
