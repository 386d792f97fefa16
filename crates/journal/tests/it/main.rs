//! What the log in memory promises, and the replica that it is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod memory;
mod replica;
mod rules;

use tidings_journal_contract::{Put, all, numbered, of, record, status, topic};
