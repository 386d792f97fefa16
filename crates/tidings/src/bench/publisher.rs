//! Publishes at a rate, or as fast as answers arrive, on one connection that is kept alive.
//!
//! It runs on its own thread, so that the time of a publish does not depend on the number of
//! streams that have something to read.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::answer;
use super::clock::SteadyClock;
use super::request::Request;
use super::tally::FailureCount;
use super::template::Values;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How much later than planned publishes may be sent. If the server answers so slowly that they
/// would be later, they are omitted.
const MAX_LATENESS: Duration = Duration::from_secs(1);

/// The number of connections in a row that may be lost without an answer on any of them.
const MAX_LOST_CONNECTIONS: u32 = 3;

/// How many streams a publish should reach.
pub(super) enum Audience {
    /// This number of streams.
    Fixed(u64),
    /// The publishes are for each user or room in turn, which have these numbers of streams.
    InTurn(Vec<u64>),
}

/// What is published, and how.
pub(super) struct Work {
    pub(super) request: Request,
    pub(super) target: SocketAddr,
    /// Publishes per second; `None` means as fast as answers arrive.
    pub(super) rate: Option<f64>,
    pub(super) duration: Duration,
    /// The largest number of publishes without an answer.
    pub(super) pipeline: usize,
    /// The numbers of users and rooms.
    pub(super) groups: (u64, u64),
    pub(super) audience: Audience,
    pub(super) clock: SteadyClock,
}

/// The counts of the publishes so far.
#[derive(Default)]
pub(super) struct Published {
    pub(super) sent: AtomicU64,
    /// The number of deliveries that the accepted publishes should cause.
    pub(super) wanted: AtomicU64,
    /// The refused publishes, and those without an answer.
    pub(super) failed: Mutex<FailureCount>,
    /// The time from the first publish to the last answer, in nanoseconds.
    pub(super) nanos: AtomicU64,
}

/// The publisher and its connection.
struct Publisher {
    work: Work,
    published: Arc<Published>,
    socket: Option<TcpStream>,
    start: Instant,
    /// The number of the next new publish.
    next: u64,
    /// The numbers of the publishes without an answer.
    in_flight: VecDeque<u64>,
    /// The numbers of publishes to send again. The server certainly did not handle them, because it
    /// closed the connection after the answer to an earlier one.
    again: Vec<u64>,
    /// The bytes to write.
    out: Vec<u8>,
    /// The bytes that were read, without the answers that were taken.
    answers: Vec<u8>,
    /// The number of connections in a row that were lost without an answer.
    losses: u32,
}

/// Starts the thread that publishes. The returned receiver resolves when everything is published or
/// `stop` is cancelled, and with an error if the server stops answering.
pub(super) fn start(
    work: Work,
    published: Arc<Published>,
    stop: CancellationToken,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<()>>> {
    let (done, result) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("publisher".to_owned())
        .spawn(move || {
            let run = async {
                let mut publisher = Publisher::new(work, published).await?;
                stop.run_until_cancelled(publisher.run())
                    .await
                    .unwrap_or(Ok(()))
            };
            let _ = done.send(runtime.block_on(run)); // the receiver is gone if the run was interrupted
        })?;
    Ok(result)
}

impl Audience {
    fn of(&self, number: u64) -> u64 {
        match self {
            Self::Fixed(streams) => *streams,
            Self::InTurn(streams) => {
                usize::try_from(number % streams.len() as u64).map_or(0, |group| streams[group])
            }
        }
    }
}

impl Publisher {
    async fn new(work: Work, published: Arc<Published>) -> anyhow::Result<Self> {
        Ok(Self {
            socket: Some(connect(work.target).await?),
            work,
            published,
            start: Instant::now(),
            next: 0,
            in_flight: VecDeque::new(),
            again: Vec::new(),
            out: Vec::new(),
            answers: Vec::with_capacity(64 * 1024),
            losses: 0,
        })
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let due = self.fill();
            if self.in_flight.is_empty() && due.is_none() {
                return Ok(());
            }
            if !self.out.is_empty() && !self.write().await? {
                self.lose()?;
                continue;
            }
            let waits = !self.in_flight.is_empty();
            let wakes = due.filter(|_| self.in_flight.len() < self.work.pipeline);
            tokio::select! {
                ended = read(&mut self.socket, &mut self.answers) => {
                    if self.take_answers(ended)? || ended {
                        self.lose()?;
                    }
                }
                () = sleep_until(wakes.unwrap_or_else(far)), if wakes.is_some() => {}
                () = sleep_until(far()), if waits => bail!("no answer to a publish within 30 s"),
            }
        }
    }

    /// Sends the bytes in `out`, on a new connection if there is none. Returns `false` if the
    /// connection broke.
    async fn write(&mut self) -> anyhow::Result<bool> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(self.work.target).await?),
        };
        let written = timeout(ANSWER_TIMEOUT, socket.write_all(&self.out)).await;
        Ok(written
            .context("the server read no publish for 30 s")?
            .is_ok())
    }

    /// Writes the publishes that are due to `out`. Returns the time of the next one, or `None` if
    /// that was the last.
    fn fill(&mut self) -> Option<Instant> {
        self.out.clear();
        loop {
            let (next, now) = (self.next_due(), Instant::now());
            if self.in_flight.len() == self.work.pipeline || next.is_none_or(|due| due > now) {
                return next;
            }
            let number = self.again.pop().unwrap_or_else(|| {
                self.next += 1;
                self.published.sent.fetch_add(1, Relaxed);
                self.next - 1
            });
            let (users, rooms) = self.work.groups;
            let time = self.work.clock.now();
            self.work.request.write(
                &mut self.out,
                &Values {
                    number,
                    user: number % users,
                    room: number % rooms,
                    time,
                },
            );
            self.in_flight.push_back(number);
        }
    }

    /// Returns the time of the next publish, or `None` if the run is over.
    fn next_due(&self) -> Option<Instant> {
        let Work { rate, duration, .. } = self.work;
        if !self.again.is_empty() {
            return Some(self.start);
        }
        let after = match rate {
            #[expect(
                clippy::cast_precision_loss,
                reason = "2^53 publishes are never reached"
            )]
            Some(rate) => {
                Duration::try_from_secs_f64(self.next as f64 / rate).unwrap_or(Duration::MAX)
            }
            None => self.start.elapsed(),
        };
        let late = self.start.elapsed().saturating_sub(MAX_LATENESS);
        (after.max(late) < duration).then(|| self.start + after)
    }

    /// Takes the complete answers from the bytes that were read. Returns whether the last of them
    /// closes the connection.
    fn take_answers(&mut self, ended: bool) -> anyhow::Result<bool> {
        let mut taken = 0;
        let mut closes = false;
        while let (false, Some(answer)) = (
            closes || self.in_flight.is_empty(),
            answer::read(&self.answers[taken..], ended)?,
        ) {
            taken += answer.length;
            closes = answer.closes;
            self.losses = 0;
            let Some(number) = self.in_flight.pop_front() else {
                break;
            };
            if answer.status.is_success() {
                self.published
                    .wanted
                    .fetch_add(self.work.audience.of(number), Relaxed);
            } else {
                self.published.failed.lock().add(|| answer.refusal());
            }
        }
        self.answers.drain(..taken);
        if self.in_flight.is_empty() {
            self.answers.clear(); // such as a 408 on an idle connection
        }
        if taken > 0 {
            self.published
                .nanos
                .store(u64::try_from(self.start.elapsed().as_nanos())?, Relaxed);
        }
        if closes {
            self.again.extend(self.in_flight.drain(..).rev());
        }
        Ok(closes)
    }

    /// Drops the connection. Publishes without an answer count as failed: the server may have
    /// accepted them, so they are not sent again.
    fn lose(&mut self) -> anyhow::Result<()> {
        self.socket = None;
        self.answers.clear();
        if self.in_flight.is_empty() {
            return Ok(()); // it was idle, or the server had announced its end
        }
        let mut failed = self.published.failed.lock();
        self.in_flight
            .drain(..)
            .for_each(|_| failed.add(|| "the connection was closed before the answer".to_owned()));
        self.losses += 1;
        if self.losses > MAX_LOST_CONNECTIONS {
            bail!("the server closes each connection without answering a publish");
        }
        Ok(())
    }
}

/// Reads more bytes. Returns `true` if no more will arrive. Never resolves without a connection.
async fn read(socket: &mut Option<TcpStream>, answers: &mut Vec<u8>) -> bool {
    match socket {
        Some(socket) => !matches!(socket.read_buf(answers).await, Ok(1..)),
        None => std::future::pending().await,
    }
}

async fn connect(target: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpStream::connect(target)
        .await
        .context("no connection to publish on")?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn far() -> Instant {
    Instant::now() + ANSWER_TIMEOUT
}
