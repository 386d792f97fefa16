//! Settings of the journal: where it lives, what it promises, and how much it keeps.

use std::path::PathBuf;
use std::time::Duration;

use tidings_journal::disk::Sync;

use super::rule::{Choice, Number, Parsed};
use super::setting::section;
use super::units::{DAY, MIB, MILLISECOND, MINUTE, SECOND, Size, Span, TIB, read_span, show_span};

section! {
    "Journal"
    /// What was published, kept for clients that come back. In memory the oldest events go when any of the limits is passed;
    /// the latest status of each service stays.
    pub struct Journal {
        /// Where the journal lives: in `memory`, which forgets everything when the process ends, or on `disk`, in `DATA_DIR`,
        /// which keeps 7 days and at most 4 GiB.
        "journal" => pub home: Home = HOME, "memory";

        /// The directory of the journal on disk, made if it is not there. It belongs to one server at a time.
        "data_dir" => pub data_dir: PathBuf = DIRECTORY, "./data";

        /// When a publish to the journal on disk is answered and shown. `always`: once the device has it, so that it
        /// survives a loss of power. `interval:100ms`: once the operating system has it, which hands it to the device
        /// within that time; it survives the end of the process. `never`: the same, whenever the operating system likes.
        "journal_sync" => pub sync: Sync = SYNC, "always";

        /// The most events to keep in memory.
        "journal_max_events" => pub max_events: usize = Number(1..=100_000_000), "100000";

        /// The most bytes of events to keep in memory.
        "journal_max_bytes" => pub max_bytes: usize = Size(MIB..=TIB), "256MiB";

        /// The greatest age of an event to keep in memory.
        "journal_max_age" => pub max_age: Duration = Span(SECOND..=3_650 * DAY), "24h";
    }
}

/// Where the journal lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In a directory.
    Disk,
    /// In the memory of the process.
    Memory,
}

const HOME: Choice<Home> = Choice { of: &[("memory", Home::Memory), ("disk", Home::Disk)], note: "" };

const DIRECTORY: Parsed<PathBuf> = Parsed {
    placeholder: "DIRECTORY",
    allowed: "the path of a directory",
    read: |text| (!text.is_empty()).then(|| text.into()),
    show: |path| path.display().to_string(),
};

/// The shortest and the longest time that an event may be without the device.
const INTERVAL: std::ops::RangeInclusive<Duration> = MILLISECOND..=MINUTE;

const SYNC: Parsed<Sync> = Parsed {
    placeholder: "WHEN",
    allowed: "`always`, `interval:` and a duration from 1ms to 1m, such as `interval:100ms`, or `never`",
    read: |text| match text.to_ascii_lowercase().split_once(':') {
        None if text.eq_ignore_ascii_case("always") => Some(Sync::Always),
        None if text.eq_ignore_ascii_case("never") => Some(Sync::Never),
        Some(("interval", span)) => read_span(span.trim()).filter(|span| INTERVAL.contains(span)).map(Sync::Interval),
        _ => None,
    },
    show: |sync| match sync {
        Sync::Always => "always".to_owned(),
        Sync::Interval(span) => format!("interval:{}", show_span(*span)),
        Sync::Never => "never".to_owned(),
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_read_and_shown() {
        for text in ["always", "never", "interval:100ms", "interval:2s"] {
            assert_eq!((SYNC.show)(&(SYNC.read)(text).unwrap()), text);
        }
        for text in ["", "interval", "interval:", "interval:0s", "interval:2h", "sometimes", "always:1s"] {
            assert!((SYNC.read)(text).is_none(), "{text}");
        }
    }
}
