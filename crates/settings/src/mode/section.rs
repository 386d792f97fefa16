//! `APP_ENV` and `NODE_ENV`, which choose the mode.

use crate::error::Error;
use crate::mode::Mode;
use crate::reading::Reading;
use crate::rule::{Choice, Optional};
use crate::setting::{Section, Setting};

const RULE: Optional<Choice<Mode>> = Optional(Choice {
    of: &[
        ("development", Mode::Development),
        ("production", Mode::Production),
    ],
    note: "",
});
const TITLE: &str = "Mode";

/// The section with the settings that choose the mode.
pub const SECTION: Section = Section {
    title: TITLE,
    about: &["Which defaults apply, and how strict the server is at its start."],
};

/// Returns the rows of the section.
pub fn rows() -> Vec<Setting> {
    vec![
        Setting::new(
            TITLE,
            "app_env",
            &[
                "Whether the server is for development or for production. In production it \
                 listens on every address,",
                "demo tokens are off, logs are JSON, and the server refuses to start with a \
                 missing or weak `JWT_SECRET`.",
                "If `APP_ENV` is not set, `NODE_ENV` chooses the mode. If neither is set, the \
                 mode is development.",
            ],
            &RULE,
            "",
        ),
        Setting::new(
            TITLE,
            "node_env",
            &["The mode, as Node names it. It is read only if `APP_ENV` is not set."],
            &RULE,
            "",
        ),
    ]
}

impl Mode {
    /// Determines the mode, and sets it in `reading`.
    ///
    /// If `APP_ENV` is set, the value of `NODE_ENV` is not checked, because `NODE_ENV=test` is
    /// common and not a mistake then.
    pub fn read(reading: &mut Reading<'_>) -> Result<Self, Error> {
        let app = reading.take("app_env", &RULE, "")?;
        let mode = match app {
            Some(mode) => {
                if mode == Self::Development
                    && reading.peek("node_env", &RULE) == Some(Some(Self::Production))
                {
                    reading.warnings.push(
                        "APP_ENV=development takes precedence over NODE_ENV=production: the \
                         defaults are those of development, which include demo tokens"
                            .to_owned(),
                    );
                }
                mode
            }
            None => reading.take("node_env", &RULE, "")?.unwrap_or_default(),
        };
        reading.mode = mode;
        Ok(mode)
    }
}
