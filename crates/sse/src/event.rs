//! An event before it is bytes: what it is called, what it says, and where it stands.
//!
//! Every [`Event`] that can be built can be encoded, and decodes to itself: there is nothing to check later and nothing
//! that can fail. An event always has a name and data, because blocks without data do harm (see [`Event::id`]).

use std::time::Duration;

use crate::{EventName, Id};

/// One event of a stream, to be encoded once by [`Event::encode`].
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
    /// An event called `name` that says `data`.
    ///
    /// Any text is good data. CR, LF and CRLF are each one line break and arrive as LF, as the standard has it; all else,
    /// a trailing line break and NUL included, arrives as it was.
    pub fn new(name: EventName, data: impl Into<String>) -> Self {
        Self { name, id: None, retry: None, data: data.into() }
    }

    /// Where the client stands once it has seen this event; without an `id:` line it stands where it stood.
    ///
    /// An id only ever travels with an event: of a block with nothing but `id:` or `retry:`, httpx-sse 0.4.3 and others
    /// make an empty event that nobody sent.
    #[must_use]
    pub fn id(mut self, id: impl Into<Option<Id>>) -> Self {
        self.id = id.into();
        self
    }

    /// How long the client waits before it reconnects, from now on. Written in whole milliseconds, rounded down.
    #[must_use]
    pub fn retry(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.retry = delay.into();
        self
    }
}
