//! Settings of the journal: where it is, its durability, and how much it keeps.

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
    /// How much of what was published is kept for clients that come back. The limits are applied
    /// while publishes go on: within a topic the oldest events go first. Over a limit of all topics
    /// together, the largest topics are trimmed on disk, and the oldest events in memory. The
    /// latest status of each service stays, whatever its age.
    pub struct Journal {
        /// Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the
        /// process ends.
        "journal" => pub home: Home = HOME, "disk";

        /// The directory of the journal on disk. It is created if it does not exist, and belongs to
        /// one server at a time.
        "data_dir" => pub data_dir: PathBuf = Directory, "./data";

        /// When a publish to the journal on disk is answered and shown. `always`: after the device
        /// has it, so that it survives a loss of power. `interval:100ms`: after the operating
        /// system has it, which passes it to the device within that time; it survives the end of
        /// the process. `never`: like `interval`, but the operating system chooses the time.
        "journal_sync" => pub sync: Sync = SYNC, "always";

        /// How much single topics keep: patterns of topics with limits, such as
        /// `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`. The limits hold
        /// for each matching topic separately: an age, a size, a number of events, or several of
        /// them. An event counts for the topic to which it was published: `chat/room/general`, not
        /// `chat`, which shows all rooms. Of several matching patterns the most specific one holds,
        /// and replaces `JOURNAL_MAX_AGE`. `JOURNAL_MAX_BYTES` and `JOURNAL_MAX_EVENTS` still hold,
        /// so in memory they must be as large as the sum of what the topics should keep. In a
        /// pattern `*` is one segment, and `**` at the end is one or more.
        "journal_keep" => pub keep: Vec<Rule> = List(keep::KEEP), "";

        /// The maximum age of an event. `auto` is 7 days on disk, 24 hours in memory.
        "journal_max_age" => pub max_age: Option<Duration> = Or("auto", Span(keep::AGE)), "auto";

        /// The maximum number of bytes to keep. On disk it limits the size of `DATA_DIR` as a
        /// whole, and must be at least 256 MiB: near the limit the largest topics are trimmed, and
        /// publishes wait rather than exceed it; `auto` is 4 GiB, or half of the free space on the
        /// disk if that is less. In memory it limits the size of the events, and `auto` is 256 MiB.
        "journal_max_bytes" => pub max_bytes: Option<usize> = Or("auto", Size(MIB..=1_024 * TIB)), "auto";

        /// The maximum number of events to keep, in all topics together. `auto` is no limit on
        /// disk, 100,000 in memory.
        "journal_max_events" => pub max_events: Option<usize> = Or("auto", Number(1..=1_000_000_000)), "auto";

        /// The maximum number of topics with stored events: each room, entity and user that is
        /// published to is one, and takes up to half a KiB of memory. Beyond it, the topics whose
        /// newest event is oldest are trimmed completely. The server's own topics, such as the
        /// status of services, count and are never trimmed.
        "max_topics" => pub max_topics: usize = Number(10..=10_000_000), "200000";
    }
}

/// Where the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In a directory.
    Disk,
    /// In the memory of the process.
    Memory,
}

const HOME: Choice<Home> = Choice {
    of: &[("disk", Home::Disk), ("memory", Home::Memory)],
    note: "",
};

/// The range of the interval within which an event must reach the device.
const INTERVAL: std::ops::RangeInclusive<Duration> = MILLISECOND..=MINUTE;

const SYNC: Parsed<Sync> = Parsed {
    placeholder: "WHEN",
    allowed: "`always`, `interval:` and a duration from 1ms to 1m, such as `interval:100ms`, or \
              `never`",
    read: |text| match text.to_ascii_lowercase().split_once(':') {
        None if text.eq_ignore_ascii_case("always") => Some(Sync::Always),
        None if text.eq_ignore_ascii_case("never") => Some(Sync::Never),
        Some(("interval", span)) => read_span(span.trim())
            .filter(|span| INTERVAL.contains(span))
            .map(Sync::Interval),
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
    fn every_form_of_journal_sync_is_read_and_shown() {
        for text in ["always", "never", "interval:100ms", "interval:2s"] {
            assert_eq!((SYNC.show)(&(SYNC.read)(text).unwrap()), text);
        }
        for text in [
            "",
            "interval",
            "interval:",
            "interval:0s",
            "interval:2h",
            "sometimes",
            "always:1s",
        ] {
            assert!((SYNC.read)(text).is_none(), "{text}");
        }
    }
}
