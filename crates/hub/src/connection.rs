//! One open stream, as the registry and the operator see it.
//!
//! The stream's task owns the cursor and the socket; what others want of it (a heartbeat is due, an operator ends it)
//! they leave in its mailbox and wake it. One heartbeat and one ending fit in; the ending is final and wins. A peer that
//! reads nothing can't be told anything, so beyond the ending there is the kill, which does not wait for the socket.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ring::Seq;
use crate::user::UserId;
use crate::wording::Ending;

/// 128 random bits that name a connection. Who holds it may act on the connection, so it is told to its own client and
/// to admins only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u128);

/// An open stream.
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Its number in the order of opening.
    pub serial: u64,
    /// Whose it is; `None` for an anonymous visitor.
    pub user: Option<UserId>,
    /// The names under which it is counted.
    pub counted_as: &'static [&'static str],
    /// The topics it follows.
    pub topics: Arc<[TopicName]>,
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// The same, if the streams from there are limited.
    pub(crate) counted_address: Option<IpAddr>,
    /// In milliseconds since 1970.
    pub connected_at_ms: i64,
    last_activity_ms: AtomicI64,
    position: AtomicU64,
    /// Up to where it was sent what was handed out, plus one; 0 until it had caught up for the first time.
    seq: AtomicU64,
    opened: Instant,
    /// Since when its socket takes nothing, in milliseconds since it was opened, plus one; 0 while it does.
    blocked: AtomicU64,
    mailbox: Mutex<Mailbox>,
    alarm: Arc<Alarm>,
}

#[derive(Default)]
struct Mailbox {
    heartbeat: Option<Frame>,
    ending: Option<(Ending, Instant)>,
    killed: bool,
    /// How else than by the waker the stream's carrier learns of a kill.
    on_kill: Option<Box<dyn FnOnce() + Send>>,
    waker: Option<Waker>,
}

/// The streams whose time may be nearer than the wheel thinks.
#[derive(Default)]
pub(crate) struct Alarm {
    serials: Mutex<Vec<u64>>,
    raised: Notify,
}

/// What was left in the mailbox.
pub(crate) enum Mail {
    Killed,
    Ending(Ending),
    Heartbeat(Frame),
}

/// What is known of a stream when it opens.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) user: Option<UserId>,
    pub(crate) counted_as: &'static [&'static str],
    pub(crate) topics: Arc<[TopicName]>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) counted_address: Option<IpAddr>,
    pub(crate) now_ms: i64,
}

impl Connection {
    pub(crate) fn new(serial: u64, opening: Opening, alarm: Arc<Alarm>) -> Self {
        Self {
            id: ConnectionId(rand::random()),
            serial,
            user: opening.user,
            counted_as: opening.counted_as,
            topics: opening.topics,
            address: opening.address,
            counted_address: opening.counted_address,
            connected_at_ms: opening.now_ms,
            last_activity_ms: AtomicI64::new(opening.now_ms),
            position: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            opened: Instant::now(),
            blocked: AtomicU64::new(0),
            mailbox: Mutex::default(),
            alarm,
        }
    }

    /// When something was last sent on it, in milliseconds since 1970.
    pub fn last_activity_ms(&self) -> i64 {
        self.last_activity_ms.load(Ordering::Relaxed)
    }

    /// Up to where it was sent the log.
    pub fn position(&self) -> Position {
        Position::new(self.position.load(Ordering::Relaxed))
    }

    /// Ends the stream: it sends `ending` between two whole frames and closes. The first ending stands. If the peer takes
    /// no bytes, the stream is killed a second later.
    pub fn end(&self, ending: Ending) {
        self.leave(|mailbox| {
            mailbox.ending.get_or_insert_with(|| (ending, Instant::now()));
        });
        self.alarm.raise(self.serial);
    }

    /// Has `act` called when the stream is killed. For carriers whose socket is not written by the task that polls the
    /// stream; that task is woken anyway.
    pub fn on_kill(&self, act: impl FnOnce() + Send + 'static) {
        self.mailbox.lock().on_kill = Some(Box::new(act));
    }

    /// Lets go of what [`Connection::on_kill`] holds: it mostly holds the carrier, which holds this connection.
    pub(crate) fn closed(&self) {
        let on_kill = self.mailbox.lock().on_kill.take();
        drop(on_kill); // outside the lock: whatever it drops may have a lock of its own
    }

    /// Notes whether the socket took bytes, or refused them. A stream whose socket refuses for too long is killed.
    pub fn took_bytes(&self, took: bool) {
        if took {
            if self.blocked.load(Ordering::Relaxed) != 0 {
                self.blocked.store(0, Ordering::Relaxed);
            }
        } else if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.blocked_now(), Ordering::Relaxed);
            self.alarm.raise(self.serial);
        }
    }

    /// Notes that bytes were handed to a carrier that does not tell when they leave (HTTP/2, where a stream's window and not
    /// the socket holds them back), until [`Connection::took_bytes`] says that it asks for more. Raises no alarm, as this is
    /// said of every frame: the wheel sees it with the next heartbeat.
    pub fn handed_over(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.blocked_now(), Ordering::Relaxed);
        }
    }

    /// Since when the socket takes nothing.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        let since = self.blocked.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.opened + Duration::from_millis(since))
    }

    fn blocked_now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).map_or(u64::MAX, |since| since.saturating_add(1))
    }

    /// Since when it is to end.
    pub(crate) fn ending_since(&self) -> Option<Instant> {
        self.mailbox.lock().ending.map(|(_, since)| since)
    }

    /// Ends the stream whatever is unwritten.
    pub fn kill(&self) {
        let mut on_kill = None;
        self.leave(|mailbox| {
            mailbox.killed = true;
            on_kill = mailbox.on_kill.take();
        });
        if let Some(act) = on_kill {
            act();
        }
    }

    pub(crate) fn heartbeat(&self, frame: Frame) {
        self.leave(|mailbox| mailbox.heartbeat = Some(frame));
    }

    pub(crate) fn sent(&self, now_ms: i64, position: Position) {
        self.last_activity_ms.fetch_max(now_ms, Ordering::Relaxed);
        self.position.store(position.get(), Ordering::Relaxed);
    }

    /// It has read everything there was; from now on being behind is its own doing.
    pub(crate) fn caught_up(&self, seq: Seq) {
        self.seq.store(seq.0 + 1, Ordering::Relaxed);
    }

    /// Up to where it read; `None` while it is still catching up.
    pub(crate) fn read_up_to(&self) -> Option<Seq> {
        self.seq.load(Ordering::Relaxed).checked_sub(1).map(Seq)
    }

    /// Takes the most urgent mail; pending if there is none, and then the task is woken when some comes.
    pub(crate) fn poll_mail(&self, cx: &mut Context<'_>) -> Poll<Mail> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.killed {
            return Poll::Ready(Mail::Killed);
        }
        if let Some((ending, _)) = mailbox.ending {
            return Poll::Ready(Mail::Ending(ending));
        }
        if let Some(frame) = mailbox.heartbeat.take() {
            return Poll::Ready(Mail::Heartbeat(frame));
        }
        mailbox.register(cx);
        Poll::Pending
    }

    /// Waits for a kill alone: what a stream does that is in the middle of a frame.
    pub(crate) fn poll_killed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.killed {
            return Poll::Ready(());
        }
        mailbox.register(cx);
        Poll::Pending
    }

    fn leave(&self, mail: impl FnOnce(&mut Mailbox)) {
        let waker = {
            let mut mailbox = self.mailbox.lock();
            mail(&mut mailbox);
            mailbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Mailbox {
    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }
}

impl Alarm {
    fn raise(&self, serial: u64) {
        self.serials.lock().push(serial);
        self.raised.notify_one();
    }

    /// Waits until somebody raised it.
    pub(crate) async fn raised(&self) {
        self.raised.notified().await;
    }

    /// Whose time is to be looked at anew.
    pub(crate) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.serials.lock())
    }
}

impl ConnectionId {
    /// Reads an id as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("conn_")?;
        let canonical = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(digits, 16).ok().filter(|_| canonical).map(Self)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn_{:032x}", self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        let id = ConnectionId(rand::random());
        assert_eq!(ConnectionId::parse(&id.to_string()), Some(id));
        for text in ["", "conn_", "conn_+0000000000000000000000000000001", &id.to_string().to_uppercase()] {
            assert_eq!(ConnectionId::parse(text), None, "{text:?}");
        }
    }
}
