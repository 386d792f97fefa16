//! The broker on real NATS servers, which the tests start and end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod failures;
mod nodes;
mod server;

tidings_broker_contract::promises!(crate::server::Backend::start().await);
