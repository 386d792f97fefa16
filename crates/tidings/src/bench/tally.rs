//! The counts of a run: the open streams, the deliveries, and their latencies.
//!
//! Owns the one buffer into which all streams are read, so that ten thousand idle streams need no
//! buffers of their own.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::clock::SteadyClock;
use super::marker::{Finder, MAX_REST, Rest};

/// The size of the read buffer, in bytes. A server that is behind with its deliveries writes many
/// bytes at once.
const READ_BYTES: usize = 256 * 1024;

/// The range of latencies, from 1 µs to an hour, and their precision of three digits.
const LATENCY: (u64, u64, u8) = (1, 3_600_000_000, 3);

/// The beginning of the event by which Tidings refuses a stream; the status is 200, because a
/// browser's client can't see another one.
const BUSY: &[u8] = b"event: busy";

/// The counts of all streams.
pub(super) struct Tally {
    clock: SteadyClock,
    finder: Finder,
    /// The first [`MAX_REST`] bytes are for what the previous read of the stream left unparsed.
    buffer: Box<[u8]>,
    /// When publishing began. Earlier marked times belong to an earlier run.
    since: u64,
    /// Whether each stream is open.
    open: Vec<bool>,
    pub(super) opened: usize,
    /// The number of open streams that have not sent anything yet.
    pub(super) silent: usize,
    pub(super) refused: FailureCount,
    pub(super) failed: FailureCount,
    /// The number of streams that were open, and that the server ended.
    pub(super) ended: usize,
    /// The number of events of this run that arrived.
    pub(super) got: u64,
    /// The number of bytes that arrived since publishing began.
    pub(super) bytes: u64,
    /// When the last event arrived; a value of [`SteadyClock::now`].
    pub(super) last: u64,
    pub(super) latencies: Histogram<u64>,
}

/// An open stream: all that is kept for it.
pub(super) struct Stream {
    pub(super) number: usize,
    pub(super) socket: TcpStream,
    pub(super) rest: Rest,
    /// Whether nothing has arrived yet after the head.
    pub(super) fresh: bool,
}

/// The number of failed attempts, and the reason of the first failure.
#[derive(Default)]
pub(super) struct FailureCount {
    pub(super) count: usize,
    pub(super) first: Option<String>,
}

impl FailureCount {
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
            buffer: vec![0; MAX_REST + READ_BYTES].into_boxed_slice(),
            since: u64::MAX,
            open: vec![false; connections],
            opened: 0,
            silent: 0,
            refused: FailureCount::default(),
            failed: FailureCount::default(),
            ended: 0,
            got: 0,
            bytes: 0,
            last: 0,
            latencies: Histogram::new_with_bounds(LATENCY.0, LATENCY.1, LATENCY.2)?,
        })
    }

    /// Counts the stream `number` as open. `first` holds the bytes after the head of its answer.
    pub(super) fn open(&mut self, number: usize, first: &[u8]) {
        self.open[number] = true;
        self.opened += 1;
        let length = first.len().min(READ_BYTES);
        self.buffer[MAX_REST..MAX_REST + length].copy_from_slice(&first[..length]);
        self.silent += usize::from(length == 0);
        self.look_for_refusal(number, MAX_REST..MAX_REST + length);
    }

    /// Counts a stream as ended.
    pub(super) fn end(&mut self, stream: &Stream) {
        self.silent -= usize::from(stream.fresh);
        if std::mem::take(&mut self.open[stream.number]) {
            self.opened -= 1;
            self.ended += 1;
        }
    }

    /// Returns how many streams there should be.
    pub(super) fn wanted(&self) -> usize {
        self.open.len()
    }

    /// Divides the streams among `groups` groups in turn, and returns how many are open in each
    /// group.
    pub(super) fn groups(&self, groups: u64) -> Vec<u64> {
        let size = usize::try_from(groups)
            .unwrap_or(usize::MAX)
            .min(self.open.len())
            .max(1);
        let mut open = vec![0; size];
        for (number, _) in self.open.iter().enumerate().filter(|(_, open)| **open) {
            open[number % size] += 1;
        }
        open
    }

    /// Starts to count deliveries. Returns the time.
    pub(super) fn begin(&mut self) -> u64 {
        self.since = self.clock.now();
        self.last = self.since;
        self.since
    }

    /// Reads the available bytes. Resolves when the stream has ended.
    pub(super) fn poll_read(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
        let Stream {
            socket,
            rest,
            number,
            fresh,
        } = stream;
        loop {
            let start = MAX_REST - rest.bytes().len();
            self.buffer[start..MAX_REST].copy_from_slice(rest.bytes());
            let mut room = ReadBuf::new(&mut self.buffer[MAX_REST..]);
            // Not `try_read`, which needs an extra system call to learn that nothing is left.
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
        let Self {
            clock,
            finder,
            buffer,
            since,
            got,
            latencies,
            ..
        } = self;
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

    /// Checks whether the first event of a stream is a refusal.
    fn look_for_refusal(&mut self, number: usize, first: Range<usize>) {
        let first = &self.buffer[first];
        let Some(at) = memmem::find(first, BUSY) else {
            return;
        };
        if std::mem::take(&mut self.open[number]) {
            self.opened -= 1;
        }
        self.refused.add(|| {
            let block = String::from_utf8_lossy(&first[at..]);
            let data = block
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .unwrap_or_default();
            format!("busy {data}")
        });
    }
}
