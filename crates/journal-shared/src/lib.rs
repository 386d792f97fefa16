//! The log of Tidings on a broker that any number of nodes share.
//!
//! The broker orders, and the nodes understand. A broker appends *groups*, opaque blobs, in one
//! order, returns the groups after a mark, and stores a snapshot; see [`broker::Broker`]. Each node
//! folds the same groups in the same order into a full copy of the log. All decisions, about
//! conditions, repetitions and retries, are made by that fold, which is the same for every broker.
//!
//! # Layout
//!
//! - [`broker`]: what a broker does, as a trait
//! - `options`: the options of a node
//! - `shared`: the log on a broker, as one node has it

pub mod broker;
mod options;
mod shared;

pub use options::Options;
pub use shared::Shared;
