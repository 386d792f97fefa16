//! Traces: where the time of a request went, as spans that a collector is sent over OTLP.
//!
//! Owns which requests have a span, and every word that may stand in one. A publish has one, and the set-up of a stream: it
//! ends when the stream is open or refused. Must never make a span that lives as long as a stream, nor write into one what
//! came with a request: no token, ticket, user, topic, room, query or body.
//!
//! All of it is behind the feature `otlp`. Without, what the rest of the server calls here is nothing, and whoever asks for
//! traces is told so at the start.

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

/// Why a request was refused: its error's code.
pub const ERROR: &str = "error.type";

/// Which stream was asked for: the first of the names under which it is counted.
pub const STREAM: &str = "tidings.stream";

/// Where a stream begins: `now`, `snapshot`, `resumed` or `reset`.
pub const START: &str = "tidings.stream.start";

/// Why a stream begins with a `reset`.
pub const RESET: &str = "tidings.stream.reset";

/// What became of a publish: `repeated`, if it was done before under the same `Idempotency-Key`.
pub const PUBLISH: &str = "tidings.publish";
