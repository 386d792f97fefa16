//! The three spellings of a setting's one name.

/// `heartbeat_interval` → `HEARTBEAT_INTERVAL`.
pub(crate) fn variable(key: &str) -> String {
    key.to_ascii_uppercase()
}

/// `heartbeat_interval` → `heartbeat-interval`.
pub(crate) fn flag(key: &str) -> String {
    key.replace('_', "-")
}
