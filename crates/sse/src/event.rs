//! An event before it is encoded: its name, its data and its id.
//!
//! Every [`Event`] can be encoded, and decodes to itself. So encoding checks nothing and can't
//! fail. An event always has a name and data, because some clients mishandle blocks without data
//! (see [`Event::id`]).

use std::time::Duration;

use crate::{EventName, Id};

/// An event of a stream. [`Event::encode`] encodes it.
///
/// ```
/// use std::time::Duration;
/// use tidings_sse::{Event, EventName};
///
/// let event = Event::new(EventName::from_static("busy"), "{}").retry(Duration::from_secs(3));
/// assert_eq!(event.encode().block(), b"event: busy\nretry: 3000\ndata: {}\n\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) name: EventName,
    pub(crate) id: Option<Id>,
    pub(crate) retry: Option<Duration>,
    pub(crate) data: String,
}

impl Event {
    /// An event with this name and data.
    ///
    /// Any text is valid data. CR, LF and CRLF are each one line break, which arrives as LF, as the
    /// standard demands. Everything else arrives unchanged, including a line break at the end and
    /// NUL.
    pub fn new(name: EventName, data: impl Into<String>) -> Self {
        Self {
            name,
            id: None,
            retry: None,
            data: data.into(),
        }
    }

    /// Sets the id that the client remembers with this event. If the event has no id, the client
    /// keeps the id of an earlier event.
    ///
    /// An id can't be sent without an event. If a block contains only `id:` or `retry:`, httpx-sse
    /// 0.4.3 and other clients deliver an empty event, which was never sent.
    #[must_use]
    pub fn id(mut self, id: impl Into<Option<Id>>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets how long the client waits before it reconnects, from this event on. It is sent in whole
    /// milliseconds, rounded down.
    #[must_use]
    pub fn retry(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.retry = delay.into();
        self
    }
}
