//! What only happens on bad days: everybody comes at once, nothing is left to accept with, peers stop in the middle of a
//! frame, streams have to end although nobody reads, and the server stops while events flow.

mod counts;
mod crowds;
mod descriptors;
mod drain;
mod endings;
mod idlers;
mod readers;
mod untaken;

use crate::support::binary::Place;

/// A server in a process of its own, so that both ends of a connection don't count against one limit.
fn place() -> Place {
    let lane = std::env::var("TIDINGS_TEST_LANE").unwrap_or_else(|_| "parked".to_owned());
    Place::new().env("STREAM_LANE", &lane).env("HEARTBEAT_INTERVAL", "1h")
}
