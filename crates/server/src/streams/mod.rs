//! Streams between the call that opens one and the lane that carries it.
//!
//! [`open`] makes a response that holds a [`slot`]. The lanes of `net` look for streams by
//! [`paths`], and either take what the slot holds or leave it to the [`body`] in the same response.
//! The server's own events are in [`control_events`].

pub(crate) mod body;
pub(crate) mod control_events;
pub(crate) mod open;
pub(crate) mod paths;
pub(crate) mod slot;
