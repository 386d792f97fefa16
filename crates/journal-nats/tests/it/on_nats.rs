//! All tests that need the program `nats-server`. `cargo xtask test --quick` leaves them out by the
//! name of this module.

mod cluster;
mod failures;
mod nodes;

tidings_broker_contract::promises!(crate::server::Backend::start().await);
