//! The contract, line by line, against a running server over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
mod clients;
mod crowd;
mod ending;
mod example;
mod hostile;
mod presence;
mod resume;
mod streams;
mod auth;
mod calls_chat;
mod calls_notifications;
mod calls_realtime;
mod calls_system;
mod cors;
mod errors;
mod events_page;
mod idempotency;
mod page;
mod request_ids;
mod settings;
