//! Settings of the journal: where it lives, what it promises, and how much it keeps.

use std::path::PathBuf;
use std::time::Duration;

use tidings_journal::Rule;
use tidings_journal_disk::Sync;
use tidings_settings::path::Directory;
use tidings_settings::rule::{Choice, List, Number, Or, Parsed};
use tidings_settings::section;
use tidings_settings::units::{MIB, MILLISECOND, MINUTE, Size, Span, TIB, read_span, show_span};

use super::keep;

section! {
    "Journal"
    /// What was published, kept for clients that come back. What is over a limit goes while publishes go on: the oldest of a
    /// topic first, and over a limit of all topics together, on disk from those that hold most, in memory the oldest of all. The
    /// latest status of each service stays whatever its age.
    pub struct Journal {
        /// Where the journal lives: on `disk`, in `DATA_DIR`, or in `memory`, which forgets everything when the process ends.
        "journal" => pub home: Home = HOME, "disk";

        /// The directory of the journal on disk, made if it is not there. It belongs to one server at a time.
        "data_dir" => pub data_dir: PathBuf = Directory, "./data";

        /// When a publish to the journal on disk is answered and shown. `always`: once the device has it, so that it
        /// survives a loss of power. `interval:100ms`: once the operating system has it, which hands it to the device
        /// within that time; it survives the end of the process. `never`: the same, whenever the operating system likes.
        "journal_sync" => pub sync: Sync = SYNC, "always";

        /// How much single topics keep: patterns of topics with limits, such as
        /// `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`. Each topic that a pattern matches has these
        /// limits for itself: an age, a size, a number of events, or several. What counts is the topic that an event was
        /// published to: `chat/room/general`, and not `chat`, which shows all rooms. Of several patterns the most specific
        /// holds, and in place of `JOURNAL_MAX_AGE`; `JOURNAL_MAX_BYTES` and `JOURNAL_MAX_EVENTS` hold beside it, so in memory
        /// they have to be as large as what the topics are to keep. In a pattern `*` is one segment, and `**` at the end one or
        /// more.
        "journal_keep" => pub keep: Vec<Rule> = List(keep::KEEP), "";

        /// The greatest age of an event. `auto` is 7 days on disk, 24 hours in memory.
        "journal_max_age" => pub max_age: Option<Duration> = Or("auto", Span(keep::AGE)), "auto";

        /// The most bytes to keep. On disk it is what `DATA_DIR` takes as a whole, at least 256 MiB: near it the topics that
        /// hold most are trimmed, and publishes wait rather than let it pass. `auto` is 4 GiB, or half of what the disk has
        /// left if that is less. In memory it is what the events hold, and `auto` is 256 MiB.
        "journal_max_bytes" => pub max_bytes: Option<usize> = Or("auto", Size(MIB..=1_024 * TIB)), "auto";

        /// The most events to keep, of all topics together. `auto` is no limit on disk, 100,000 in memory.
        "journal_max_events" => pub max_events: Option<usize> = Or("auto", Number(1..=1_000_000_000)), "auto";

        /// The most topics of which something is kept: each room, entity and user that is published to is one, and takes up to
        /// half a KiB of memory. Beyond it those whose newest event is oldest are trimmed whole. The server's own, such as the
        /// status of services, count and stay.
        "max_topics" => pub max_topics: usize = Number(10..=10_000_000), "200000";
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
