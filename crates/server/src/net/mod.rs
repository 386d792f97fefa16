//! From sockets to requests: listening, accepting, and the two lanes that carry a stream.

pub(crate) mod accept;
mod answer;
pub(crate) mod connections;
pub(crate) mod cut;
pub(crate) mod fair_queue;
pub(crate) mod head;
pub(crate) mod hyper;
mod incoming_body;
pub mod listen;
pub(crate) mod parked;
pub(crate) mod peer;
pub(crate) mod refused;
pub(crate) mod unread_output;
