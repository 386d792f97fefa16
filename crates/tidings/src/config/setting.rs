//! One setting as a row of the table, and the `section!` macro that writes a section's struct and its rows in one go.
//!
//! The doc comment of a field is the only text about a setting: rustdoc, `--help`, `docs/configuration.md` and
//! `.env.example` all show it. A row holds no value.

use super::rule::{Rule, Shape};

/// A row of the table of settings.
pub(super) struct Setting {
    /// The one name, as `tidings.toml` writes it; the other two are derived from it.
    pub(super) key: &'static str,
    /// The title of its section.
    pub(super) section: &'static str,
    /// The doc comment of its field, line by line.
    doc: &'static [&'static str],
    pub(super) preset: Preset,
    pub(super) allowed: String,
    pub(super) placeholder: &'static str,
    pub(super) shape: Shape,
    pub(super) secret: bool,
}

/// What holds where nothing was written; an empty text is "none".
#[derive(Clone, Copy)]
pub(super) struct Preset {
    pub(super) development: &'static str,
    pub(super) production: &'static str,
}

/// A section of the table: a title, and a sentence about it.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) about: &'static [&'static str],
}

impl Setting {
    pub(super) fn new<R: Rule>(
        section: &'static str,
        key: &'static str,
        doc: &'static [&'static str],
        rule: &R,
        preset: impl Into<Preset>,
    ) -> Self {
        Self {
            key,
            section,
            doc,
            preset: preset.into(),
            allowed: rule.allowed(),
            placeholder: rule.placeholder(),
            shape: rule.shape(),
            secret: rule.secret(),
        }
    }

    /// `HEARTBEAT_INTERVAL`, as the environment and `.env` write it.
    pub(super) fn variable(&self) -> String {
        variable(self.key)
    }

    /// `heartbeat-interval`, as the command line writes it behind two hyphens.
    pub(super) fn flag(&self) -> String {
        flag(self.key)
    }

    /// What it does, in one paragraph.
    pub(super) fn about(&self) -> String {
        prose(self.doc)
    }
}

/// `heartbeat_interval` → `HEARTBEAT_INTERVAL`.
pub(super) fn variable(key: &str) -> String {
    key.to_ascii_uppercase()
}

/// `heartbeat_interval` → `heartbeat-interval`.
pub(super) fn flag(key: &str) -> String {
    key.replace('_', "-")
}

/// A doc comment as one paragraph.
pub(super) fn prose(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

impl From<&'static str> for Preset {
    fn from(text: &'static str) -> Self {
        Self { development: text, production: text }
    }
}

/// Writes a section: its struct, the rows of the table, and the reading of its fields.
macro_rules! section {
    (
        $title:literal
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:literal => pub $field:ident: $type:ty = $rule:expr, $preset:expr;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $name {
            pub(in crate::config) const SECTION: $crate::config::setting::Section =
                $crate::config::setting::Section { title: $title, about: &[$($about),+] };

            pub(in crate::config) fn rows() -> Vec<$crate::config::setting::Setting> {
                vec![$(
                    $crate::config::setting::Setting::new($title, $key, &[$($doc),+], &$rule, $preset),
                )+]
            }

            pub(in crate::config) fn read(
                reading: &mut $crate::config::reading::Reading<'_>,
            ) -> Result<Self, $crate::config::Error> {
                Ok(Self { $( $field: reading.take($key, &$rule, $preset)?, )+ })
            }
        }
    };
}
pub(super) use section;
