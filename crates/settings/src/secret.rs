//! A secret setting.
//!
//! Owns the two ways to read its text, [`Secret::expose`] and [`Secret::trimmed`]. The text must
//! never be shown: `Debug` hides it, and there is no `Display`.

use std::fmt;

/// Text that is never shown. `{:?}` prints `Secret(hidden)`.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the code that signs or verifies with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the text without the white space around it. Secrets from files, `--env-file` and
    /// Kubernetes often end with an unintended line break.
    pub fn trimmed(&self) -> &str {
        self.0.trim_ascii()
    }

    /// Returns the length in bytes, which may be shown.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        let secret = Secret::new("correct horse battery staple");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(
            format!("{:#?}", Some(&secret)),
            "Some(\n    Secret(hidden),\n)"
        );
    }

    #[test]
    fn only_ascii_white_space_at_the_ends_is_trimmed() {
        assert_eq!(Secret::new("\t a b\r\n").trimmed(), "a b");
        assert_eq!(Secret::new("\u{a0}a").trimmed(), "\u{a0}a");
    }
}
