//! Settings of the journal: where it lives, and how much it keeps.

use std::time::Duration;

use super::rule::{Choice, Number};
use super::setting::section;
use super::units::{DAY, MIB, SECOND, Size, Span, TIB};

section! {
    "Journal"
    /// How much of the past is kept for clients that come back. The oldest events go when any of the limits is passed.
    pub struct Journal {
        /// Where the journal lives. `memory` forgets everything when the process ends.
        "journal" => pub home: Home = HOME, "memory";

        /// The most events to keep.
        "journal_max_events" => pub max_events: usize = Number(1..=100_000_000), "100000";

        /// The most bytes of events to keep.
        "journal_max_bytes" => pub max_bytes: usize = Size(MIB..=TIB), "256MiB";

        /// The greatest age of an event to keep.
        "journal_max_age" => pub max_age: Duration = Span(SECOND..=3_650 * DAY), "24h";
    }
}

/// Where the journal lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the memory of the process.
    Memory,
}

const HOME: Choice<Home> = Choice { of: &[("memory", Home::Memory)], note: "; this version has no `disk` yet" };
