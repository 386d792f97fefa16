//! Writes the metrics of a server as OpenMetrics text.
//!
//! Owns the names of the metrics. Their values are read at each scrape from the modules that count
//! them, so nothing is counted twice, and an open stream has no additional cost. The values of a
//! label are a closed set: a label must never contain a user, a topic, a room, an address, a path
//! or a token.

mod journal;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tidings_edge::body_budget::BodyBudget;
use tidings_edge::error::Code;
use tidings_edge::rates::Rates;
use tidings_hub::{Delays, Ended, MAX_MEMBERSHIPS, RefusalReason};

use crate::VERSION;
use crate::app::App;
use tidings_net::unread_output::UnreadOutput;

/// Writes the current values of all metrics. Blocks while the system lists the open files.
pub(crate) fn write(app: Arc<App>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(app)));
    let mut written = String::new();
    text::encode(&mut written, &registry)?;
    Ok(written)
}

/// Collects the metrics of one scrape.
struct Collected(Arc<App>);

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collected")
    }
}

impl Collector for Collected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let app = &*self.0;
        let mut writer = Writer(encoder);
        writer.build()?;
        streams(app, &mut writer)?;
        deliveries(app, &mut writer)?;
        publishes(app, &mut writer)?;
        users(app, &mut writer)?;
        journal::write(app, &mut writer)?;
        process::write(app.started_at, &mut writer)
    }
}

fn streams(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let registry = app.hub.connections();
    let (stats, totals) = (registry.stats(), registry.totals());
    writer.gauge("tidings_streams", "Open streams", float(stats.total as u64))?;
    writer.gauge(
        "tidings_streams_limit",
        "The limit of open streams",
        float(registry.limit() as u64),
    )?;
    writer.gauge(
        "tidings_streams_authenticated",
        "Open streams of authenticated users",
        float(stats.authenticated as u64),
    )?;
    // Every kind that ever occurred is written, even with the value zero: to Prometheus, a series
    // that ends means that its value is unknown.
    let mut open: BTreeMap<_, _> = totals
        .opened_by_kind
        .keys()
        .map(|kind| (*kind, 0))
        .collect();
    open.extend(stats.by_kind);
    let open = open
        .into_iter()
        .map(|(kind, count)| (kind, float(count as u64)));
    writer.gauges(
        "tidings_streams_by_kind",
        "Open streams by kind; one stream may count under several kinds",
        "kind",
        open,
    )?;
    writer.counter(
        "tidings_streams_opened",
        "Streams that were opened",
        totals.opened,
    )?;
    let opened = totals
        .opened_by_kind
        .iter()
        .map(|(kind, count)| (*kind, *count));
    let help = "Streams that were opened, by kind; one stream may count under several kinds";
    writer.counters("tidings_streams_opened_by_kind", help, "kind", opened)?;
    let ended = Ended::ALL.map(|how| (how.as_str(), totals.ended(how)));
    writer.counters(
        "tidings_streams_ended",
        "Streams that ended",
        "reason",
        ended,
    )?;
    let refused = RefusalReason::ALL.map(|why| (why.as_str(), totals.refused(why)));
    writer.counters(
        "tidings_streams_refused",
        "Streams that were refused",
        "reason",
        refused,
    )?;
    let help = "Connections without a stream that the server closed";
    writer.counters(
        "tidings_connections_closed",
        help,
        "reason",
        app.connection_table.closed.all(),
    )?;
    held(app, writer)
}

/// Writes the number of bytes that the server holds for its clients: request bodies until they are
/// answered, and answers until the client has read them.
fn held(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let (bodies, answers) = (&app.body_budget, &app.unread_output);
    let by_kind = |bodies: usize, answers: usize| {
        [
            ("bodies", float(bodies as u64)),
            ("answers", float(answers as u64)),
        ]
    };
    let bytes = by_kind(bodies.held(), answers.held());
    writer.gauges(
        "tidings_held_bytes",
        "Bytes of request bodies and of unread answers in memory",
        "what",
        bytes,
    )?;
    let limits = by_kind(BodyBudget::limit(), UnreadOutput::limit());
    writer.gauges(
        "tidings_held_limit_bytes",
        "The limits of bytes of request bodies and of unread answers in memory",
        "what",
        limits,
    )?;
    let refused = [("bodies", bodies.refused()), ("answers", answers.refused())];
    let help = "Request bodies and answers that were refused because of these limits";
    writer.counters("tidings_held_refused", help, "what", refused)
}

fn deliveries(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let traffic = app.hub.traffic();
    writer.counter(
        "tidings_deliveries",
        "Events that streams were given; an event counts once for each stream",
        traffic.events,
    )?;
    writer.counter(
        "tidings_delivered_bytes",
        "Bytes of delivered events, including framing",
        traffic.bytes,
    )?;
    let help = "Deliveries of missed events, which were read from the log";
    writer.counter("tidings_deliveries_replayed", help, traffic.replayed)?;
    writer.counter(
        "tidings_streams_resumed",
        "Streams that resumed at the id that their client sent",
        traffic.resumed,
    )?;
    let resets = traffic
        .resets
        .map(|(reason, count)| (reason.as_str(), count));
    writer.counters(
        "tidings_streams_reset",
        "Streams that were sent `reset`",
        "reason",
        resets,
    )?;
    let (behind, max_lag) = app.hub.connections().lag();
    writer.gauge(
        "tidings_streams_behind",
        "Live streams that have not been sent the newest event of their topics yet",
        float(behind),
    )?;
    writer.gauge(
        "tidings_lag_bytes",
        "Bytes that are still to be sent to the live stream that is furthest behind",
        float(max_lag),
    )?;
    let Delays { counts, sum_ms } = traffic.delays;
    let counts = counts
        .into_iter()
        .map(|(bound, count)| (bound.map(|ms| f64::from(ms) / 1_000.0), count));
    let help = "Time from when a live event is visible until it is written to a stream, measured \
                at one write in 16";
    writer.histogram(
        "tidings_delivery_seconds",
        help,
        counts,
        Duration::from_millis(sum_ms),
    )
}

fn publishes(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let counts = &app.counts;
    let published = counts.published.load(Ordering::Relaxed);
    writer.counter(
        "tidings_events_published",
        "Events that were stored since the start",
        published,
    )?;
    let help = "Time from the start of a publish until it is stored and every reader can see it";
    counts.publish.encode(writer.0.encode_descriptor(
        "tidings_publish_seconds",
        help,
        None,
        MetricType::Histogram,
    )?)?;
    let refused = Code::ALL.map(|code| {
        (
            code.as_str(),
            counts.refused[code as usize].load(Ordering::Relaxed),
        )
    });
    let help = "Requests that were answered with an error, by its code";
    writer.counters("tidings_requests_refused", help, "code", refused)
}

/// Writes the numbers that grow with what users do, and their limits.
fn users(app: &App, writer: &mut Writer<'_>) -> fmt::Result {
    let (members, limit) = (
        app.hub.presence().memberships() as u64,
        MAX_MEMBERSHIPS as u64,
    );
    writer.gauge(
        "tidings_memberships",
        "Memberships of rooms",
        float(members),
    )?;
    writer.gauge(
        "tidings_memberships_limit",
        "The limit of memberships of rooms",
        float(limit),
    )?;
    let help = "Users and addresses whose recent activity is remembered for their rate limits";
    writer.gauges(
        "tidings_rates_known",
        help,
        "of",
        app.rates
            .known()
            .map(|(of, count)| (of, float(count as u64))),
    )?;
    let help = "The maximum number of users, and of addresses, that are remembered";
    writer.gauge(
        "tidings_rates_known_limit",
        help,
        float(Rates::max_known() as u64),
    )?;
    let help = "Calls that were refused because their user or address had reached a rate limit, \
                by the limit";
    writer.counters("tidings_rate_limited", help, "limit", app.rates.refused())
}

/// A writer of single metrics.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn build(&mut self) -> fmt::Result {
        let mut metric =
            self.0
                .encode_descriptor("tidings_build", "The program", None, MetricType::Info)?;
        metric.encode_info(&[("version", VERSION)])
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (label_value, value) in values {
            metric
                .encode_family(&[(label, label_value)])?
                .encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a counter of seconds.
    fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a histogram. Each of `counts` is a bucket: its upper bound in seconds, or `None` for
    /// the last bucket, and the number of values in this bucket alone.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (Option<f64>, u64)>,
        sum: Duration,
    ) -> fmt::Result {
        let buckets: Vec<_> = counts
            .into_iter()
            .map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut histogram = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        histogram.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), count, &buckets, None)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (label_value, value) in values {
            metric
                .encode_family(&[(label, label_value)])?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }
}

/// Returns a count as the value of a gauge. It is exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody has 2^53 of anything counted here"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_listed_at_its_number() {
        for (nth, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, nth, "{}", code.as_str());
        }
    }
}
