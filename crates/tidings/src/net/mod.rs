//! From sockets to requests: listening, accepting, and the two lanes that carry a stream.

pub(crate) mod accept;
pub(crate) mod census;
pub(crate) mod cut;
pub(crate) mod head;
mod hyper;
pub(crate) mod listen;
pub(crate) mod parked;
pub(crate) mod peer;
pub(crate) mod turns;
