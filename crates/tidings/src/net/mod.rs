//! From sockets to requests: listening, accepting, and hyper's lane.

pub(crate) mod accept;
pub(crate) mod cut;
pub(crate) mod listen;
