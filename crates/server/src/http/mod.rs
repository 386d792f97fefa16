//! What every call goes through: the layer that observes it, the extractors of its handler, and the
//! steps between a publish and the log. The parts of HTTP that know nothing of this server are in
//! the crate `tidings_edge`.

pub(crate) mod cursor;
pub(crate) mod extract;
pub(crate) mod idempotency;
pub(crate) mod in_flight;
pub(crate) mod observe;
pub(crate) mod publish_budget;
pub(crate) mod publisher;
