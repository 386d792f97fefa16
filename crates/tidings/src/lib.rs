//! Tidings: live notifications, entity updates, chat rooms and status over plain Server-Sent Events.
//!
//! The binary `tidings` is a thin wrapper around this library. To add streams of one's own to the server, or the server to
//! an application of one's own, start with [`Server::builder`]; `examples/custom_stream.rs` is a whole one.
//!
//! # Layout
//!
//! - [`server`]: settings in, a running server out; `lifecycle`: how it ends
//! - [`config`]: the settings, and where each came from
//! - [`auth`]: who is asking
//! - `net`: sockets; `http`: what comes before and after a route; `routes`: one file for each group of paths
//! - [`cli`]: the commands
//! - `app`, `topics`: what every request can reach, and the contract's topics
//! - `telemetry`: the log

mod app;
pub mod auth;
pub mod cli;
pub mod config;
#[cfg(test)]
mod fresh;
mod http;
mod lifecycle;
mod net;
mod routes;
pub mod server;
mod telemetry;
mod topics;

pub use server::{Handle, Server};
