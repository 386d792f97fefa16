//! The mode of the server.

pub mod section;

/// The mode, which chooses the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For one developer on one machine: the server listens on loopback, demo tokens are accepted,
    /// and logs are text.
    #[default]
    Development,
    /// For public servers: the server listens on every address, demo tokens are off, logs are JSON,
    /// and the server refuses to start with a weak secret.
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
