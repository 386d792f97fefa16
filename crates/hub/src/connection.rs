//! One open stream, as the registry and the operator see it.
//!
//! The stream's task owns the cursor and the socket; what others want of it (a heartbeat is due, an operator ends it)
//! they leave in its mailbox and wake it. One heartbeat and one ending fit in; the ending is final and wins.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

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
    /// In milliseconds since 1970.
    pub connected_at_ms: i64,
    last_activity_ms: AtomicI64,
    position: AtomicU64,
    mailbox: Mutex<Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    heartbeat: Option<Frame>,
    ending: Option<Ending>,
    waker: Option<Waker>,
}

/// What was left in the mailbox.
pub(crate) enum Mail {
    Heartbeat(Frame),
    Ending(Ending),
}

/// What is known of a stream when it opens.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) user: Option<UserId>,
    pub(crate) counted_as: &'static [&'static str],
    pub(crate) topics: Arc<[TopicName]>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) now_ms: i64,
}

impl Connection {
    pub(crate) fn new(serial: u64, opening: Opening) -> Self {
        Self {
            id: ConnectionId(rand::random()),
            serial,
            user: opening.user,
            counted_as: opening.counted_as,
            topics: opening.topics,
            address: opening.address,
            connected_at_ms: opening.now_ms,
            last_activity_ms: AtomicI64::new(opening.now_ms),
            position: AtomicU64::new(0),
            mailbox: Mutex::default(),
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

    /// Ends the stream: it sends `ending` between two whole frames and closes. The first ending stands.
    pub fn end(&self, ending: Ending) {
        self.leave(|mailbox| {
            mailbox.ending.get_or_insert(ending);
        });
    }

    pub(crate) fn heartbeat(&self, frame: Frame) {
        self.leave(|mailbox| mailbox.heartbeat = Some(frame));
    }

    pub(crate) fn sent(&self, now_ms: i64, position: Position) {
        self.last_activity_ms.fetch_max(now_ms, Ordering::Relaxed);
        self.position.store(position.get(), Ordering::Relaxed);
    }

    /// Takes the most urgent mail; pending if there is none, and then the task is woken when some comes.
    pub(crate) fn poll_mail(&self, cx: &mut Context<'_>) -> Poll<Mail> {
        let mut mailbox = self.mailbox.lock();
        if let Some(ending) = mailbox.ending {
            return Poll::Ready(Mail::Ending(ending));
        }
        if let Some(frame) = mailbox.heartbeat.take() {
            return Poll::Ready(Mail::Heartbeat(frame));
        }
        match &mut mailbox.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
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
