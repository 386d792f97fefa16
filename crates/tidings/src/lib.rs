//! Tidings: live notifications, entity updates, chat rooms and status over plain Server-Sent Events.
//!
//! The binary `tidings` is a thin wrapper around this library. To add streams of one's own to the server, or the server to
//! an application of one's own, start with [`Server::builder`]; `examples/custom_stream.rs` is a whole one.
//!
//! # Layout
//!
//! - [`server`]: settings in, a running server out; `lifecycle`: how it ends; [`reload`]: what changes without a restart
//! - [`handle`]: what streams and publishers of one's own need
//! - [`config`]: the settings, and where each came from
//! - [`auth`]: who is asking
//! - `net`: sockets; `http`: what comes before and after a route; `routes`: one file for each group of paths
//! - [`cli`]: the commands; `client`: what they need to talk to a running server
//! - `app`, `topics`: what every request can reach, and the contract's topics
//! - `members`: who is in which room, written down
//! - `proxies`: what proxies do to streams, and what mends it
//! - `service_manager`: what systemd is told
//! - `telemetry`: the log; `metrics`: the numbers for a Prometheus; `traces`: the spans for a collector

mod app;
pub mod auth;
pub mod cli;
mod client;
pub mod config;
#[cfg(test)]
mod fresh;
pub mod handle;
mod http;
mod lifecycle;
mod members;
mod metrics;
mod net;
#[cfg(test)]
mod openapi;
mod proxies;
pub mod reload;
mod routes;
pub mod server;
mod service_manager;
mod telemetry;
mod topics;
mod traces;

pub use handle::Handle;
pub use server::Server;
