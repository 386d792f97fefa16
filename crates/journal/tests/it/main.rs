//! Tests of the log in memory, and of the replica behind it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod memory;
mod replica;
mod rules;

use tidings_journal_contract::{Put, all, numbered, record, selector, status, topic};
