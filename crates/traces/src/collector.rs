//! Sends spans to the collector. The spans wait in a bounded queue, and a thread of OpenTelemetry's
//! SDK sends them in batches.
//!
//! Owns the set-up, which follows the standard variables of OpenTelemetry, and the log messages
//! about failures. Must never delay a request, and must not delay the server's shutdown for long.

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

use super::collector_client::{CollectorClient, FailureCause};
use crate::environment::{endpoint, variable};
use crate::spans::Tracer;

/// The version of the server.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the shutdown waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The default time limit of an export, including its retries, as the specification of OTLP defines
/// it.
const DEFAULT_EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most spans that may be queued, and the most that may be sent at once. The SDK allocates the
/// memory for them at its start.
const MAX_SPANS: u64 = 100_000;

/// The shortest interval between two log messages about lost spans.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// The exporter of spans, if a collector is configured.
pub struct Export(Option<Running>);

/// A running exporter.
struct Running {
    /// Never dropped, because its `drop` waits for the collector, for longer than
    /// [`FLUSH_TIMEOUT`].
    provider: ManuallyDrop<SdkTracerProvider>,
    endpoint: String,
}

/// An exporter that logs the number of lost spans once in a while. The SDK would log each batch.
#[derive(Debug)]
struct ReportingExporter {
    exporter: SpanExporter,
    cause: FailureCause,
    endpoint: String,
    losses: Mutex<Losses>,
}

/// The lost spans, and when they were reported.
#[derive(Debug, Default)]
struct Losses {
    /// Whether the last export failed.
    is_failing: bool,
    /// The lost spans that were not reported yet.
    unreported: usize,
    last_report: Option<Instant>,
}

/// Returns `None`, because this binary can send traces. Whether a collector accepts them is known
/// only once they are sent.
pub fn missing_feature() -> Option<&'static str> {
    None
}

impl Export {
    /// Starts the exporter on the current runtime, if the environment names a collector. Logs a
    /// warning if that fails, because a server without traces is better than none.
    pub fn start() -> Self {
        let Some(endpoint) = endpoint(variable) else {
            return Self(None);
        };
        match Running::start(&endpoint) {
            Ok(running) => Self(Some(running)),
            Err(problem) => {
                tracing::warn!(problem = format!("{problem:#}"), "no traces are sent");
                Self(None)
            }
        }
    }

    /// Returns the tracer, which creates the spans.
    pub fn tracer(&self) -> Tracer {
        let scope = || {
            InstrumentationScope::builder("tidings")
                .with_version(VERSION)
                .build()
        };
        let running = self.0.as_ref();
        running.map_or_else(Tracer::default, |running| {
            Tracer::new(running.provider.tracer_with_scope(scope()))
        })
    }

    /// Returns the address of the collector.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.as_ref().map(|running| running.endpoint.as_str())
    }

    /// Sends the queued spans. Waits until they are sent, but not longer than [`FLUSH_TIMEOUT`].
    pub async fn flush(&self) {
        let Some(running) = &self.0 else { return };
        let provider = SdkTracerProvider::clone(&running.provider);
        let (done, flushed) = tokio::sync::oneshot::channel();
        // This is not a thread of the runtime, because the runtime would wait for it at its end
        // without a limit.
        let flushing = std::thread::Builder::new()
            .name("flush".to_owned())
            .spawn(move || {
                let _ = done.send(provider.force_flush());
            });
        if flushing.is_err() || tokio::time::timeout(FLUSH_TIMEOUT, flushed).await.is_err() {
            tracing::warn!(
                endpoint = running.endpoint,
                "the last traces are lost, because the collector was too slow"
            );
        }
    }
}

impl Running {
    /// Starts an exporter to `endpoint`, according to the standard variables.
    fn start(endpoint: &str) -> anyhow::Result<Self> {
        let uri: Uri = endpoint.parse().context("the OTLP endpoint is not a URL")?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("the OTLP endpoint is not a URL with http:// or https://"),
        };
        let has_user = uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        ensure!(
            !has_user,
            "the user in the OTLP endpoint would be ignored; set OTEL_EXPORTER_OTLP_HEADERS instead"
        );
        let has_invalid_port = |authority: &http::uri::Authority| {
            authority.port().is_none() && authority.as_str() != authority.host()
        };
        ensure!(
            !uri.authority().is_some_and(has_invalid_port),
            "the port of the OTLP endpoint is not a number up to 65535"
        );
        if let Some(exporter) = variable("OTEL_TRACES_EXPORTER") {
            ensure!(
                exporter
                    .split(',')
                    .any(|one| one.trim().eq_ignore_ascii_case("otlp")),
                "OTEL_TRACES_EXPORTER={exporter} is not supported; it must be otlp or none"
            );
        }
        check_batch_settings()?;
        let of_traces_or_all = |name: &str| {
            let names = [
                format!("OTEL_EXPORTER_OTLP_TRACES_{name}"),
                format!("OTEL_EXPORTER_OTLP_{name}"),
            ];
            names
                .into_iter()
                .find_map(|name| Some((variable(&name)?, name)))
        };
        if let Some((protocol, name)) = of_traces_or_all("PROTOCOL") {
            ensure!(
                protocol == "http/protobuf",
                "{name}={protocol} is not supported; it must be http/protobuf"
            );
        }
        let timeout = match of_traces_or_all("TIMEOUT") {
            Some((ms, name)) => Duration::from_millis(
                ms.parse()
                    .with_context(|| format!("{name}={ms} is not a number"))?,
            ),
            None => DEFAULT_EXPORT_TIMEOUT,
        };
        let shown = shown(&uri);
        let client = CollectorClient::new(https, timeout)
            .context("can't create an HTTP client for the collector")?;
        let cause = client.cause.clone();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            .with_http_client(client)
            .build()?;
        let exporter = ReportingExporter {
            exporter,
            cause,
            endpoint: shown.clone(),
            losses: Mutex::default(),
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        Ok(Self {
            provider: ManuallyDrop::new(provider),
            endpoint: shown,
        })
    }
}

/// Refuses settings of batches with which the SDK would use all of a processor's time, run out of
/// memory, or never send a span. The SDK itself accepts them.
fn check_batch_settings() -> anyhow::Result<()> {
    for (name, max) in [
        ("OTEL_BSP_SCHEDULE_DELAY", u64::MAX),
        ("OTEL_BSP_MAX_QUEUE_SIZE", MAX_SPANS),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MAX_SPANS),
    ] {
        let Some(text) = variable(name) else { continue };
        let number: u64 = text
            .parse()
            .with_context(|| format!("{name}={text} is not a number"))?;
        ensure!(
            (1..=max).contains(&number),
            "{name}={text} is not between 1 and {max}"
        );
    }
    Ok(())
}

/// Returns the attributes of the server. The standard variables override these defaults, and
/// `OTEL_SERVICE_NAME` overrides all other variables.
fn resource() -> Resource {
    let defaults = [
        KeyValue::new("service.name", "tidings"),
        KeyValue::new("service.version", VERSION),
    ];
    let builder = Resource::builder_empty()
        .with_attributes(defaults)
        .with_detectors(&[
            Box::new(TelemetryResourceDetector),
            Box::new(EnvResourceDetector::new()),
        ]);
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// Formats an address without the parts that may contain a secret.
fn shown(uri: &Uri) -> String {
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let (scheme, host) = (
        uri.scheme_str().unwrap_or_default(),
        uri.host().unwrap_or_default(),
    );
    format!("{scheme}://{host}{port}{}", uri.path())
}

impl opentelemetry_sdk::trace::SpanExporter for ReportingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        let mut losses = self.losses.lock();
        match exported {
            Ok(()) => {
                if let Some(lost) = losses.recovered() {
                    tracing::info!(
                        endpoint = self.endpoint,
                        lost,
                        "the collector accepts traces again"
                    );
                }
            }
            Err(error) => {
                if let Some(lost) = losses.lost(spans, Instant::now()) {
                    let cause = self.cause.take().unwrap_or_else(|| error.to_string());
                    tracing::warn!(
                        endpoint = self.endpoint,
                        cause,
                        lost,
                        "traces are lost, because the collector does not accept them"
                    );
                }
            }
        }
        Ok(()) // if this were an error, the SDK would log it too
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
    fn lost(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.is_failing = true;
        self.unreported += spans;
        if self
            .last_report
            .is_some_and(|last| now < last + REPORT_INTERVAL)
        {
            return None;
        }
        self.last_report = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }

    /// Records a successful export. If the export before it failed, returns the number of lost
    /// spans that were not reported yet.
    fn recovered(&mut self) -> Option<usize> {
        std::mem::take(&mut self.is_failing).then(|| std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn losses_are_reported_at_once_and_then_once_a_minute() {
        let mut losses = Losses::default();
        assert_eq!(losses.recovered(), None);
        assert_eq!(losses.lost(3, Instant::now()), Some(3));
        assert_eq!(losses.lost(2, Instant::now()), None);
        tokio::time::advance(REPORT_INTERVAL).await;
        assert_eq!(losses.lost(1, Instant::now()), Some(3));
        assert_eq!(losses.lost(4, Instant::now()), None);
        assert_eq!(losses.recovered(), Some(4));
        assert_eq!(losses.recovered(), None);
    }

    #[test]
    fn no_password_of_an_endpoint_is_shown() {
        let shown = |text: &str| super::shown(&text.parse().unwrap());
        assert_eq!(
            shown("https://user:secret@c.example:4318/v1/traces?key=secret"),
            "https://c.example:4318/v1/traces"
        );
        assert_eq!(
            shown("http://[::1]:4318/v1/traces"),
            "http://[::1]:4318/v1/traces"
        );
    }
}
