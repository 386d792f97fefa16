//! One open stream, as the registry and an operator see it.
//!
//! The stream's task owns the cursor and the socket. Others leave here, as a control message, what
//! they want of the stream, and wake its task: a heartbeat is due, or an operator ends the stream.
//! There is a slot for one heartbeat and one for an ending; an ending is final and goes first. A
//! peer that reads nothing can't be sent an ending, so a stream can also be killed, which does not
//! wait for the socket.
//!
//! Every idle stream has one of these, so its size is asserted below. Fields that few streams need
//! are boxed.

mod id;
mod signals;
mod timer_entry;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tidings_journal::{Position, TopicName};
use tidings_sse::Frame;

pub use self::id::ConnectionId;
pub use self::timer_entry::HeartbeatStyle;
pub(crate) use self::timer_entry::{Schedule, Tick, TimerEntry};
use crate::ring::{Mark, Ring, Seq};
use crate::stream_totals::Ended;
use crate::user::UserId;
use crate::wording::Ending;

/// What all connections of a hub share.
pub(crate) type Signals = signals::Signals<Connection>;

/// An open stream.
pub struct Connection {
    /// The id of the stream.
    pub id: ConnectionId,
    /// The number of the stream in the order of opening.
    pub serial: u64,
    /// The user it belongs to; `None` for an anonymous visitor.
    pub user: Option<UserId>,
    /// The kinds under which it is counted.
    pub counted_as: &'static [&'static str],
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// Whether the number of anonymous streams from that address is limited.
    address_counts: bool,
    /// When it was opened, in milliseconds since 1970.
    pub connected_at_ms: i64,
    /// The rings of the topics that it follows.
    rings: SmallVec<[Arc<Ring>; 2]>,
    last_activity_ms: AtomicI64,
    position: AtomicU64,
    /// The place up to which it was sent everything, plus one; 0 until it has caught up for the
    /// first time.
    seq: AtomicU64,
    /// The tick since which its socket has taken no bytes, plus one; 0 while the socket takes them.
    blocked: AtomicU32,
    signals: Arc<Signals>,
    state: Mutex<State>,
}

struct State {
    waker: Option<Waker>,
    rare: Option<Box<Rare>>,
    timer: TimerEntry,
    heartbeat: Option<HeartbeatStyle>,
    killed: Option<KillReason>,
    /// Whether the stream has been opened in full.
    opened: bool,
}

/// Why a stream was killed.
#[derive(Clone, Copy)]
enum KillReason {
    /// Its peer takes no bytes.
    WriteTimeout,
    /// The server stops.
    Shutdown,
}

/// What few streams have.
#[derive(Default)]
struct Rare {
    /// The ending that the stream has to send, and since when.
    ending: Option<(Ending, Tick)>,
    /// Called when the stream is killed, see [`Connection::on_kill`].
    on_kill: Option<Box<dyn FnOnce() + Send>>,
}

/// What the hub wants of a stream's task.
pub(crate) enum ControlMessage {
    /// Close the connection, even if bytes are unwritten.
    Kill,
    /// Send this ending, then close.
    End(Ending),
    /// Send this heartbeat.
    Heartbeat(Frame),
}

/// What is known of a stream when it opens.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) user: Option<UserId>,
    pub(crate) counted_as: &'static [&'static str],
    pub(crate) rings: SmallVec<[Arc<Ring>; 2]>,
    pub(crate) address: Option<IpAddr>,
    /// Whether the number of anonymous streams from that address is limited.
    pub(crate) address_counts: bool,
    pub(crate) now_ms: i64,
}

impl Connection {
    pub(crate) fn new(
        serial: u64,
        opening: Opening,
        timer: TimerEntry,
        signals: Arc<Signals>,
    ) -> Self {
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
            state: Mutex::new(State {
                waker: None,
                rare: None,
                timer,
                heartbeat: None,
                killed: None,
                opened: false,
            }),
        }
    }

    pub(crate) fn rings(&self) -> &[Arc<Ring>] {
        &self.rings
    }

    /// Returns the topics that the stream follows.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.rings.iter().map(|ring| ring.topic())
    }

    /// Returns how many bytes of the stream's topics have yet to be sent. A frame that stands in
    /// several of its topics counts in each. `None` while the stream is catching up with what it
    /// missed.
    pub fn lag_bytes(&self) -> Option<u64> {
        let after = self.seq.load(Ordering::Relaxed).checked_sub(1).map(Seq)?;
        Some(self.rings.iter().map(|ring| ring.bytes_after(after)).sum())
    }

    /// Returns how many bytes of the stream's topics that were shown by `until_ms` (in milliseconds
    /// since 1970) have yet to be sent. `None` until the stream has caught up for the first time.
    pub(crate) fn overdue_bytes(&self, until_ms: i64) -> Option<u64> {
        let seq = self.seq.load(Ordering::Relaxed).checked_sub(1).map(Seq)?;
        let after = Mark {
            seq,
            position: self.position(),
        };
        Some(
            self.rings
                .iter()
                .map(|ring| ring.overdue_bytes(after, until_ms))
                .sum(),
        )
    }

    /// Returns when something was last sent on the stream, in milliseconds since 1970.
    pub fn last_activity_ms(&self) -> i64 {
        self.last_activity_ms.load(Ordering::Relaxed)
    }

    /// Returns the position up to which the stream was sent the log's events.
    pub fn position(&self) -> Position {
        Position::new(self.position.load(Ordering::Relaxed))
    }

    /// Returns the address or [`network`] under which the stream is counted; `None` if it has a
    /// user, or if streams from its address are not limited.
    pub(crate) fn counted_address(&self) -> Option<IpAddr> {
        self.address
            .filter(|_| self.address_counts && self.user.is_none())
            .map(network)
    }

    /// Ends the stream: it sends `ending` between two whole frames, and closes. Only the first
    /// ending counts. If the peer takes no bytes, the stream is killed a second later.
    pub fn end(self: &Arc<Self>, ending: Ending) {
        let now = self.signals.now();
        let mut is_first = false;
        self.notify(|state| {
            let rare = state.rare();
            is_first = rare.ending.is_none();
            rare.ending.get_or_insert((ending, now));
        });
        if is_first {
            self.signals.raise(self);
        }
    }

    /// Calls `act` when the stream is killed. Carriers need this if the task that polls the stream
    /// is not the one that writes the socket. The polling task is woken in any case.
    pub fn on_kill(&self, act: impl FnOnce() + Send + 'static) {
        self.state.lock().rare().on_kill = Some(Box::new(act));
    }

    /// Drops the closure of [`Connection::on_kill`]. The closure usually holds the carrier, which
    /// holds this connection.
    pub(crate) fn drop_on_kill(&self) {
        let on_kill = self
            .state
            .lock()
            .rare
            .as_mut()
            .and_then(|rare| rare.on_kill.take());
        drop(on_kill); // outside of the lock, as dropping it may take another lock
    }

    /// Notes whether the socket took bytes or refused them. A stream whose socket refuses bytes for
    /// the write timeout is killed.
    pub fn took_bytes(self: &Arc<Self>, took: bool) {
        if took {
            if self.blocked.load(Ordering::Relaxed) != 0 {
                self.blocked.store(0, Ordering::Relaxed);
            }
        } else if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked
                .store(self.signals.now().0.saturating_add(1), Ordering::Relaxed);
            self.signals.raise(self);
        }
    }

    /// Notes that bytes were handed to a carrier that does not tell when they leave. Over HTTP/2,
    /// for example, the stream's window holds them back and not the socket. The stream counts as
    /// blocked until [`Connection::took_bytes`] says that the carrier asks for more. Raises no
    /// alarm, because this is called for every frame; the timer wheel sees it at the next
    /// heartbeat.
    pub fn handed_over(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked
                .store(self.signals.now().0.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Returns whether the carrier has bytes that it could not pass on yet.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed) != 0
    }

    /// Returns since when the socket has taken no bytes; `None` while it takes them.
    pub(crate) fn blocked_since(&self) -> Option<Tick> {
        self.blocked
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .map(Tick)
    }

    /// Returns since when the stream is to end; `None` if nothing has ended it.
    pub(crate) fn ending_since(&self) -> Option<Tick> {
        self.state
            .lock()
            .rare
            .as_ref()?
            .ending
            .map(|(_, since)| since)
    }

    /// Returns how the stream has ended, given that it ends now. An ending takes precedence over
    /// the kill that followed it.
    pub(crate) fn ended(&self) -> Ended {
        let state = self.state.lock();
        match (
            state.rare.as_ref().and_then(|rare| rare.ending),
            state.killed,
        ) {
            (Some((ending, _)), _) => Ended::EndingSent(ending.cause),
            (None, Some(KillReason::WriteTimeout)) => Ended::WriteTimeout,
            (None, Some(KillReason::Shutdown)) => Ended::Killed,
            (None, None) => Ended::ClientLeft,
        }
    }

    /// Notes that the stream has been opened in full.
    pub(crate) fn set_opened(&self) {
        self.state.lock().opened = true;
    }

    pub(crate) fn was_opened(&self) -> bool {
        self.state.lock().opened
    }

    /// Closes the stream even if bytes are unwritten, because the server stops.
    pub fn kill(&self) {
        self.kill_for(KillReason::Shutdown);
    }

    /// Closes the stream even if bytes are unwritten, because its peer takes none.
    pub(crate) fn time_out(&self) {
        self.kill_for(KillReason::WriteTimeout);
    }

    fn kill_for(&self, reason: KillReason) {
        let mut on_kill = None;
        self.notify(|state| {
            state.killed.get_or_insert(reason);
            on_kill = state.rare.as_mut().and_then(|rare| rare.on_kill.take());
        });
        if let Some(act) = on_kill {
            act();
        }
    }

    /// Has the stream send a heartbeat.
    pub(crate) fn heartbeat(&self, style: HeartbeatStyle) {
        self.notify(|state| state.heartbeat = Some(style));
    }

    /// Calls `look` with the stream's entry in the timer wheel. Only the wheel may change the
    /// entry.
    pub(crate) fn timer<T>(&self, look: impl FnOnce(&mut TimerEntry) -> T) -> T {
        look(&mut self.state.lock().timer)
    }

    /// Notes that something was sent now, and that everything up to `position` has been sent.
    pub(crate) fn sent(&self, now_ms: i64, position: Position) {
        // Only the stream's own task calls this, so it needs no read-modify-write.
        if self.last_activity_ms.load(Ordering::Relaxed) < now_ms {
            self.last_activity_ms.store(now_ms, Ordering::Relaxed);
        }
        self.position.store(position.get(), Ordering::Relaxed);
    }

    /// Notes that the stream was sent everything up to `seq`. From the first call on, it counts as
    /// slow if it falls behind.
    pub(crate) fn caught_up(&self, seq: Seq) {
        self.seq.store(seq.0 + 1, Ordering::Relaxed);
    }

    /// Returns whether the stream has caught up at least once.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.seq.load(Ordering::Relaxed) > 0
    }

    /// Takes the most urgent control message. Pending if there is none; the task is woken when one
    /// comes.
    pub(crate) fn poll_control(&self, cx: &mut Context<'_>) -> Poll<ControlMessage> {
        let mut state = self.state.lock();
        if state.killed.is_some() {
            return Poll::Ready(ControlMessage::Kill);
        }
        if let Some((ending, _)) = state.rare.as_ref().and_then(|rare| rare.ending) {
            return Poll::Ready(ControlMessage::End(ending));
        }
        match state.heartbeat.take() {
            Some(HeartbeatStyle::Event) => {
                Poll::Ready(ControlMessage::Heartbeat(self.signals.heartbeat()))
            }
            Some(HeartbeatStyle::Comment) => {
                Poll::Ready(ControlMessage::Heartbeat(Frame::comment()))
            }
            None => {
                state.register(cx);
                Poll::Pending
            }
        }
    }

    /// Waits until the stream is killed. For a task that is in the middle of a frame and can do
    /// nothing else.
    pub(crate) fn poll_killed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.killed.is_some() {
            return Poll::Ready(());
        }
        state.register(cx);
        Poll::Pending
    }

    /// Wakes the stream's task without a control message.
    pub fn wake(&self) {
        self.notify(|_| ());
    }

    /// Changes the state, and wakes the stream's task after the lock is released.
    fn notify(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state.lock();
            change(&mut state);
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

/// Returns what counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address,
/// because providers give a customer all addresses that begin with the same 64 bits.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_an_idle_stream_stays_small() {
        // With the two counters of its `Arc`: 224 bytes, which is a size class of common
        // allocators.
        assert!(
            size_of::<Connection>() <= 208,
            "{}",
            size_of::<Connection>()
        );
    }
}
