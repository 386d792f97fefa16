//! Traces: spans that show where the time of a request was spent, sent to a collector over OTLP.
//!
//! Owns the choice of requests that have a span, and every text that a span may contain. Each
//! publish has a span, and so has the set-up of each stream: that span ends when the stream is open
//! or refused. Must never make a span that lives as long as a stream, and must never write anything
//! from a request into a span: no token, ticket, user, topic, room, query or body.
//!
//! The implementation requires the feature `otlp`. Without it, the functions here do nothing, and
//! if the environment asks for traces, the start warns that there are none.

#[cfg(feature = "otlp")]
mod collector;
mod environment;
#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod post;
#[cfg(feature = "otlp")]
mod spans;

#[cfg(not(feature = "otlp"))]
pub use off::{Export, Tracer, carried, doubt, note, step};
#[cfg(feature = "otlp")]
pub use {
    collector::{Export, doubt},
    spans::{Tracer, carried, note, step},
};

/// Why a request was refused: the code of its error.
pub const ERROR: &str = "error.type";

/// The stream that was requested: the first of the names under which it is counted.
pub const STREAM: &str = "tidings.stream";

/// Where a stream begins: `now`, `snapshot`, `resumed` or `reset`.
pub const START: &str = "tidings.stream.start";

/// Why a stream begins with a `reset`.
pub const RESET: &str = "tidings.stream.reset";

/// The outcome of a publish: `repeated`, if it was done before under the same `Idempotency-Key`.
pub const PUBLISH: &str = "tidings.publish";
