//! One setting as a row of the table, and the `section!` macro that writes a section's struct and its rows in one go.
//!
//! The doc comment of a field is the only text about a setting: rustdoc, `--help`, `docs/configuration.md` and
//! `.env.example` all show it. A row holds no value.

use crate::mode::Mode;
use crate::name::{flag, variable};
use crate::rule::{Rule, Shape};

/// A row of the table of settings.
pub struct Setting {
    /// The one name, as `tidings.toml` writes it; the other two are derived from it.
    pub key: &'static str,
    /// The title of its section.
    pub section: &'static str,
    /// The doc comment of its field, line by line.
    doc: &'static [&'static str],
    /// What holds where nothing was written.
    pub preset: Preset,
    /// What is allowed, in words that complete "allowed is …".
    pub allowed: String,
    /// The word that stands for the value in `--help`.
    pub placeholder: &'static str,
    /// What kind of argument it is on the command line.
    pub shape: Shape,
    /// Whether the value must never be shown.
    pub secret: bool,
}

/// What holds where nothing was written; an empty text is "none".
#[derive(Clone, Copy)]
pub struct Preset {
    /// In development.
    pub development: &'static str,
    /// In production.
    pub production: &'static str,
}

/// A section of the table: a title, and a sentence about it.
pub struct Section {
    /// The title.
    pub title: &'static str,
    /// The sentence, line by line.
    pub about: &'static [&'static str],
}

impl Setting {
    /// The row of one setting, by the rule of its values.
    pub fn new<R: Rule>(
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
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// `heartbeat-interval`, as the command line writes it behind two hyphens.
    pub fn flag(&self) -> String {
        flag(self.key)
    }

    /// What it does, in one paragraph.
    pub fn about(&self) -> String {
        prose(self.doc)
    }
}

/// A doc comment as one paragraph.
pub fn prose(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

impl Preset {
    /// The default in a mode.
    pub fn of(self, mode: Mode) -> &'static str {
        match mode {
            Mode::Development => self.development,
            Mode::Production => self.production,
        }
    }

    /// Whether the modes have different defaults.
    pub fn differs(self) -> bool {
        self.development != self.production
    }

    /// The default in words, for plain text.
    pub fn words(self) -> String {
        self.said(str::to_owned)
    }

    /// The default in words, each value as code in Markdown.
    pub fn markdown(self) -> String {
        self.said(|text| format!("`{text}`"))
    }

    fn said(self, mark: impl Fn(&str) -> String) -> String {
        let one = |text: &str| {
            if text.is_empty() { "none".to_owned() } else { mark(text) }
        };
        if self.differs() {
            format!("{}; in production {}", one(self.development), one(self.production))
        } else {
            one(self.development)
        }
    }
}

impl From<&'static str> for Preset {
    fn from(text: &'static str) -> Self {
        Self { development: text, production: text }
    }
}

/// Writes a section: its struct, the rows of the table, and the reading of its fields.
#[macro_export]
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
            pub(crate) const SECTION: $crate::setting::Section =
                $crate::setting::Section { title: $title, about: &[$($about),+] };

            pub(crate) fn rows() -> Vec<$crate::setting::Setting> {
                vec![$(
                    $crate::setting::Setting::new($title, $key, &[$($doc),+], &$rule, $preset),
                )+]
            }

            pub(crate) fn read(
                reading: &mut $crate::Reading<'_>,
            ) -> Result<Self, $crate::Error> {
                Ok(Self { $( $field: reading.take($key, &$rule, $preset)?, )+ })
            }
        }
    };
}
