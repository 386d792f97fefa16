//! The log on NATS JetStream, against real servers that each test starts for itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod on_nats;
mod server;
