//! One setting as a row of the table, and the `section!` macro, which defines the struct and the
//! rows of a section together.
//!
//! The doc comment of a field is the only description of a setting. It is shown by rustdoc,
//! `--help`, `docs/configuration.md` and `.env.example`. A row does not contain the value of the
//! setting.

use crate::mode::Mode;
use crate::name::{flag, variable};
use crate::rule::{Rule, Shape};

/// A row of the table of settings.
pub struct Setting {
    /// The name in `tidings.toml`. The names of the variable and of the flag are derived from it.
    pub key: &'static str,
    /// The title of its section.
    pub section: &'static str,
    /// The lines of the doc comment of its field.
    doc: &'static [&'static str],
    /// The defaults.
    pub preset: Preset,
    /// What is allowed, as a text that follows "allowed: ".
    pub allowed: String,
    /// The placeholder for the value in `--help`.
    pub placeholder: &'static str,
    /// The form of the setting on the command line.
    pub shape: Shape,
    /// Whether the value must never be shown.
    pub secret: bool,
}

/// The defaults of a setting. An empty text means "none".
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
    /// Returns the row of one setting. `rule` determines which values it may have.
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

    /// Returns the name in the environment and in `.env`: `HEARTBEAT_INTERVAL`.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// Returns the name on the command line, without the hyphens before it: `heartbeat-interval`.
    pub fn flag(&self) -> String {
        flag(self.key)
    }

    /// Returns the description, in one paragraph.
    pub fn about(&self) -> String {
        prose(self.doc)
    }
}

/// Joins the lines of a doc comment into one paragraph.
pub fn prose(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

impl Preset {
    /// Returns the default in a mode.
    pub fn of(self, mode: Mode) -> &'static str {
        match mode {
            Mode::Development => self.development,
            Mode::Production => self.production,
        }
    }

    /// Returns whether the modes have different defaults.
    pub fn differs(self) -> bool {
        self.development != self.production
    }

    /// Describes the default in plain text.
    pub fn plain_text(self) -> String {
        self.described(str::to_owned)
    }

    /// Describes the default in Markdown, with each value as code.
    pub fn markdown(self) -> String {
        self.described(|text| format!("`{text}`"))
    }

    /// Describes the default, with each value formatted by `mark`.
    fn described(self, mark: impl Fn(&str) -> String) -> String {
        let one = |text: &str| {
            if text.is_empty() {
                "none".to_owned()
            } else {
                mark(text)
            }
        };
        if self.differs() {
            format!(
                "{}; in production {}",
                one(self.development),
                one(self.production)
            )
        } else {
            one(self.development)
        }
    }
}

impl From<&'static str> for Preset {
    fn from(text: &'static str) -> Self {
        Self {
            development: text,
            production: text,
        }
    }
}

/// Defines a section: its struct, the rows of the table, and the function that reads its fields.
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
