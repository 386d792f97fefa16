//! Sends spans to the collector: they wait in a bounded queue, and a thread of the SDK sends them
//! in batches.
//!
//! Owns the set-up, which follows the standard variables of OpenTelemetry, and the log messages
//! about failures. Must never delay a request, nor delay the server's shutdown for long.

use std::mem::ManuallyDrop;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::Uri;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::post::{Cause, Post};
use crate::environment::{endpoint, variable};
use crate::spans::Tracer;

/// The version of the server.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the shutdown waits for the last spans to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// The default limit of an export, including its retries, as the specification of OTLP defines it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of spans that may be queued, or sent at once. The SDK allocates the memory
/// for them at the start.
const MOST_SPANS: u64 = 100_000;

/// The interval between two log messages that spans are lost.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// The exporter of spans, if a collector is configured.
pub struct Export(Option<Running>);

struct Running {
    /// Never dropped, because its drop waits for the collector, and for longer than [`FLUSH`].
    provider: ManuallyDrop<SdkTracerProvider>,
    endpoint: String,
}

/// An exporter that logs losses in summary. The SDK would log each batch.
#[derive(Debug)]
struct Telling {
    exporter: SpanExporter,
    cause: Cause,
    endpoint: String,
    losses: Mutex<Losses>,
}

/// The spans that were lost since the last log message.
#[derive(Debug, Default)]
struct Losses {
    failing: bool,
    spans: usize,
    told: Option<Instant>,
}

/// Returns `None`: whether spans can be sent is known only when they are sent.
pub fn doubt() -> Option<&'static str> {
    None
}

impl Export {
    /// Starts the exporter on the current runtime, if the environment names a collector. If that
    /// fails, it logs a warning, because a server without traces is better than none.
    pub fn start() -> Self {
        let Some(endpoint) = endpoint(variable) else { return Self(None) };
        match Running::to(&endpoint) {
            Ok(running) => Self(Some(running)),
            Err(problem) => {
                tracing::warn!(problem = format!("{problem:#}"), "no traces are sent");
                Self(None)
            }
        }
    }

    /// Returns what makes the spans.
    pub fn tracer(&self) -> Tracer {
        let scope = || InstrumentationScope::builder("tidings").with_version(VERSION).build();
        let running = self.0.as_ref();
        running.map_or_else(Tracer::default, |running| Tracer::new(running.provider.tracer_with_scope(scope())))
    }

    /// Returns the address of the collector.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.as_ref().map(|running| running.endpoint.as_str())
    }

    /// Sends the queued spans, and waits for that for a limited time.
    pub async fn flush(&self) {
        let Some(running) = &self.0 else { return };
        let provider = SdkTracerProvider::clone(&running.provider);
        let (done, flushed) = tokio::sync::oneshot::channel();
        // A thread of its own, because the runtime would wait for one of its threads at its end,
        // without a limit.
        let flushing = std::thread::Builder::new().name("flush".to_owned()).spawn(move || {
            let _ = done.send(provider.force_flush());
        });
        if flushing.is_err() || tokio::time::timeout(FLUSH, flushed).await.is_err() {
            tracing::warn!(endpoint = running.endpoint, "the last traces are lost: the collector was too slow");
        }
    }
}

impl Running {
    fn to(endpoint: &str) -> anyhow::Result<Self> {
        let uri: Uri = endpoint.parse().context("the OTLP endpoint is no URL")?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("the OTLP endpoint is no URL with http:// or https://"),
        };
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        ensure!(!has_user, "a user in the OTLP endpoint is sent to nobody; OTEL_EXPORTER_OTLP_HEADERS is for such");
        let is_odd =
            |authority: &http::uri::Authority| authority.port().is_none() && authority.as_str() != authority.host();
        ensure!(!uri.authority().is_some_and(is_odd), "the port of the OTLP endpoint is no number up to 65535");
        if let Some(exporter) = variable("OTEL_TRACES_EXPORTER") {
            ensure!(
                exporter.split(',').any(|one| one.trim().eq_ignore_ascii_case("otlp")),
                "OTEL_TRACES_EXPORTER={exporter}, but only otlp is there, or none"
            );
        }
        check_batches()?;
        let of_traces_or_all = |name: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
            names.into_iter().find_map(|name| Some((variable(&name)?, name)))
        };
        if let Some((protocol, name)) = of_traces_or_all("PROTOCOL") {
            ensure!(protocol == "http/protobuf", "{name}={protocol}, but only http/protobuf is spoken here");
        }
        let timeout = match of_traces_or_all("TIMEOUT") {
            Some((ms, name)) => Duration::from_millis(ms.parse().with_context(|| format!("{name}={ms} is no number"))?),
            None => TIMEOUT,
        };
        let shown = shown(&uri);
        let post = Post::new(https, timeout).context("no client for the collector")?;
        let cause = post.cause.clone();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            .with_http_client(post)
            .build()?;
        let exporter = Telling { exporter, cause, endpoint: shown.clone(), losses: Mutex::default() };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Self { provider: ManuallyDrop::new(provider), endpoint: shown })
    }
}

/// Refuses values that the SDK would accept, although it would then use all of a processor's time,
/// run out of memory, or never send a span.
fn check_batches() -> anyhow::Result<()> {
    for (name, most) in [
        ("OTEL_BSP_SCHEDULE_DELAY", u64::MAX),
        ("OTEL_BSP_MAX_QUEUE_SIZE", MOST_SPANS),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MOST_SPANS),
    ] {
        let Some(text) = variable(name) else { continue };
        let number: u64 = text.parse().with_context(|| format!("{name}={text} is no number"))?;
        ensure!((1..=most).contains(&number), "{name}={text} is not between 1 and {most}");
    }
    Ok(())
}

/// Returns the attributes of the server. The standard variables take precedence over them, and
/// `OTEL_SERVICE_NAME` over all others.
fn resource() -> Resource {
    let ours = [KeyValue::new("service.name", "tidings"), KeyValue::new("service.version", VERSION)];
    let builder = Resource::builder_empty()
        .with_attributes(ours)
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// Formats an address without the parts that may contain a secret.
fn shown(uri: &Uri) -> String {
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    format!("{scheme}://{host}{port}{}", uri.path())
}

impl opentelemetry_sdk::trace::SpanExporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        let mut losses = self.losses.lock();
        match exported {
            Ok(()) => {
                if let Some(lost) = losses.over() {
                    tracing::info!(endpoint = self.endpoint, lost, "the collector takes traces again");
                }
            }
            Err(error) => {
                if let Some(lost) = losses.more(spans, Instant::now()) {
                    let cause = self.cause.take().unwrap_or_else(|| error.to_string());
                    tracing::warn!(endpoint = self.endpoint, cause, lost, "traces are lost: the collector takes none");
                }
            }
        }
        Ok(()) // for an error the SDK would log another message
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl Losses {
    /// Counts lost spans. Returns the number to report, if a report is due.
    fn more(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.failing = true;
        self.spans += spans;
        if self.told.is_some_and(|told| now < told + SAY_AGAIN) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.spans))
    }

    /// Notes a successful export. If spans were lost before it, returns the number that is not
    /// reported yet.
    fn over(&mut self) -> Option<usize> {
        std::mem::take(&mut self.failing).then(|| std::mem::take(&mut self.spans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn losses_are_told_at_once_then_once_a_minute_and_none_is_forgotten() {
        let mut losses = Losses::default();
        assert_eq!(losses.over(), None);
        assert_eq!(losses.more(3, Instant::now()), Some(3));
        assert_eq!(losses.more(2, Instant::now()), None);
        tokio::time::advance(SAY_AGAIN).await;
        assert_eq!(losses.more(1, Instant::now()), Some(3));
        assert_eq!(losses.more(4, Instant::now()), None);
        assert_eq!(losses.over(), Some(4));
        assert_eq!(losses.over(), None);
    }

    #[test]
    fn what_is_shown_of_an_endpoint_holds_no_password() {
        let shown = |text: &str| super::shown(&text.parse().unwrap());
        assert_eq!(
            shown("https://user:secret@c.example:4318/v1/traces?key=secret"),
            "https://c.example:4318/v1/traces"
        );
        assert_eq!(shown("http://[::1]:4318/v1/traces"), "http://[::1]:4318/v1/traces");
    }
}
