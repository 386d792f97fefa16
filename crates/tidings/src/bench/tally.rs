//! What the streams of a run brought: which are open, what came, and how long it took.
//!
//! Owns the one buffer that all streams are read into: ten thousand idle ones have none of their own.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::clock::SteadyClock;
use super::marker::{Finder, MAX_REST, Rest};

/// How much is read at once, in bytes. A server that is behind writes much at once.
const READ: usize = 256 * 1024;

/// Latencies are told from 1 µs to an hour, to three digits.
const LATENCY: (u64, u64, u8) = (1, 3_600_000_000, 3);

/// How Tidings refuses a stream of a client that can read no status: an event, with a 200 before it.
const BUSY: &[u8] = b"event: busy";

/// What the streams brought.
pub(super) struct Tally {
    clock: SteadyClock,
    finder: Finder,
    /// Begins with room for what a stream left over from its last bytes.
    buffer: Box<[u8]>,
    /// Times before this are of another run.
    since: u64,
    open: Vec<bool>,
    pub(super) opened: usize,
    /// Open streams that have said nothing yet.
    pub(super) silent: usize,
    pub(super) refused: Misses,
    pub(super) failed: Misses,
    /// Streams that were open, and that the server ended.
    pub(super) ended: usize,
    /// How many events of this run came.
    pub(super) got: u64,
    /// How many bytes came since publishing began.
    pub(super) bytes: u64,
    /// When the last of them came; as [`SteadyClock::now`].
    pub(super) last: u64,
    pub(super) latencies: Histogram<u64>,
}

/// An open stream: as much as each of them keeps.
pub(super) struct Stream {
    pub(super) number: usize,
    pub(super) socket: TcpStream,
    pub(super) rest: Rest,
    /// Nothing came yet behind the head.
    pub(super) fresh: bool,
}

/// How often something came to nothing, and why the first time.
#[derive(Default)]
pub(super) struct Misses {
    pub(super) count: usize,
    pub(super) first: Option<String>,
}

impl Misses {
    pub(super) fn add(&mut self, why: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(why);
    }
}

impl Tally {
    pub(super) fn new(clock: SteadyClock, connections: usize) -> anyhow::Result<Self> {
        Ok(Self {
            clock,
            finder: Finder::new(),
            buffer: vec![0; MAX_REST + READ].into_boxed_slice(),
            since: u64::MAX,
            open: vec![false; connections],
            opened: 0,
            silent: 0,
            refused: Misses::default(),
            failed: Misses::default(),
            ended: 0,
            got: 0,
            bytes: 0,
            last: 0,
            latencies: Histogram::new_with_bounds(LATENCY.0, LATENCY.1, LATENCY.2)?,
        })
    }

    /// The stream `number` is open. `first` is what came behind the head of its answer.
    pub(super) fn open(&mut self, number: usize, first: &[u8]) {
        self.open[number] = true;
        self.opened += 1;
        let length = first.len().min(READ);
        self.buffer[MAX_REST..MAX_REST + length].copy_from_slice(&first[..length]);
        self.silent += usize::from(length == 0);
        self.look_for_refusal(number, MAX_REST..MAX_REST + length);
    }

    /// This stream is over.
    pub(super) fn end(&mut self, stream: &Stream) {
        self.silent -= usize::from(stream.fresh);
        if std::mem::take(&mut self.open[stream.number]) {
            self.opened -= 1;
            self.ended += 1;
        }
    }

    /// How many streams there should be.
    pub(super) fn wanted(&self) -> usize {
        self.open.len()
    }

    /// How many streams are open of each of so many groups, which they are dealt to in turn.
    pub(super) fn groups(&self, groups: u64) -> Vec<u64> {
        let size = usize::try_from(groups).unwrap_or(usize::MAX).min(self.open.len()).max(1);
        let mut open = vec![0; size];
        for (number, _) in self.open.iter().enumerate().filter(|(_, open)| **open) {
            open[number % size] += 1;
        }
        open
    }

    /// From now on what comes is counted.
    pub(super) fn begin(&mut self) -> u64 {
        self.since = self.clock.now();
        self.last = self.since;
        self.since
    }

    /// Reads what there is; ready when the stream is over.
    pub(super) fn poll_read(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
        let Stream { socket, rest, number, fresh } = stream;
        loop {
            let start = MAX_REST - rest.bytes().len();
            self.buffer[start..MAX_REST].copy_from_slice(rest.bytes());
            let mut room = ReadBuf::new(&mut self.buffer[MAX_REST..]);
            // Not `try_read`, which has to be told by the system each time that nothing is left.
            let read = ready!(Pin::new(&mut *socket).poll_read(cx, &mut room));
            let length = room.filled().len();
            if read.is_err() || length == 0 {
                return Poll::Ready(());
            }
            if std::mem::take(fresh) {
                self.silent -= 1;
                self.look_for_refusal(*number, MAX_REST..MAX_REST + length);
            }
            self.count(start..MAX_REST + length, rest);
        }
    }

    fn count(&mut self, filled: Range<usize>, rest: &mut Rest) {
        if self.since == u64::MAX {
            return;
        }
        self.bytes += (filled.end - MAX_REST) as u64;
        let Self { clock, finder, buffer, since, got, latencies, .. } = self;
        let now = clock.now();
        let before = *got;
        finder.scan(&buffer[filled], rest, |time| {
            if (*since..=now).contains(&time) {
                latencies.saturating_record((now - time) / 1_000);
                *got += 1;
            }
        });
        if *got > before {
            self.last = now;
        }
    }

    /// What a stream says first may be that it is none.
    fn look_for_refusal(&mut self, number: usize, first: Range<usize>) {
        let first = &self.buffer[first];
        let Some(at) = memmem::find(first, BUSY) else { return };
        if std::mem::take(&mut self.open[number]) {
            self.opened -= 1;
        }
        self.refused.add(|| {
            let block = String::from_utf8_lossy(&first[at..]);
            let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
            format!("busy {data}")
        });
    }
}
