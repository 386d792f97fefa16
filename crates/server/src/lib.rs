//! Tidings as a library: live notifications, entity updates, chat rooms and status over plain
//! Server-Sent Events.
//!
//! To add your own streams to the server, or the server to your own application, start with
//! [`Server::builder`]; `examples/custom_stream.rs` is a complete application. The command line is
//! the crate `tidings`, and the HTTP client of its commands is the crate `tidings_client`: neither
//! is compiled with this one.
//!
//! # Layout
//!
//! - [`server`] builds a server from settings; `lifecycle` runs and ends it; [`reload`] applies
//!   changed settings without a restart
//! - [`handle`] is the interface for the streams and publishers of an application
//! - [`config`] defines the settings, and checks their combinations; the crate `tidings_settings`
//!   reads them
//! - [`auth`] identifies callers and decides about their rights; it is part of the crate
//!   `tidings_edge`, which has everything about HTTP that depends on neither streams nor routes
//! - `router` lists all paths; `routes` has their handlers, one file for each group of URLs; `http`
//!   has what the handlers share
//! - `streams` opens streams; the crate `tidings_net` has the sockets and the two lanes that carry
//!   streams
//! - `stream_groups` is the table of stream groups; `topic_names` has the names of their topics
//! - `calls` turns the forms of the groups' calls into events, for `routes` and for [`handle`]
//! - `app` is the state that every request can reach; `members` records the members of rooms in the
//!   log
//! - `metrics` writes the metrics for Prometheus; [`traces`] sends spans to a collector
//!
//! Each module uses only those that come before it in the order in `Cargo.toml`, which a lint
//! checks.
//!
//! A program that is only a server, like the binary, also needs [`listen`] (inherited sockets) and
//! [`supervisor`] (tasks that must not end). The log of the process and the connection to systemd
//! are in the crate `tidings_telemetry`.

mod app;
mod calls;
pub mod config;
mod counts;
pub mod handle;
mod http;
mod lifecycle;
mod members;
mod metrics;
#[cfg(test)]
mod openapi;
pub mod reload;
mod router;
mod routes;
pub mod server;
mod stream_groups;
mod streams;
mod times;
mod topic_names;

pub use handle::Handle;
pub use lifecycle::supervisor;
pub use server::Server;
pub use tidings_edge::auth;
pub use tidings_net::listen;
pub use tidings_traces as traces;

/// The version of this server.
const VERSION: &str = env!("CARGO_PKG_VERSION");
