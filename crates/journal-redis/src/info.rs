//! The server's answer to `INFO`.

use std::collections::HashMap;

/// The server's answer to `INFO`, or a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    /// Parses lines of the form `field:value`. Everything else is passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        Self(
            pairs
                .map(|(field, value)| (field.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.get(field)?.parse().ok()
    }

    /// Returns true if the server takes writes of its own, which a replica does not.
    pub(crate) fn is_master(&self) -> bool {
        self.get("role") == Some("master")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_headings_passed_over() {
        let info =
            Info::parse("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\r\nodd line\r\n");
        assert!(info.is_master());
        assert_eq!(info.number("connected_slaves"), Some(2));
        assert_eq!(info.get("odd line"), None);
    }
}
