//! The cost of an event that is published in a batch of 1,000, and of one that is published alone:
//! `cargo bench -p tidings-hub --bench batch`.
//!
//! The log is in memory, and each subscriber is a task that takes the frames and drops them.
//! Sockets, which cost far more, are left out, so that the work of the hub is compared. Prints a
//! table and judges nothing, because speed depends on the machine. A number as an argument (`--
//! 1000`) measures only this number of subscribers.

#![allow(clippy::print_stdout, reason = "it is what this program is for")]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that fails is to end, and to say where"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(missing_docs, reason = "a program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tidings_hub::{
    After, Clock, Ending, HeartbeatStyle, Hub, Options, Presence, Publication, Reset, RingLimits,
    StreamLimits, Subscribe, Subscription, Wording,
};
use tidings_journal::memory::{Memory, Retention};
use tidings_journal::{EventId, TopicName};
use tidings_sse::{EventName, Frame};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUBSCRIBERS: [usize; 3] = [0, 1, 1_000];

/// The size of an event's data, as in the benchmark of the log.
const DATA_BYTES: usize = 256;

const BATCH: usize = 1_000;
const BATCHES: usize = 10;

/// How many events are published alone in a round. With 1,000 subscribers, each costs 1,000 wakes.
const SINGLES: usize = 1_000;

/// How often each way is measured. The ways take turns, so that a machine that is busy for a while
/// slows down all of them.
const ROUNDS: usize = 7;

/// The ways to publish that are compared.
const WAYS: [(&str, Way); 3] = [
    ("by itself, seen by all before the next", Way::Seen),
    ("by itself, as fast as they are taken", Way::Single),
    ("in a batch of 1,000", Way::Batch),
];

#[derive(Clone, Copy)]
enum Way {
    Seen,
    Single,
    Batch,
}

/// What one event cost.
#[derive(Clone, Copy)]
struct Cost {
    /// The CPU time of all threads.
    cpu: Duration,
    wall: Duration,
}

/// How far the subscribers are.
#[derive(Default)]
struct Progress {
    /// The position that is waited for.
    target: AtomicU64,
    reached: AtomicUsize,
    subscribers: usize,
    all: Notify,
}

struct Bench {
    hub: Hub,
    progress: Arc<Progress>,
}

struct Silent;

impl Wording for Silent {
    fn heartbeat(&self, _: i64) -> Frame {
        Frame::comment()
    }

    fn reset(&self, _: &Reset) -> Frame {
        Frame::comment()
    }

    fn ending(&self, _: &Ending) -> Frame {
        Frame::comment()
    }

    fn synced(&self, _: usize, _: EventId) -> Frame {
        Frame::comment()
    }
}

fn main() {
    // `cargo test --all-targets` runs this program too, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let only: Vec<usize> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for subscribers in SUBSCRIBERS
        .into_iter()
        .filter(|count| only.is_empty() || only.contains(count))
    {
        runtime.block_on(async { tokio::spawn(measure(subscribers)).await.unwrap() });
    }
}

async fn measure(subscribers: usize) {
    let bench = Bench::start(subscribers).await;
    let mut costs = WAYS.map(|_| Vec::new());
    for round in 0..=ROUNDS {
        for (nth, (_, way)) in WAYS.into_iter().enumerate() {
            let cost = bench.round(way).await;
            if round > 0 {
                costs[nth].push(cost); // the first warms up
            }
        }
    }
    println!("\n{subscribers} subscribers: each event, median of {ROUNDS} rounds (least-most)");
    let batch = median(&costs[2]);
    for ((name, _), costs) in WAYS.into_iter().zip(&costs) {
        let Cost { cpu, wall } = median(costs);
        let ratio = cpu.as_secs_f64() / batch.cpu.as_secs_f64();
        let of_wall = wall.as_secs_f64() / batch.wall.as_secs_f64();
        let spread = |part: fn(&Cost) -> Duration| {
            let parts = costs.iter().map(part);
            format!(
                "({}-{})",
                micros(parts.clone().min().unwrap()),
                micros(parts.max().unwrap())
            )
        };
        println!(
            "{name:<40} CPU {:>10} us {:<20} {ratio:>6.1} x   wall {:>10} us {:<20} \
             {of_wall:>6.1} x",
            micros(cpu),
            spread(|cost| cost.cpu),
            micros(wall),
            spread(|cost| cost.wall),
        );
    }
}

impl Bench {
    async fn start(subscribers: usize) -> Self {
        let options = Options {
            heartbeat_interval: Duration::from_hours(1),
            write_timeout: Duration::from_hours(1),
            max_lag_bytes: usize::MAX,
            max_age: None,
            streams: StreamLimits::default(),
            ring: RingLimits::default(),
            presence: Arc::new(Presence::new(
                TopicName::parse("chat").unwrap(),
                Duration::from_mins(1),
            )),
            folds: Vec::new(),
        };
        let journal = Arc::new(Memory::new(Retention::default()));
        let (hub, runner) = Hub::new(journal, options, Arc::new(Silent), Clock::system());
        tokio::spawn(runner.run());
        let progress = Arc::new(Progress {
            subscribers,
            ..Progress::default()
        });
        for _ in 0..subscribers {
            let (subscription, _) = hub.subscribe(request()).await.unwrap();
            tokio::spawn(take(subscription, progress.clone()));
        }
        Self { hub, progress }
    }

    async fn round(&self, way: Way) -> Cost {
        let (cpu, begun) = (cpu_time(), Instant::now());
        let events = match way {
            Way::Seen => {
                for _ in 0..SINGLES {
                    self.publish(1, 1).await;
                }
                SINGLES
            }
            Way::Single => {
                self.publish(SINGLES, 1).await;
                SINGLES
            }
            Way::Batch => {
                for _ in 0..BATCHES {
                    self.publish(1, BATCH).await;
                }
                BATCHES * BATCH
            }
        };
        let events = u32::try_from(events).unwrap();
        Cost {
            cpu: cpu_time().saturating_sub(cpu) / events,
            wall: begun.elapsed() / events,
        }
    }

    /// Publishes `batches` batches of `size` events, and waits until every subscriber has taken all
    /// of them.
    async fn publish(&self, batches: usize, size: usize) {
        let target = self.hub.head().position.get() + (batches * size) as u64;
        self.progress.reached.store(0, Ordering::SeqCst);
        self.progress.target.store(target, Ordering::SeqCst);
        for _ in 0..batches {
            self.hub
                .publish(vec![publication(); size], None, None)
                .await
                .unwrap();
        }
        if self.progress.subscribers > 0 {
            self.progress.all.notified().await;
        }
    }
}

/// Takes the frames of a stream as its carrier does, without a socket.
async fn take(mut subscription: Subscription, progress: Arc<Progress>) {
    let mut reached = 0;
    while subscription.next().await.is_some() {
        let target = progress.target.load(Ordering::SeqCst);
        if reached < target && subscription.position().get() >= target {
            reached = target;
            if progress.reached.fetch_add(1, Ordering::SeqCst) + 1 == progress.subscribers {
                progress.all.notify_one();
            }
        }
    }
}

fn request() -> Subscribe {
    Subscribe {
        topics: vec![topic()],
        after: After::Now,
        snapshot: false,
        user: None,
        counted_as: &["bench"],
        address: None,
        limit_address: false,
        heartbeat: HeartbeatStyle::Comment,
        expires_at_ms: None,
    }
}

fn publication() -> Publication {
    Publication::new(
        [topic()],
        EventName::from_static("event"),
        "x".repeat(DATA_BYTES),
    )
}

fn topic() -> TopicName {
    TopicName::parse("notifications").unwrap()
}

/// The median of each part by itself.
fn median(costs: &[Cost]) -> Cost {
    let middle = |part: fn(&Cost) -> Duration| {
        let mut parts: Vec<_> = costs.iter().map(part).collect();
        parts.sort_unstable();
        parts[parts.len() / 2]
    };
    Cost {
        cpu: middle(|cost| cost.cpu),
        wall: middle(|cost| cost.wall),
    }
}

fn micros(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6)
}

/// What all threads of this process have computed so far.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn cpu_time() -> Duration {
    Duration::ZERO // no interface is available on all systems
}
