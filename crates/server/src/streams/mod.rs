//! Streams up to the lane that carries them.
//!
//! [`open`] makes a response that holds the stream's output in a slot, and a body over the same
//! slot; the lanes are the crate `tidings_net`. The server's own events are in [`control_events`].

pub(crate) mod control_events;
pub(crate) mod open;
