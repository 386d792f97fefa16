//! One run: opens the streams, keeps them idle, publishes, closes them, and measures every step.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{anyhow, bail};
use parking_lot::Mutex;
use tidings_client::Address;
use tokio::time::{Instant, Interval, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::clock::SteadyClock;
use super::plan::{Plan, Publishing, Target};
use super::process::{CpuTime, Processes, Usage};
use super::progress::{INTERVAL, Progress};
use super::publisher::{self, Audience, Published, Work};
use super::report::{Latency, Report, each, per_second, rounded};
use super::streams::Streams;
use super::table::{grouped, whole};
use super::tally::{FailureCount, Tally};

/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for the first bytes of the streams that opened last. Not every server sends
/// some at once.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_millis(250);

/// How long to wait for the next delivery, after the last publish.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// The interval at which the number of deliveries is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long to wait, after the last stream was closed, for the server to release memory.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time without a release of memory after which the server is assumed to release no more.
const RELEASE_QUIET: Duration = Duration::from_secs(5);

/// A run.
pub(super) struct Run {
    streams: Streams,
    burst: usize,
    idle: Duration,
    groups: (u64, u64),
    publishing: Option<(Publishing, SocketAddr)>,
    processes: Processes,
    clock: SteadyClock,
    tally: Arc<Mutex<Tally>>,
    progress: Progress,
    ticks: Interval,
    stop: CancellationToken,
    report: Report,
    notes: Vec<String>,
}

/// The outcome of a run.
pub(super) struct Outcome {
    pub(super) report: Report,
    /// Remarks that are printed after the values.
    pub(super) notes: Vec<String>,
    /// Why the run failed, if it did after its streams were open.
    pub(super) failure: Option<anyhow::Error>,
}

impl Run {
    /// Connects to the server. Fails if it can't be reached.
    pub(super) async fn new(plan: Plan, stop: CancellationToken) -> anyhow::Result<Self> {
        let Plan {
            address,
            streams,
            connections,
            burst,
            idle,
            groups,
            publishing,
            processes,
        } = plan;
        let target = reach(&address).await?;
        let publishing = match publishing {
            Some(publishing) => {
                let target = if publishing.address == address {
                    target
                } else {
                    reach(&publishing.address).await?
                };
                Some((publishing, target))
            }
            None => None,
        };
        let clock = SteadyClock::start();
        let tally = Arc::new(Mutex::new(Tally::new(clock, connections)?));
        Ok(Self {
            streams: Streams::new(streams, target, connections, groups, tally.clone()),
            burst,
            idle,
            groups,
            publishing,
            processes,
            clock,
            tally,
            progress: Progress::new(),
            ticks: interval_at(Instant::now() + INTERVAL, INTERVAL),
            stop,
            report: Report::default(),
            notes: Vec::new(),
        })
    }

    /// Runs all steps. Fails if no stream could be opened.
    pub(super) async fn measure(mut self) -> anyhow::Result<Outcome> {
        let opened = self.connect().await;
        let mut failure = None;
        if opened.is_ok() {
            self.hold().await;
            failure = self.publish().await.err();
        }
        self.report.connections.ended = self.tally.lock().ended;
        self.streams.close().await;
        opened.inspect_err(|_| self.progress.clear())?;
        self.report.memory.closed = self.memory_after_release().await;
        self.progress.clear();
        let Self {
            report, mut notes, ..
        } = self;
        if self.stop.is_cancelled() {
            notes.push("interrupted: these are the results so far".to_owned());
        }
        Ok(Outcome {
            report,
            notes,
            failure,
        })
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        self.report.memory.before = self.processes.memory();
        let (start, before) = (Instant::now(), self.processes.usage());
        loop {
            tokio::select! {
                more = self.streams.open_next(self.burst) => if !more || self.is_hopeless() { break },
                _ = self.ticks.tick() => {
                    let open = self.tally.lock().opened;
                    let wanted = self.tally.lock().wanted();
                    self.progress.show(&format!("{} of {} streams open", whole(open as u64), whole(wanted as u64)));
                }
                () = self.stop.cancelled() => break,
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let cpu_time = self.cpu_time_since(before);
        let tally = self.tally.lock();
        let connections = &mut self.report.connections;
        (connections.wanted, connections.open) = (tally.wanted(), tally.opened);
        (connections.refused, connections.failed) = (tally.refused.count, tally.failed.count);
        connections.seconds = rounded(seconds);
        connections.per_second = per_second(tally.opened as u64, seconds);
        connections.cpu_micros =
            cpu_time.and_then(|cpu_time| each(cpu_time.micros, tally.opened as u64));
        if tally.opened == 0 && !self.stop.is_cancelled() {
            let why = tally
                .refused
                .first
                .as_deref()
                .or(tally.failed.first.as_deref())
                .unwrap_or("no answer");
            bail!("no stream could be opened: {why}");
        }
        Ok(())
    }

    /// Returns whether no stream opened, and as many failed as may be opening at the same time.
    fn is_hopeless(&self) -> bool {
        let tally = self.tally.lock();
        tally.opened == 0 && tally.refused.count + tally.failed.count >= self.burst
    }

    async fn hold(&mut self) {
        self.await_first_bytes().await;
        let (start, before) = (Instant::now(), self.processes.usage());
        while start.elapsed() < self.idle && !self.stop.is_cancelled() {
            tokio::select! {
                () = sleep(self.idle.saturating_sub(start.elapsed())) => {}
                _ = self.ticks.tick() => {
                    let (done, all) = (start.elapsed().as_secs_f64(), self.idle.as_secs_f64());
                    self.progress.show(&format!("idle for {done:.0} of {all:.0} s"));
                }
                () = self.stop.cancelled() => {}
            }
        }
        if !self.idle.is_zero() {
            let seconds = start.elapsed().as_secs_f64();
            let cpu_time = self.cpu_time_since(before);
            self.report.idle.seconds = Some(rounded(seconds));
            self.report.idle.cpu_percent =
                cpu_time.map(|cpu_time| rounded(cpu_time.micros / seconds / 10_000.0));
        }
        self.report.memory.open = self.processes.memory();
        let tally = self.tally.lock();
        let connections = &mut self.report.connections;
        (connections.open, connections.refused) = (tally.opened, tally.refused.count);
        let memory = self.report.memory.open.zip(self.report.memory.before);
        #[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
        let grown = memory.map(|(open, before)| open as f64 - before as f64);
        connections.bytes = grown.and_then(|grown| each(grown, tally.opened as u64));
        for (failures, what) in [(&tally.refused, "refused"), (&tally.failed, "not opened")] {
            note(&mut self.notes, failures, "streams", what);
        }
    }

    /// Waits for the first bytes of the streams, which may be a refusal.
    async fn await_first_bytes(&self) {
        let start = Instant::now();
        while self.tally.lock().silent > 0 && start.elapsed() < FIRST_BYTES_TIMEOUT {
            sleep(CHECK_INTERVAL).await;
        }
    }

    /// Publishes. Fails if the server stops answering or accepts nothing.
    async fn publish(&mut self) -> anyhow::Result<()> {
        let Some((publishing, target)) = self.publishing.take() else {
            return Ok(());
        };
        if self.stop.is_cancelled() {
            return Ok(());
        }
        let Publishing {
            request,
            rate,
            duration,
            pipeline,
            target: streams,
            ..
        } = publishing;
        let audience = self.audience(streams);
        let published = Arc::new(Published::default());
        let (groups, clock) = (self.groups, self.clock);
        let work = Work {
            request,
            target,
            rate,
            duration,
            pipeline,
            groups,
            audience,
            clock,
        };
        let before = self.processes.usage();
        let start = self.tally.lock().begin();
        let mut publisher = publisher::start(work, published.clone(), self.stop.clone())?;
        let result = loop {
            tokio::select! {
                result = &mut publisher => break result.unwrap_or_else(|_| Err(anyhow!("the \
                    publisher stopped"))),
                _ = self.ticks.tick() => self.show_deliveries(start, &published),
            }
        };
        self.await_deliveries(start, &published).await;
        self.report_deliveries(start, before, &published);
        let failed = published.failed.lock();
        note(&mut self.notes, &failed, "publishes", "not accepted");
        result?;
        if published.sent.load(Relaxed) == failed.count as u64 && !self.stop.is_cancelled() {
            bail!("no publish was accepted");
        }
        Ok(())
    }

    fn audience(&self, target: Target) -> Audience {
        let tally = self.tally.lock();
        match target {
            Target::All => Audience::Fixed(tally.opened as u64),
            Target::User => Audience::InTurn(tally.groups(self.groups.0)),
            Target::Room => Audience::InTurn(tally.groups(self.groups.1)),
            Target::Fixed(streams) => Audience::Fixed(streams),
        }
    }

    fn show_deliveries(&mut self, start: u64, published: &Published) {
        let (got, seconds) = (self.tally.lock().got, seconds(start, self.clock.now()));
        let rate = grouped(per_second(got, seconds).unwrap_or_default());
        let sent = whole(published.sent.load(Relaxed));
        self.progress.show(&format!(
            "{seconds:.0} s: {sent} published, {} delivered, {rate}/s",
            whole(got)
        ));
    }

    /// Waits until every delivery arrived, or none did for a while.
    async fn await_deliveries(&mut self, start: u64, published: &Published) {
        let end = self.clock.now();
        while !self.stop.is_cancelled() {
            let (got, last) = {
                let tally = self.tally.lock();
                (tally.got, tally.last.max(end))
            };
            let silence = Duration::from_nanos(self.clock.now().saturating_sub(last));
            if got >= published.wanted.load(Relaxed) || silence > DELIVERY_TIMEOUT {
                return;
            }
            tokio::select! {
                () = sleep(CHECK_INTERVAL) => {}
                _ = self.ticks.tick() => self.show_deliveries(start, published),
            }
        }
    }

    fn report_deliveries(&mut self, start: u64, before: Option<Usage>, published: &Published) {
        let cpu_time = self.cpu_time_since(before);
        self.report.memory.after = self.processes.memory();
        let tally = self.tally.lock();
        let failed = published.failed.lock().count as u64;
        let sent = published.sent.load(Relaxed);
        let accepted = sent.saturating_sub(failed);

        let publishes = &mut self.report.publishes;
        let time = seconds(0, published.nanos.load(Relaxed));
        (publishes.sent, publishes.failed, publishes.seconds) =
            (Some(sent), Some(failed), Some(rounded(time)));
        publishes.per_second = per_second(accepted, time);
        publishes.cpu_micros = cpu_time.and_then(|cpu_time| each(cpu_time.micros, accepted));

        let deliveries = &mut self.report.deliveries;
        let time = seconds(start, tally.last);
        (deliveries.wanted, deliveries.got) =
            (Some(published.wanted.load(Relaxed)), Some(tally.got));
        deliveries.seconds = Some(rounded(time));
        deliveries.per_second = per_second(tally.got, time);
        #[expect(clippy::cast_precision_loss, reason = "bytes of a run are below 2^53")]
        let bytes = tally.bytes as f64;
        deliveries.bytes = each(bytes, tally.got);
        let each = |micros: fn(&CpuTime) -> f64| {
            cpu_time.and_then(|cpu_time| each(micros(&cpu_time), tally.got))
        };
        deliveries.cpu_micros = each(|cpu_time| cpu_time.micros);
        deliveries.cpu_user_micros = each(|cpu_time| cpu_time.user);
        deliveries.cpu_system_micros = each(|cpu_time| cpu_time.system);

        if tally.got > 0 {
            let at = |quantile| Some(tally.latencies.value_at_quantile(quantile));
            let max = Some(tally.latencies.max());
            self.report.latency = Latency {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max,
            };
        }
    }

    /// Waits until the server has released memory, and returns how much it still has.
    async fn memory_after_release(&mut self) -> Option<u64> {
        let (start, mut last_release) = (Instant::now(), Instant::now());
        let mut least = self.processes.memory()?;
        let is_over = |last_release: Instant| {
            start.elapsed() >= RELEASE_TIMEOUT || last_release.elapsed() >= RELEASE_QUIET
        };
        while !is_over(last_release) && !self.stop.is_cancelled() {
            tokio::select! {
                () = sleep(Duration::from_millis(250)) => {}
                _ = self.ticks.tick() => self.progress.show("streams closed; waiting for the \
                    server to release memory"),
            }
            let now = self.processes.memory()?;
            if now < least {
                (least, last_release) = (now, Instant::now());
            }
        }
        Some(least)
    }

    /// Returns the CPU time that the server has used since `before`.
    fn cpu_time_since(&self, before: Option<Usage>) -> Option<CpuTime> {
        Some(self.processes.usage()?.since(before?))
    }
}

fn note(notes: &mut Vec<String>, failures: &FailureCount, of_what: &str, what: &str) {
    if let Some(first) = &failures.first {
        notes.push(format!(
            "{} {of_what} were {what}; the first: {first}",
            whole(failures.count as u64)
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
fn seconds(start: u64, end: u64) -> f64 {
    end.saturating_sub(start) as f64 / 1e9
}

/// Returns the first address of a host that accepts a connection. IPv4 is tried first, because only
/// there this machine has many addresses to connect from.
async fn reach(address: &Address) -> anyhow::Result<SocketAddr> {
    let uri = address.at("/")?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let found = tokio::net::lookup_host((host, uri.port_u16().unwrap_or(80))).await;
    let mut found: Vec<_> = found
        .map_err(|error| anyhow!("can't reach {address}: {error}"))?
        .collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let mut why = "the name has no address".to_owned();
    for target in found {
        why = match timeout(CONNECT_TIMEOUT, tokio::net::TcpStream::connect(target)).await {
            Ok(Ok(_)) => return Ok(target),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within 10 s".to_owned(),
        };
    }
    bail!("can't reach {address}: {why}")
}
