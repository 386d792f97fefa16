//! What several tests of the hub share.

pub(crate) mod log_copy;

use tidings_hub::{Ending, Reset, Wording};
use tidings_journal::{EventId, TopicName};
use tidings_sse::{Event, EventName, Frame, Id};

/// Writes the hub's own events in the simplest form.
pub(crate) struct Plain;

impl Wording for Plain {
    fn heartbeat(&self, _: i64) -> Frame {
        Frame::comment()
    }

    fn reset(&self, reset: &Reset) -> Frame {
        let id = Id::parse(&reset.resumed_from.to_string()).unwrap();
        Event::new(EventName::from_static("reset"), reset.reason.as_str())
            .id(id)
            .encode()
    }

    fn ending(&self, ending: &Ending) -> Frame {
        Event::new(EventName::from_static("ending"), ending.cause.as_str())
            .retry(ending.retry)
            .encode()
    }

    fn synced(&self, count: usize, at: EventId) -> Frame {
        let id = Id::parse(&at.to_string()).unwrap();
        Event::new(EventName::from_static("synced"), count.to_string())
            .id(id)
            .encode()
    }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}
