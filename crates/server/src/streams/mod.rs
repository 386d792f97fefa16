//! Streams between the call that opens one and the lane that carries it.
//!
//! [`open`] makes a response that holds a [`slot`]; the lanes of `net` look for streams by [`paths`], and take what the slot
//! holds, or leave it to the [`body`] in the same response. What is said is in [`words`].

pub(crate) mod body;
pub(crate) mod control_events;
pub(crate) mod open;
pub(crate) mod paths;
pub(crate) mod slot;
