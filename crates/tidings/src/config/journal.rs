//! Settings of the journal: where it lives, what it promises, and how much it keeps.

use std::path::PathBuf;
use std::time::Duration;

use tidings_journal::Pattern;
use tidings_journal::disk::{Rule, Sync};

use super::rule::{Choice, List, Number, Or, Parsed};
use super::setting::section;
use super::units::{DAY, MIB, MILLISECOND, MINUTE, SECOND, Size, Span, TIB};
use super::units::{read_size, read_span, show_size, show_span};

section! {
    "Journal"
    /// What was published, kept for clients that come back and for the time after a restart. The oldest events go when any
    /// of the limits is passed; the latest status of each service stays.
    pub struct Journal {
        /// Where the journal lives: on `disk`, in `DATA_DIR`, or in `memory`, which forgets everything when the process
        /// ends.
        "journal" => pub home: Home = HOME, "disk";

        /// The directory of the journal on disk, made if it is not there. It belongs to one server at a time.
        "data_dir" => pub data_dir: PathBuf = DIRECTORY, "./data";

        /// When a publish to the journal on disk is answered and shown. `always`: once the device has it, so that it
        /// survives a loss of power. `interval:100ms`: once the operating system has it, which hands it to the device
        /// within that time; it survives the end of the process. `never`: the same, whenever the operating system likes.
        "journal_sync" => pub sync: Sync = SYNC, "always";

        /// The most events to keep. `auto` is no limit on disk, and 100000 in memory.
        "journal_max_events" => pub max_events: Option<usize> = Or("auto", Number(1..=1_000_000_000_000_usize)), "auto";

        /// The most bytes to keep: on disk those of the whole directory, at least 256 MiB, and publishes wait rather than
        /// let it grow beyond. `auto` is 4 GiB on disk, and 256 MiB in memory.
        "journal_max_bytes" => pub max_bytes: Option<usize> = Or("auto", Size(MIB..=TIB)), "auto";

        /// The greatest age of an event to keep. `auto` is 7 days on disk, and 24 hours in memory.
        "journal_max_age" => pub max_age: Option<Duration> = Or("auto", Span(SECOND..=3_650 * DAY)), "auto";

        /// What single topics keep on disk, each for itself, instead of `JOURNAL_MAX_AGE`. `*` stands for any one segment of
        /// a topic, `**` at the end for one or more; of several patterns that match, the most specific holds.
        "journal_keep" => pub keep: Vec<Rule> = List(KEEP), "notifications/user/*=7d,chat/room/*=10000";
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

const HOME: Choice<Home> = Choice { of: &[("disk", Home::Disk), ("memory", Home::Memory)], note: "" };

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

const KEEP: Parsed<Rule> = Parsed {
    placeholder: "PATTERN=LIMITS",
    allowed: "`PATTERN=LIMITS`, such as `chat/room/*=10000+30d`: a number of events, a size (`64MiB`), an age (`30d`), or \
              several of these joined by `+`",
    read: |text| {
        let (pattern, limits) = text.split_once('=')?;
        let pattern = Pattern::parse(pattern.trim()).ok()?;
        let mut rule = Rule { pattern, max_age: None, max_events: None, max_bytes: None };
        for limit in limits.split('+').map(str::trim) {
            let unset = if let Ok(events) = limit.parse() {
                rule.max_events.replace(events).is_none() && events > 0
            } else if let Some(span) = read_span(limit) {
                rule.max_age.replace(span).is_none() && !span.is_zero()
            } else {
                let bytes = u64::try_from(read_size(limit)?).ok()?;
                rule.max_bytes.replace(bytes).is_none() && bytes > 0
            };
            if !unset {
                return None; // said twice, or nothing at all
            }
        }
        Some(rule)
    },
    show: |rule| {
        let events = rule.max_events.map(|events| events.to_string());
        let bytes = rule.max_bytes.map(|bytes| show_size(usize::try_from(bytes).unwrap_or(usize::MAX)));
        let limits: Vec<_> = [events, bytes, rule.max_age.map(show_span)].into_iter().flatten().collect();
        format!("{}={}", rule.pattern, limits.join("+"))
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_keeps_is_read_and_shown() {
        for text in ["chat/room/*=10000", "chat/**=10000+64MiB+30d", "notifications/user/*=7d"] {
            assert_eq!((KEEP.show)(&(KEEP.read)(text).unwrap()), text);
        }
        for text in ["", "chat", "chat=", "chat=0", "chat=1+2", "chat=1d+2d", "chat=x", "**/a=1", "chat=1++1d"] {
            assert!((KEEP.read)(text).is_none(), "{text}");
        }
    }

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
