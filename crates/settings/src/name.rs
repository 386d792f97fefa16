//! Conversions from the name of a setting in `tidings.toml` to its names in the environment and on
//! the command line.

/// Converts `heartbeat_interval` to `HEARTBEAT_INTERVAL`.
pub(crate) fn variable(key: &str) -> String {
    key.to_ascii_uppercase()
}

/// Converts `heartbeat_interval` to `heartbeat-interval`.
pub(crate) fn flag(key: &str) -> String {
    key.replace('_', "-")
}
