//! The mode, which chooses between two sets of defaults.

pub mod section;

/// The mode, which chooses the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For one developer on one machine: it listens on loopback, demo tokens work, logs are text.
    #[default]
    Development,
    /// For public servers: it listens on every address, demo tokens are off, logs are JSON, and a
    /// weak secret stops the start.
    Production,
}

impl Mode {
    /// Returns the name of the mode, as `/health` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}
