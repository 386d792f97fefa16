//! The log on Redis, against real servers that each test starts for itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod on_redis;
mod support;
