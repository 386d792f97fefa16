//! What only happens on bad days: all clients come at once, no descriptor is left to accept with,
//! peers stop in the middle of a frame, streams have to end although their clients do not read, and
//! the server stops while events flow.

mod counts;
mod crowds;
mod descriptors;
mod drain;
mod endings;
mod idlers;
mod readers;
mod untaken;

use crate::support::binary::Place;

/// A place for a server in a process of its own, so that the two ends of a connection do not count
/// against one limit.
fn place() -> Place {
    let lane = std::env::var("TIDINGS_TEST_LANE").unwrap_or_else(|_| "parked".to_owned());
    Place::new()
        .env("STREAM_LANE", &lane)
        .env("HEARTBEAT_INTERVAL", "1h")
}
