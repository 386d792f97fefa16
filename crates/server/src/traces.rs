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
#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod post;
#[cfg(feature = "otlp")]
mod spans;

#[cfg(not(feature = "otlp"))]
pub use off::{Export, Tracer, doubt};
#[cfg(feature = "otlp")]
pub use {
    collector::{Export, doubt},
    spans::Tracer,
};

#[cfg(not(feature = "otlp"))]
pub(crate) use off::{carried, note, step};
#[cfg(feature = "otlp")]
pub(crate) use spans::{carried, note, step};

/// Why a request was refused: its error's code.
pub(crate) const ERROR: &str = "error.type";

/// Which stream was asked for: the first of the names under which it is counted.
pub(crate) const STREAM: &str = "tidings.stream";

/// Where a stream begins: `now`, `snapshot`, `resumed` or `reset`.
pub(crate) const START: &str = "tidings.stream.start";

/// Why a stream begins with a `reset`.
pub(crate) const RESET: &str = "tidings.stream.reset";

/// What became of a publish: `repeated`, if it was done before under the same `Idempotency-Key`.
pub(crate) const PUBLISH: &str = "tidings.publish";

/// Where traces are to be sent, as `variable` says; `None` if nowhere.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is = |name, value| variable(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        let all = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        Some(format!("{}/v1/traces", all.trim_end_matches('/')))
    })
}

/// A variable of the process; an empty one counts as not set.
///
/// The SDK reads most of them by itself, so none of them can be a setting of ours, in `.env` or in `tidings.toml`.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(set: &[(&str, &str)]) -> Option<String> {
        endpoint(|name| set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn an_endpoint_for_all_signals_gets_the_path_of_traces_and_one_for_traces_is_taken_as_it_is() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        assert_eq!(sent_to(&[(all, "http://c:4318")]).unwrap(), "http://c:4318/v1/traces");
        assert_eq!(sent_to(&[(all, "http://c:4318/otlp/")]).unwrap(), "http://c:4318/otlp/v1/traces");
        assert_eq!(sent_to(&[(all, "http://c:4318"), (traces, "http://t/x")]).unwrap(), "http://t/x");
    }

    #[test]
    fn without_an_endpoint_or_switched_off_nothing_is_sent() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        assert_eq!(sent_to(&[]), None);
        assert_eq!(sent_to(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(sent_to(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), None);
        assert!(sent_to(&[endpoint, ("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")]).is_some());
    }
}
