//! The log of Tidings on NATS JetStream: an implementation of [`Broker`].
//!
//! The log is one stream, to which each group is published as one message; the sequence of a
//! message is the mark of its group. Nodes follow by *republish*: the server sends a copy of each
//! stored message to a subject that the nodes subscribe to. Republishing may lose messages, and
//! what was lost is read by direct gets. There are no consumers, because ordered consumers hang
//! after restarts of the server in every client (nats.rs #1596, nats.go #1370, nats.c #601), and no
//! `Nats-Msg-Id`, because the fold recognizes repetitions for longer than a window of time.
//!
//! Only the core of the client crate is used. The few calls of the JetStream API are JSON requests.
//!
//! # Layout
//!
//! - [`options`]: what has to be known about the servers
//! - `connection`: one connection, which ends for good when it is lost
//! - `api`: the requests of the JetStream API
//! - `streams`: the streams of a log, and what is verified about them
//! - `era`: an epoch; `epochs`: opening the log
//! - `pages`: reading by direct gets
//! - `snapshots`: their chunks; `commit`: the commit that truncates the log
//! - `follow`: the end of the log as it grows
//! - `nats`: the broker

mod api;
mod commit;
mod connection;
mod epochs;
mod era;
mod follow;
mod nats;
pub mod options;
mod pages;
mod snapshots;
mod streams;

pub use nats::Nats;
pub use options::Options;
#[cfg(doc)]
use tidings_journal_shared::broker::Broker;
