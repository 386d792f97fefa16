//! Which of the two sets of defaults holds.

pub mod section;

/// Whose needs the defaults serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One developer on one machine: it listens on loopback, demo tokens work, logs are text.
    #[default]
    Development,
    /// The public: it listens everywhere, demo tokens are off, logs are JSON, and weak secrets stop the start.
    Production,
}

impl Mode {
    /// The word for it, as `/health` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}
