//! The contract, line by line, against a running server over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod below_router;
mod calls_chat;
mod calls_notifications;
mod calls_realtime;
mod calls_system;
mod clients;
mod cors;
mod crowd;
mod dashboard;
mod durable;
mod ending;
mod erasing;
mod errors;
mod events_page;
mod example;
mod extremes;
mod half_closed;
mod hostile;
mod hosts;
mod idempotency;
mod library;
mod limits;
mod metrics;
mod openapi;
mod page;
mod presence;
#[cfg(unix)]
mod process;
mod queries;
mod rates;
mod request_ids;
mod resume;
mod settings;
mod streams;
mod support;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(target_os = "linux")]
mod units;
