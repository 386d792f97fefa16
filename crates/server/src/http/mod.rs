//! What every call goes through: the layer that observes it, what a handler needs of its request, and what stands between a
//! publish and the log. What comes before and knows nothing of this server is the crate `tidings_edge`.

pub(crate) mod admission;
pub(crate) mod extract;
pub(crate) mod idempotency;
pub(crate) mod in_flight;
pub(crate) mod observe;
pub(crate) mod publisher;
