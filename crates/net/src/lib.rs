//! From sockets to requests, and from streams to sockets: listening, accepting, and the two lanes
//! that carry a stream.
//!
//! A handler leaves what a stream yields in a [`slot`] in its response. The parked lane takes it
//! and writes it to the socket itself; hyper's lane reads it through the [`body`] of the response.
//! This crate doesn't know which paths, calls or settings there are.
//!
//! # Layout
//!
//! - [`listen`]: the sockets that the server listens on
//! - `connection_server`: the state that all connections of a server share
//! - [`accept`]: accepts connections, reads the head of a request (`head`), and chooses the lane
//! - [`matcher`]: decides by the head of a request whether it opens a stream
//! - `parked`: the lane that writes streams to the socket itself; [`fair_queue`]: the work of
//!   connecting clients, which yields to the open streams
//! - [`hyper`]: the lane of everything else: `incoming_body`, `answer`, and the [`body`] of streams
//! - [`refused_head`]: answers to a head that can't be read or is too large
//! - [`connections`]: the table of TCP connections, and which are closed if there are too many
//! - [`unread_output`]: the memory budget for answers that clients have not read
//! - [`cut`]: how a connection of hyper's is cut; [`peer`]: how any connection is closed

pub mod accept;
mod answer;
pub mod body;
mod connection_server;
pub mod connections;
pub mod cut;
pub mod fair_queue;
mod head;
pub mod hyper;
mod incoming_body;
pub mod listen;
pub mod matcher;
mod parked;
pub mod peer;
pub mod refused_head;
pub mod slot;
pub mod unread_output;

pub use connection_server::{Calls, ConnectionServer};
