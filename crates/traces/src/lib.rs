//! Traces: spans that show where the time of a request was spent, sent to a collector over OTLP.
//!
//! Owns which requests have a span, and every text that a span may contain. Each publish has a
//! span, and so has the opening of each stream, which ends when the stream is open or refused. Must
//! never create a span that lasts as long as a stream, and must never write anything from a request
//! into a span: no token, ticket, user, topic, room, query or body.
//!
//! The implementation requires the feature `otlp`. Without it, the functions here do nothing,
//! except that the start of the server logs a warning if the environment asks for traces.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod collector_client;
mod environment;
#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod spans;

#[cfg(not(feature = "otlp"))]
pub use off::{Export, Tracer, in_span, missing_feature, set_attribute, with_current_span};
#[cfg(feature = "otlp")]
pub use {
    collector::{Export, missing_feature},
    spans::{Tracer, in_span, set_attribute, with_current_span},
};

/// The attribute that says why a request was refused: the code of its error.
pub const ERROR: &str = "error.type";

/// The attribute that says which stream was requested, by the first name under which it is counted.
pub const STREAM: &str = "tidings.stream";

/// The attribute that says where a stream begins: `now`, `snapshot`, `resumed` or `reset`.
pub const START: &str = "tidings.stream.start";

/// The attribute that says why a stream begins with a `reset`.
pub const RESET: &str = "tidings.stream.reset";

/// The attribute with the outcome of a publish. It is `repeated` if a publish with the same
/// `Idempotency-Key` was done before.
pub const PUBLISH: &str = "tidings.publish";
