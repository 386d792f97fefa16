//! Tidings as a library: live notifications, entity updates, chat rooms and status over plain Server-Sent Events.
//!
//! To add streams of one's own to the server, or the server to an application of one's own, start with [`Server::builder`];
//! `examples/custom_stream.rs` is a whole one. The command line is another crate, `tidings`, and so is the HTTP client of its
//! commands: neither is compiled with this one.
//!
//! # Layout
//!
//! - [`server`]: settings in, a running server out; `lifecycle`: how it ends; [`reload`]: what changes without a restart
//! - [`handle`]: what streams and publishers of one's own need
//! - [`config`]: which settings there are, and what goes together; how they are read is the crate `tidings_settings`
//! - [`auth`]: who is asking; with all else that knows no stream and no route it is the crate `tidings_edge`
//! - `router`, `routes`: every path, and one file for each group of them; `http`: what every call goes through
//! - `streams`: what the call does that opens one; sockets and the two lanes that carry streams are
//!   the crate `tidings_net`
//! - `stream_groups`: the stream groups, a row for each; `topic_names`: the names of their topics
//! - `calls`: what the calls of the groups take, and the events that come of it, over HTTP and in [`handle`] alike
//! - `app`: what every request can reach; `members`: who is in which room, written down
//! - `metrics`: the numbers for a Prometheus; [`traces`]: the spans for a collector
//!
//! Each module uses only those below it; their order stands in `Cargo.toml` and is checked.
//!
//! A program that is the server and nothing else, as the binary is, also needs [`listen`] (sockets that were handed over) and
//! [`supervisor`] (tasks that must not end); the log and what systemd is told are the crate `tidings_telemetry`.

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
