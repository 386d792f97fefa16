//! One open stream, as the registry and the operator see it.
//!
//! The stream's task owns the cursor and the socket; what others want of it (a heartbeat is due, an operator ends it)
//! they leave here and wake it. One heartbeat and one ending fit in; the ending is final and wins. A peer that reads
//! nothing can't be told anything, so beyond the ending there is the kill, which does not wait for the socket.
//!
//! There is one of these for each idle stream, so its size is asserted below. What nearly no stream needs is boxed.

mod id;
mod signals;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

pub use self::id::ConnectionId;
pub(crate) use self::signals::{Signals, Tick};
use crate::ring::{Mark, Ring, Seq};
use crate::tally::Ended;
use crate::user::UserId;
use crate::wheel::{HeartbeatStyle, Turn};
use crate::wording::Ending;

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
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// Whether anonymous streams from there are limited.
    address_counts: bool,
    /// In milliseconds since 1970.
    pub connected_at_ms: i64,
    /// The rings of the topics that it follows.
    rings: SmallVec<[Arc<Ring>; 2]>,
    last_activity_ms: AtomicI64,
    position: AtomicU64,
    /// Up to where it was sent what was handed out, plus one; 0 until it had caught up for the first time.
    seq: AtomicU64,
    /// Since which tick its socket takes nothing, plus one; 0 while it does.
    blocked: AtomicU32,
    signals: Arc<Signals>,
    state: Mutex<State>,
}

struct State {
    waker: Option<Waker>,
    rare: Option<Box<Rare>>,
    turn: Turn,
    heartbeat: Option<HeartbeatStyle>,
    killed: Option<Killed>,
    /// Whether everything that its opening takes has been done.
    opened: bool,
}

/// Why a stream is ended whatever is unwritten.
#[derive(Clone, Copy)]
enum Killed {
    /// Its peer takes nothing.
    Untaken,
    /// The server goes away.
    Abandoned,
}

#[derive(Default)]
struct Rare {
    ending: Option<(Ending, Tick)>,
    /// How else than by the waker the stream's carrier learns of a kill.
    on_kill: Option<Box<dyn FnOnce() + Send>>,
}

/// What was left for a stream's task.
pub(crate) enum Mail {
    Killed,
    Ending(Ending),
    Heartbeat(Frame),
}

/// What is known of a stream when it opens.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) user: Option<UserId>,
    pub(crate) counted_as: &'static [&'static str],
    pub(crate) rings: SmallVec<[Arc<Ring>; 2]>,
    pub(crate) address: Option<IpAddr>,
    /// Whether streams from there are limited.
    pub(crate) address_counts: bool,
    pub(crate) now_ms: i64,
}

impl Connection {
    pub(crate) fn new(serial: u64, opening: Opening, turn: Turn, signals: Arc<Signals>) -> Self {
        Self {
            id: ConnectionId::random(),
            serial,
            user: opening.user,
            counted_as: opening.counted_as,
            address: opening.address,
            address_counts: opening.address_counts,
            connected_at_ms: opening.now_ms,
            rings: opening.rings,
            last_activity_ms: AtomicI64::new(opening.now_ms),
            position: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            blocked: AtomicU32::new(0),
            signals,
            state: Mutex::new(State { waker: None, rare: None, turn, heartbeat: None, killed: None, opened: false }),
        }
    }

    pub(crate) fn rings(&self) -> &[Arc<Ring>] {
        &self.rings
    }

    /// The topics it follows.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.rings.iter().map(|ring| ring.topic())
    }

    /// How many bytes of its topics it has yet to be sent. A frame in several of its topics counts in each. `None` while it
    /// is still catching up with what it missed.
    pub fn lag_bytes(&self) -> Option<u64> {
        let after = self.seq.load(Ordering::Relaxed).checked_sub(1).map(Seq)?;
        Some(self.rings.iter().map(|ring| ring.bytes_after(after)).sum())
    }

    /// How many bytes of its topics that were shown by `until_ms` (in milliseconds since 1970) it has yet to be sent. `None`
    /// until it had caught up for the first time.
    pub(crate) fn overdue_bytes(&self, until_ms: i64) -> Option<u64> {
        let seq = self.seq.load(Ordering::Relaxed).checked_sub(1).map(Seq)?;
        let after = Mark { seq, position: self.position() };
        Some(self.rings.iter().map(|ring| ring.overdue_bytes(after, until_ms)).sum())
    }

    /// When something was last sent on it, in milliseconds since 1970.
    pub fn last_activity_ms(&self) -> i64 {
        self.last_activity_ms.load(Ordering::Relaxed)
    }

    /// Up to where it was sent the log.
    pub fn position(&self) -> Position {
        Position::new(self.position.load(Ordering::Relaxed))
    }

    /// Where streams from its address are limited: that address, or its [`network`].
    pub(crate) fn counted_address(&self) -> Option<IpAddr> {
        self.address.filter(|_| self.address_counts && self.user.is_none()).map(network)
    }

    /// Ends the stream: it sends `ending` between two whole frames and closes. The first ending stands. If the peer takes
    /// no bytes, the stream is killed a second later.
    pub fn end(self: &Arc<Self>, ending: Ending) {
        let now = self.signals.now();
        let mut news = false;
        self.leave(|state| {
            let rare = state.rare();
            news = rare.ending.is_none();
            rare.ending.get_or_insert((ending, now));
        });
        if news {
            self.signals.raise(self);
        }
    }

    /// Has `act` called when the stream is killed. For carriers whose socket is not written by the task that polls the
    /// stream; that task is woken anyway.
    pub fn on_kill(&self, act: impl FnOnce() + Send + 'static) {
        self.state.lock().rare().on_kill = Some(Box::new(act));
    }

    /// Lets go of what [`Connection::on_kill`] holds: it mostly holds the carrier, which holds this connection.
    pub(crate) fn closed(&self) {
        let on_kill = self.state.lock().rare.as_mut().and_then(|rare| rare.on_kill.take());
        drop(on_kill); // outside the lock: whatever it drops may have a lock of its own
    }

    /// Notes whether the socket took bytes, or refused them. A stream whose socket refuses for too long is killed.
    pub fn took_bytes(self: &Arc<Self>, took: bool) {
        if took {
            if self.blocked.load(Ordering::Relaxed) != 0 {
                self.blocked.store(0, Ordering::Relaxed);
            }
        } else if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.signals.now().0.saturating_add(1), Ordering::Relaxed);
            self.signals.raise(self);
        }
    }

    /// Notes that bytes were handed to a carrier that does not tell when they leave (HTTP/2, where a stream's window and not
    /// the socket holds them back), until [`Connection::took_bytes`] says that it asks for more. Raises no alarm, as this is
    /// said of every frame: the wheel sees it with the next heartbeat.
    pub fn handed_over(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.signals.now().0.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether what was handed to its carrier was not taken yet.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed) != 0
    }

    /// Since when the socket takes nothing.
    pub(crate) fn blocked_since(&self) -> Option<Tick> {
        self.blocked.load(Ordering::Relaxed).checked_sub(1).map(Tick)
    }

    /// Since when it is to end.
    pub(crate) fn ending_since(&self) -> Option<Tick> {
        self.state.lock().rare.as_ref()?.ending.map(|(_, since)| since)
    }

    /// How it ends, if it ends now. The first that said so stands.
    pub(crate) fn ended(&self) -> Ended {
        let state = self.state.lock();
        match (state.rare.as_ref().and_then(|rare| rare.ending), state.killed) {
            (Some((ending, _)), _) => Ended::Said(ending.cause),
            (None, Some(Killed::Untaken)) => Ended::Untaken,
            (None, Some(Killed::Abandoned)) => Ended::Killed,
            (None, None) => Ended::Left,
        }
    }

    /// Everything that its opening takes has been done.
    pub(crate) fn set_opened(&self) {
        self.state.lock().opened = true;
    }

    pub(crate) fn was_opened(&self) -> bool {
        self.state.lock().opened
    }

    /// Ends the stream whatever is unwritten, because the server goes away.
    pub fn kill(&self) {
        self.kill_for(Killed::Abandoned);
    }

    /// Ends the stream whatever is unwritten, because its peer takes nothing.
    pub(crate) fn give_up(&self) {
        self.kill_for(Killed::Untaken);
    }

    fn kill_for(&self, why: Killed) {
        let mut on_kill = None;
        self.leave(|state| {
            state.killed.get_or_insert(why);
            on_kill = state.rare.as_mut().and_then(|rare| rare.on_kill.take());
        });
        if let Some(act) = on_kill {
            act();
        }
    }

    /// Has the stream say that it is alive.
    pub(crate) fn heartbeat(&self, style: HeartbeatStyle) {
        self.leave(|state| state.heartbeat = Some(style));
    }

    /// Its place on the wheel, which only the wheel changes.
    pub(crate) fn turn<T>(&self, look: impl FnOnce(&mut Turn) -> T) -> T {
        look(&mut self.state.lock().turn)
    }

    pub(crate) fn sent(&self, now_ms: i64, position: Position) {
        // Only the stream's own task says so, one at a time: no need of a read-modify-write.
        if self.last_activity_ms.load(Ordering::Relaxed) < now_ms {
            self.last_activity_ms.store(now_ms, Ordering::Relaxed);
        }
        self.position.store(position.get(), Ordering::Relaxed);
    }

    /// It has read everything there was; from now on being behind is its own doing.
    pub(crate) fn caught_up(&self, seq: Seq) {
        self.seq.store(seq.0 + 1, Ordering::Relaxed);
    }

    /// Whether it has caught up once.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.seq.load(Ordering::Relaxed) > 0
    }

    /// Takes the most urgent mail; pending if there is none, and then the task is woken when some comes.
    pub(crate) fn poll_mail(&self, cx: &mut Context<'_>) -> Poll<Mail> {
        let mut state = self.state.lock();
        if state.killed.is_some() {
            return Poll::Ready(Mail::Killed);
        }
        if let Some((ending, _)) = state.rare.as_ref().and_then(|rare| rare.ending) {
            return Poll::Ready(Mail::Ending(ending));
        }
        match state.heartbeat.take() {
            Some(HeartbeatStyle::Event) => Poll::Ready(Mail::Heartbeat(self.signals.beat())),
            Some(HeartbeatStyle::Comment) => Poll::Ready(Mail::Heartbeat(Frame::comment())),
            None => {
                state.register(cx);
                Poll::Pending
            }
        }
    }

    /// Waits for a kill alone: what a stream does that is in the middle of a frame.
    pub(crate) fn poll_killed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.killed.is_some() {
            return Poll::Ready(());
        }
        state.register(cx);
        Poll::Pending
    }

    /// Wakes whoever carries the stream, without mail: there is something else for it to look at.
    pub fn wake(&self) {
        self.leave(|_| ());
    }

    fn leave(&self, mail: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state.lock();
            mail(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }
}

/// What counts as one address: of IPv6 the 64 bits that a provider gives to one customer, who has as many addresses as he
/// likes below them.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_costs_little() {
        // With the two counters of its `Arc`: 224 bytes, a size that allocators keep.
        assert!(size_of::<Connection>() <= 208, "{}", size_of::<Connection>());
    }
}
