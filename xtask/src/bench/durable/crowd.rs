//! A crowd that comes back at once after a restart, each of whom missed a hundred events, and those who meanwhile go on.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::contender::{Access, Contender, Endpoints};
use super::super::load::{Load, Report};
use super::super::running::Running;
use super::publishers::{self, Calls};
use super::{Bound, Extent, Goal, Log, Section, Sheet, directory, start};

pub(super) const NAME: &str = "durable-return";

const CLIENTS: usize = 10_000;
const ROOMS: usize = 100;
/// What each missed.
const MESSAGES: usize = 100;
/// How many connects may be without a head at once: more, and it is the listener's queue that is measured.
const UNDER_WAY: usize = 512;
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
const MIB: f64 = 1_048_576.0;

const USUAL: &str = "1,000 others alone";
const ALONE: &str = "10,000 come back";
const BOTH: &str = "10,000 come back, 1,000 others";
const TIME: &str = "all caught up, s";
const MEMORY: &str = "memory above idle, MiB";
const RATIO: &str = "p99 ÷ usual";

pub(super) async fn measure(extent: Extent) -> Result<Section> {
    let goal = |said, row, column, bound| Goal { said, row, column, bound };
    let mut sheet = Sheet {
        case: NAME,
        title: "10,000 clients come back after a restart",
        about: "100 rooms with 100 messages each are in the log on disk; the server is started anew, and 100 clients of each room \
                come back with an id from before all of them, 512 connects under way. Caught up is who has all 100. The 1,000 \
                others follow notifications, 50 a second for as long as the crowd needs; latency counts from just before a \
                publish is sent, and so holds the disk's time. Both loads share one core, the server has the other. Memory is \
                the most that the server has (PSS), less what it had before.",
        columns: vec![(TIME, 2), (MEMORY, 1), ("p50, ms", 1), ("p99, ms", 1), (RATIO, 2)],
        rows: Vec::new(),
        goals: vec![
            goal(
                "10,000 clients that each missed 100 events caught up in less than 10 s",
                BOTH,
                TIME,
                Bound::AtMost(10.0),
            ),
            goal("meanwhile at most 100 MiB above idle", BOTH, MEMORY, Bound::AtMost(100.0)),
            goal("live delivery to 1,000 others meanwhile at most 2 × its usual p99", BOTH, RATIO, Bound::AtMost(2.0)),
        ],
    };
    raise_descriptors()?;
    let clients = if extent.quick { 1_000 } else { CLIENTS };
    for round in 1..=extent.rounds {
        eprintln!("bench: {NAME}, round {round} of {}", extent.rounds);
        let data = directory()?;
        let disk = || Log::Disk(data.path(), "always");
        let cursor = {
            let server = start(disk()).await?;
            let first = publishers::run(&server, 1, Calls::ToRooms { rooms: 1, messages: 1 }).await?;
            publishers::run(&server, 64, Calls::ToRooms { rooms: ROOMS, messages: MESSAGES }).await?;
            first.last
        };

        let server = start(disk()).await?;
        let alone = come_back(&server, clients, &cursor).await?;
        sheet.note(ALONE, &[Some(alone.seconds), Some(alone.memory / MIB), None, None, None]);
        drop(server);

        let (seconds, load) =
            (alone.seconds.max(1.0), Load { connections: 1_000, rate: 50, pipeline: 4, ..Load::default() });
        let load = Load { duration: Duration::from_secs_f64(seconds), ..load };
        let ms = |micros: Option<f64>| Some(micros? / 1_000.0);
        let server = start(disk()).await?;
        let to = Contender::Tidings.endpoints(server.port(), Access::Demo)?;
        let usual = others(&load, &to, &server).await?.latency_micros;
        sheet.note(USUAL, &[None, None, ms(usual.p50), ms(usual.p99), Some(1.0)]);
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
        sheet.note(BOTH, &[crowd[0], crowd[1], ms(found.p50), ms(found.p99), ratio]);
    }
    sheet.finish(extent.rounds)
}

async fn others(load: &Load, to: &Endpoints, server: &Running) -> Result<Report> {
    load.run(Contender::Tidings, Access::Demo, to, &server.pids()?).await
}

/// How a crowd came back.
struct Returned {
    /// Until the last of them had everything.
    seconds: f64,
    /// The most memory of the server above what it had before, in bytes.
    memory: f64,
}

async fn come_back(server: &Running, clients: usize, cursor: &str) -> Result<Returned> {
    let token = Contender::Tidings.endpoints(server.port(), Access::Demo)?.token.context("Tidings asks for a token")?;
    let pid = *server.pids()?.first().context("the server has a process")?;
    let (idle, start, gate) = (memory(pid)?, Instant::now(), Arc::new(Semaphore::new(UNDER_WAY)));
    let mut crowd = JoinSet::new();
    for nth in 0..clients {
        let head = format!(
            "GET /chat/room/r{}/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
             Authorization: Bearer {token}\r\nLast-Event-ID: {cursor}\r\n\r\n",
            nth % ROOMS
        );
        crowd.spawn(client(server.port(), head, gate.clone()));
    }
    let (mut most, mut looks, mut sockets) = (idle, interval(LOOK), Vec::with_capacity(clients));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let everybody = async {
        loop {
            tokio::select! {
                done = crowd.join_next() => match done {
                    Some(socket) => sockets.push(socket??),
                    None => return Ok::<_, anyhow::Error>(start.elapsed()),
                },
                _ = looks.tick() => most = most.max(memory(pid)?),
            }
        }
    };
    let took = timeout(PATIENCE, everybody).await.context("some of the crowd never caught up")??;
    most = most.max(memory(pid)?); // all are still open
    ensure!(sockets.len() == clients, "some of the crowd got lost");
    Ok(Returned { seconds: took.as_secs_f64(), memory: most - idle })
}

/// Reads its stream until it has everything that it missed. Returns the stream, which stays open.
async fn client(port: u16, head: String, gate: Arc<Semaphore>) -> Result<TcpStream> {
    let permit = gate.acquire().await?;
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::with_capacity(8 << 10);
    let (mut permit, mut seen) = (Some(permit), 0);
    // One message more than was missed stands in the first room: the one that the id is of comes before all of them.
    while seen < MESSAGES {
        ensure!(socket.read_buf(&mut bytes).await? > 0, "the server closed a stream of the crowd");
        if permit.take().is_some() {
            ensure!(bytes.starts_with(b"HTTP/1.1 200"), "refused: {}", String::from_utf8_lossy(&bytes));
        }
        seen += take_messages(&mut bytes);
    }
    ensure!(seen == MESSAGES, "{seen} messages came to one who missed {MESSAGES}");
    Ok(socket)
}

/// Counts the events in `bytes` and leaves what may be the beginning of the next.
fn take_messages(bytes: &mut Vec<u8>) -> usize {
    const NAME: &[u8] = b"event: chat-message\n";
    let (mut from, mut count) = (0, 0);
    while let Some(at) = bytes[from..].windows(NAME.len()).position(|window| window == NAME) {
        from += at + NAME.len();
        count += 1;
    }
    let rest = from.max(bytes.len().saturating_sub(NAME.len() - 1));
    bytes.drain(..rest);
    count
}

/// Waits until so many streams are open.
async fn until_open(server: &Running, streams: u64) -> Result<()> {
    let ask = async {
        loop {
            let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).await?;
            socket.write_all(b"GET /system/stats HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            let open = answer
                .split_once(r#""totalConnections":"#)
                .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
            if open.is_some_and(|open| open >= streams) {
                return Ok::<_, anyhow::Error>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, ask).await.context("the others did not come")?
}

/// A process's share of memory (PSS), in bytes.
#[expect(clippy::cast_precision_loss, reason = "shown in MiB with one decimal")]
fn memory(pid: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().split(' ').next()?.parse::<u64>().ok());
    Ok(kib.context("smaps_rollup has no Pss")? as f64 * 1_024.0)
}

fn raise_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_once_however_the_bytes_come() {
        let text = b"event: chat-message\nid: a-1\ndata: 1\n\nevent: chat-message\nid: a-2\ndata: 2\n\n";
        for cut in 0..text.len() {
            let mut bytes = text[..cut].to_vec();
            let before = take_messages(&mut bytes);
            bytes.extend(&text[cut..]);
            assert_eq!(before + take_messages(&mut bytes), 2, "cut at {cut}");
        }
    }
}
