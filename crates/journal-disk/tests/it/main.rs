//! Tests of the log on disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alike;
mod contract;
mod disk;
mod inspect;
mod retention;
mod rules;
mod upgrades;

use tidings_journal_contract::{Put, all, id, numbered, record, selector, status, topic};
