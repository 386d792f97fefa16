//! Settings of the log, which is written to standard error.

use tidings_settings::rule::{Choice, Parsed};
use tidings_settings::section;
use tidings_settings::setting::Preset;

pub use tidings_telemetry::Format;

section! {
    "Log"
    /// What is written to standard error.
    pub struct Log {
        /// The least important level to write, or a list of levels, of which some may be for one
        /// module each: `info,tidings_hub=debug`.
        "log_level" => pub level: String = LEVEL, "info";

        /// The format of an entry: one line of text for people, or one JSON object for machines.
        "log_format" => pub format: Format = FORMAT, Preset { development: "text", production: "json" };
    }
}

const FORMAT: Choice<Format> = Choice {
    of: &[("text", Format::Text), ("json", Format::Json)],
    note: "",
};

const LEVEL: Parsed<String> = Parsed {
    placeholder: "FILTER",
    allowed: "`trace`, `debug`, `info`, `warn`, `error` or `off`, or a filter such as \
              `info,tidings_hub=debug`",
    read: |text| {
        // A single word must be a level here. The library would take any other word, such as the
        // misspelled `debgu`, for the name of a module, and write nothing of the rest.
        let level = |word: &str| {
            ["trace", "debug", "info", "warn", "error", "off"]
                .iter()
                .any(|level| level.eq_ignore_ascii_case(word))
        };
        let module = |name: &str| {
            name.chars()
                .all(|char| char.is_alphanumeric() || "_:-.".contains(char))
        };
        let understood = |part: &str| match part.split_once('=') {
            None => level(part),
            Some((name, word)) => !name.is_empty() && module(name) && level(word),
        };
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        let filter = parts.join(",");
        (parts.iter().all(|part| understood(part)) && tidings_telemetry::is_filter(&filter))
            .then_some(filter)
    },
    show: String::clone,
};
