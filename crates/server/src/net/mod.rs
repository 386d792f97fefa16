//! From sockets to requests: listening, accepting, and the two lanes that carry a stream.

pub(crate) mod accept;
mod answer;
mod arriving;
pub(crate) mod census;
pub(crate) mod cut;
pub(crate) mod head;
pub(crate) mod hyper;
pub mod listen;
pub(crate) mod parked;
pub(crate) mod peer;
pub(crate) mod refused;
pub(crate) mod turns;
pub(crate) mod untaken;
