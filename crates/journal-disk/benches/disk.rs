//! Measures the log on disk beside the bare disk, in one run: `cargo bench -p
//! tidings-journal-disk`.
//!
//! Prints a table and judges nothing, because the figures depend on the machine. With arguments
//! (`-- singles "one topic" ceiling`) it measures only those parts. `JOURNAL_BENCH_DIR` names the
//! disk to measure (by default the system's temporary directory), and `JOURNAL_BENCH_EVENTS` the
//! number of events in the large log (1,000,000).

#![allow(clippy::print_stdout, reason = "it is what this program is for")]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that fails is to end, and to say where"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures for people"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a log that is open goes by the clock of the system too"
)]
#![allow(missing_docs, reason = "a program")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidings_journal::{Journal, Limit, Position, Record, Selector, TopicName};
use tidings_journal_disk::{Disk, Options, Sync};
use tokio::time::Instant;

/// The allocator that the server uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The data of one event in bytes: a quarter of a kilobyte, as in the figures of other stores.
const DATA_BYTES: usize = 256;
const SINGLES: usize = 2_000;

/// How many measurements of one kind are made in a row before as many of the other. If the disk is
/// busier for a while, both are affected.
const IN_A_ROW: usize = 100;

fn main() {
    // `cargo test --all-targets` runs this program too, without asking for the measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let base = std::env::var_os("JOURNAL_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let events = std::env::var("JOURNAL_BENCH_EVENTS")
        .ok()
        .map_or(1_000_000, |number| number.parse().unwrap());
    let dir = base.join(format!("journal-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|only| only == part);
    if wanted("singles") {
        singles(&dir).await;
        in_flight(&dir.join("in-flight")).await;
    }
    for (name, events, topics, in_both) in [
        // The time and memory for opening should be about the same for a tenth of the events.
        ("a tenth in one topic", events / 10, 1, false),
        ("one topic", events, 1, false),
        ("1,000 topics", events, 1_000, false),
        ("1,000 topics and one for all", events, 1_000, true),
    ] {
        if wanted(name) {
            large(
                &dir.join(name.replace(' ', "-")),
                name,
                events,
                topics,
                in_both,
            )
            .await;
        }
    }
    if wanted("many topics") {
        many_topics(&dir.join("many")).await;
    }
    if wanted("ceiling") {
        ceiling(&dir.join("ceiling")).await;
    }
    fs::remove_dir_all(&dir).unwrap();
}

/// Appends one event at a time, and compares that with what the bare disk needs for as many bytes.
async fn singles(dir: &Path) {
    let mut file = File::create(dir.join("bare")).unwrap();
    let log = open(&dir.join("single"), Sync::Always);
    let (mut bare, mut single) = (Vec::new(), Vec::new());
    for _ in 0..SINGLES / IN_A_ROW {
        for _ in 0..IN_A_ROW {
            let start = Instant::now();
            file.write_all(&[b'x'; DATA_BYTES]).unwrap();
            file.sync_data().unwrap();
            bare.push(start.elapsed());
        }
        for _ in 0..IN_A_ROW {
            let record = record("a", None);
            let start = Instant::now();
            log.append(vec![record].into()).await.unwrap();
            single.push(start.elapsed());
        }
    }
    let (bare, single) = (median(bare), median(single));
    row("fdatasync of 256 bytes appended, p50", &micros(bare));
    let ratio = single.as_secs_f64() / bare.as_secs_f64();
    row(
        "one event, synced, p50",
        &format!("{} ({ratio:.2} x)", micros(single)),
    );
}

/// 64 writers, each of which waits for its answer, as callers over HTTP do.
async fn in_flight(dir: &Path) {
    let log = Arc::new(open(dir, Sync::Always));
    let start = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let log = log.clone();
        writers.spawn(async move {
            let name = format!("w/{writer}");
            for _ in 0..1_000 {
                log.append(vec![record(&name, None)].into()).await.unwrap();
            }
        });
    }
    while writers.join_next().await.is_some() {}
    row(
        "64 writers, one event at a time, synced",
        &rate(64_000, start.elapsed()),
    );
}

async fn large(dir: &Path, name: &str, events: usize, topics: usize, in_both: bool) {
    println!("\n{events} events in {name}");
    let before = resident();
    let names: Vec<_> = (0..topics).map(|number| format!("room/{number}")).collect();
    let all = in_both.then_some("room");
    {
        let log = Arc::new(open(dir, Sync::Always));
        let pool: Vec<Vec<Record>> = (0..topics.max(1_000))
            .step_by(1_000)
            .map(|from| {
                (from..from + 1_000)
                    .map(|n| record(&names[n * 7 % topics], all))
                    .collect()
            })
            .collect();
        for (writers, share) in [(1, events / 4), (4, 3 * events / 4)] {
            let start = Instant::now();
            let mut appends = tokio::task::JoinSet::new();
            for writer in 0..writers {
                let (log, batch) = (log.clone(), pool[writer % pool.len()].clone());
                appends.spawn(async move {
                    for _ in 0..share / writers / 1_000 {
                        log.append(batch.clone().into()).await.unwrap();
                    }
                });
            }
            while appends.join_next().await.is_some() {}
            row(
                &format!("batches of 1,000, synced, {writers} in flight"),
                &rate(share, start.elapsed()),
            );
        }
        row(
            "memory while writing",
            &mebibytes(resident().saturating_sub(before)),
        );
        scan(&log, "one topic", &names[0]).await;
        if let Some(all) = all {
            scan(&log, "the one for all", all).await;
        }
    }
    let before = resident();
    let start = Instant::now();
    let log = open(dir, Sync::Always);
    row(
        "opening",
        &format!("{:.2} s", start.elapsed().as_secs_f64()),
    );
    scan(&log, "one topic", &names[0]).await;
    pages(&log, &names).await;
    row(
        "memory after opening and reading",
        &mebibytes(resident().saturating_sub(before)),
    );
    row(
        "on disk, of which data",
        &format!(
            "{}, {}",
            mebibytes(disk_bytes(dir)),
            mebibytes((events * DATA_BYTES) as u64)
        ),
    );
}

async fn many_topics(dir: &Path) {
    println!("\n100,000 topics with 3 events each");
    let before = resident();
    {
        let log = open(dir, Sync::Always);
        for batch in 0..300 {
            let records = (0..1_000).map(|n| {
                record(
                    &format!("notifications/user/{}", (batch * 1_000 + n) % 100_000),
                    None,
                )
            });
            log.append(records.collect::<Vec<_>>().into())
                .await
                .unwrap();
        }
    }
    row(
        "memory after writing and closing",
        &mebibytes(resident().saturating_sub(before)),
    );
    let before = resident();
    let start = Instant::now();
    let _log = open(dir, Sync::Always);
    row(
        "opening",
        &format!("{:.2} s", start.elapsed().as_secs_f64()),
    );
    row(
        "memory after opening",
        &mebibytes(resident().saturating_sub(before)),
    );
}

/// Writes ten times as much as may be kept on disk, all of it in two topics.
async fn ceiling(dir: &Path) {
    println!("\n2.5 GiB written below a ceiling of 256 MiB, in 1,000 topics and one for all");
    let mut options = Options::new(dir);
    options.retention.max_disk = 256 << 20;
    let log = Disk::open(options).unwrap();
    let (start, mut most, mut longest) = (Instant::now(), 0, Duration::ZERO);
    let events = (2_560 << 20) / (2 * DATA_BYTES);
    let names: Vec<_> = (0..1_000).map(|number| format!("room/{number}")).collect();
    let pool: Vec<_> = (0..1_000)
        .map(|n| record(&names[n], Some("room")))
        .collect();
    for batch in 0..events / 1_000 {
        let before = Instant::now();
        log.append(pool.clone().into()).await.unwrap();
        longest = longest.max(before.elapsed());
        if batch % 20 == 0 {
            most = most.max(disk_bytes(dir));
        }
    }
    row("batches of 1,000, synced", &rate(events, start.elapsed()));
    row("the most on disk", &mebibytes(most));
    row("the longest append", &format!("{} ms", longest.as_millis()));
}

async fn scan(log: &Disk, what: &str, topic: &str) {
    let selector = Selector::topics([TopicName::parse(topic).unwrap()]);
    let (start, mut after, mut found) = (Instant::now(), Position::START, 0);
    while after < log.head() {
        let page = log
            .read(
                &selector,
                after,
                log.head(),
                Limit {
                    events: 10_000,
                    bytes: 1 << 20,
                },
            )
            .await
            .unwrap();
        found += page.entries.len();
        after = page.next;
    }
    row(
        &format!("reading {what}, {found} events"),
        &rate(found, start.elapsed()),
    );
}

/// Reads the last 100 events of many topics, as many clients do when they reconnect.
async fn pages(log: &Disk, names: &[String]) {
    let (start, mut found) = (Instant::now(), 0);
    for number in 0..2_000 {
        let selector =
            Selector::topics([TopicName::parse(&names[number * 7 % names.len()]).unwrap()]);
        let after = Position::new(log.head().get().saturating_sub(100 * names.len() as u64));
        let page = log
            .read(
                &selector,
                after,
                log.head(),
                Limit {
                    events: 100,
                    bytes: 1 << 20,
                },
            )
            .await
            .unwrap();
        found += page.entries.len();
    }
    row(
        &format!("2,000 pages, {found} events"),
        &format!("{} each", micros(start.elapsed() / 2_000)),
    );
}

fn open(dir: &Path, sync: Sync) -> Disk {
    let mut options = Options::new(dir);
    options.sync = sync;
    Disk::open(options).unwrap()
}

fn record(topic: &str, other: Option<&str>) -> Record {
    let topics: Vec<_> = std::iter::once(topic)
        .chain(other)
        .map(|name| TopicName::parse(name).unwrap())
        .collect();
    // Random hexadecimal digits, which compress little.
    let digits =
        (0..DATA_BYTES).map(|_| b"0123456789abcdef"[usize::from(rand::random::<u8>()) % 16]);
    let data = digits.collect::<Vec<u8>>().into();
    // Published today, because what is older than the log keeps would be trimmed during the
    // measurement.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Record {
        topics: topics.into(),
        event: "message".into(),
        key: None,
        data,
        at_ms: now.as_millis() as i64,
        ends_key: false,
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(what: &str, figure: &str) {
    println!("{what:<48} {figure:>24}");
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

fn rate(number: usize, time: Duration) -> String {
    format!("{:.0} /s", number as f64 / time.as_secs_f64())
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Returns the memory of this process in bytes, or 0 if it can't be read.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or_default()
        << 10
}

/// Returns the size of a directory on disk. Files may vanish in the meantime.
fn disk_bytes(dir: &Path) -> u64 {
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
        Err(_) => 0,
    };
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(bytes)
        .sum()
}
