//! A crowd that reconnects at once after a restart, while other clients follow live events. Each
//! client of the crowd has missed a hundred events.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::contender::{Access, Contender, Endpoints};
use super::super::load::{Load, Report};
use super::super::running::Running;
use super::{Bound, Extent, Goal, Log, Section, Sheet, directory, load, start};

pub(super) const NAME: &str = "durable-return";

const CLIENTS: usize = 10_000;
const ROOMS: usize = 100;
/// The number of events that each client has missed.
const MESSAGES: usize = 100;
/// The minimum number of rounds. The other clients receive some sixty events in each round, so
/// their p99 is the latency of the slowest one, and a single stall of the disk determines it. Fewer
/// rounds say nothing about a server.
const MIN_ROUNDS: u32 = 5;
const TIMEOUT: Duration = Duration::from_mins(1);
/// The interval between two readings of the memory.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const MIB: f64 = 1_048_576.0;

const USUAL: &str = "1,000 others alone";
const ALONE: &str = "10,000 come back";
const BOTH: &str = "10,000 come back, 1,000 others";
const TIME: &str = "all caught up, s";
const MEMORY: &str = "memory above idle, MiB";
const RATIO: &str = "p99 ÷ usual";

pub(super) async fn measure(extent: Extent) -> Result<Section> {
    let goal = |text, row, column, bound| Goal {
        text,
        row,
        column,
        bound,
    };
    let mut sheet = Sheet {
        case: NAME,
        title: "10,000 clients come back after a restart",
        about: "The log on disk has 100 rooms with 100 messages each. The server is restarted, \
                and 100 clients of each room reconnect with an id before all of them, 512 at a \
                time. A client has caught up when it has received all 100. The 1,000 others \
                follow notifications, 50 a second for as long as the crowd needs; latency is \
                measured from just before a publish is sent, so it includes the time of the disk. \
                The p99 of about sixty events is the slowest of them, so there are at least five \
                rounds. Both loads share one core, and the server has the other. Memory is the \
                maximum of the server (RSS), minus its memory before.",
        columns: vec![
            (TIME, 2),
            (MEMORY, 1),
            ("p50, ms", 1),
            ("p99, ms", 1),
            (RATIO, 2),
        ],
        rows: Vec::new(),
        goals: vec![
            goal(
                "10,000 clients that each missed 100 events caught up in less than 10 s",
                BOTH,
                TIME,
                Bound::AtMost(10.0),
            ),
            goal(
                "meanwhile at most 100 MiB above idle",
                BOTH,
                MEMORY,
                Bound::AtMost(100.0),
            ),
            goal(
                "live delivery to 1,000 others meanwhile at most 2 × its usual p99",
                BOTH,
                RATIO,
                Bound::AtMost(2.0),
            ),
        ],
    };
    let (clients, rounds) = if extent.quick {
        (1_000, extent.rounds)
    } else {
        (CLIENTS, extent.rounds.max(MIN_ROUNDS))
    };
    for round in 1..=rounds {
        eprintln!("bench: {NAME}, round {round} of {rounds}");
        let data = directory()?;
        let disk = || Log::Disk(data.path(), "always");
        let cursor = {
            let server = start(disk()).await?;
            let first = load::fill(&server, 1, 1, 1).await?;
            load::fill(&server, 64, ROOMS, MESSAGES).await?;
            first.last
        };

        let server = start(disk()).await?;
        let alone = come_back(&server, clients, &cursor).await?;
        sheet.note(
            ALONE,
            &[
                Some(alone.seconds),
                Some(alone.memory / MIB),
                None,
                None,
                None,
            ],
        );
        drop(server);

        let (seconds, load) = (
            alone.seconds.max(1.0),
            Load {
                connections: 1_000,
                rate: 50,
                pipeline: 4,
                ..Load::default()
            },
        );
        let load = Load {
            duration: Duration::from_secs_f64(seconds),
            ..load
        };
        let ms = |micros: Option<f64>| Some(micros? / 1_000.0);
        let server = start(disk()).await?;
        let to = Contender::Tidings.endpoints(server.port(), Access::Demo)?;
        let usual = others(&load, &to, &server).await?.latency_micros;
        sheet.note(
            USUAL,
            &[None, None, ms(usual.p50), ms(usual.p99), Some(1.0)],
        );
        drop(server);

        let server = start(disk()).await?;
        let to = Contender::Tidings.endpoints(server.port(), Access::Demo)?;
        let crowd = async {
            until_open(&server, 1_000).await?;
            come_back(&server, clients, &cursor).await
        };
        let (report, crowd) = tokio::try_join!(others(&load, &to, &server), crowd)?;
        let found = report.latency_micros;
        let ratio = found.p99.zip(usual.p99).map(|(own, usual)| own / usual);
        let crowd = [Some(crowd.seconds), Some(crowd.memory / MIB)];
        sheet.note(
            BOTH,
            &[crowd[0], crowd[1], ms(found.p50), ms(found.p99), ratio],
        );
    }
    sheet.finish(rounds)
}

async fn others(load: &Load, to: &Endpoints, server: &Running) -> Result<Report> {
    load.run(Contender::Tidings, Access::Demo, to, &server.pids()?)
        .await
}

/// How a crowd reconnected: the time in seconds, and the maximum memory of the server above its
/// memory before, in bytes.
struct Returned {
    seconds: f64,
    memory: f64,
}

async fn come_back(server: &Running, clients: usize, cursor: &str) -> Result<Returned> {
    let pid = load::pid(server)?;
    let idle = load::memory(pid)?;
    let (mut most, mut ticks) = (idle, interval(POLL_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut crowd = Box::pin(load::come_back(server, clients, (ROOMS, MESSAGES), cursor));
    loop {
        tokio::select! {
            returned = &mut crowd => return Ok(Returned { seconds: returned?.seconds, memory: most - idle }),
            _ = ticks.tick() => most = most.max(load::memory(pid)?),
        }
    }
}

/// Waits until at least `streams` streams are open.
async fn until_open(server: &Running, streams: u64) -> Result<()> {
    let ask = async {
        loop {
            let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).await?;
            socket
                .write_all(b"GET /system/stats HTTP/1.0\r\nHost: localhost\r\n\r\n")
                .await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            let open = answer
                .split_once(r#""totalConnections":"#)
                .and_then(|(_, rest)| {
                    rest.split(|c: char| !c.is_ascii_digit())
                        .next()?
                        .parse::<u64>()
                        .ok()
                });
            if open.is_some_and(|open| open >= streams) {
                return Ok::<_, anyhow::Error>(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    timeout(TIMEOUT, ask)
        .await
        .context("the other streams did not open")?
}
