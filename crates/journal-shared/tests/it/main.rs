//! The log on a broker keeps what every log promises.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod dense;
