//! What all connections of a hub share: the time they count in, the heartbeat that is due, and the alarm by which they
//! call the wheel.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_sse::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Connection;

/// How finely streams' times are kept. Coarse, so that many streams are served in one turn of the wheel; a stream's times
/// are then 4 bytes each, which last for six years of uptime.
const TICK: Duration = Duration::from_millis(50);

/// A moment, in units of 50 ms since the hub was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u32);

/// What all connections of a hub share.
pub(crate) struct Signals {
    started: Instant,
    /// The heartbeat of the wheel's latest turn: encoded once, whoever takes it.
    beat: Mutex<Frame>,
    /// The connections whose time may be nearer than the wheel thinks.
    called: Mutex<Vec<Arc<Connection>>>,
    raised: Notify,
}

impl Tick {
    pub(crate) const NEVER: Self = Self(u32::MAX);

    /// The one after it.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// This much later, rounded up.
    pub(crate) fn after(self, time: Duration) -> Self {
        let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
        Self(u32::try_from(ticks).map_or(u32::MAX, |ticks| self.0.saturating_add(ticks)))
    }
}

impl Signals {
    pub(crate) fn new() -> Self {
        let beat = Mutex::new(Frame::comment());
        Self { started: Instant::now(), beat, called: Mutex::default(), raised: Notify::new() }
    }

    /// The moment that is.
    pub(crate) fn now(&self) -> Tick {
        let ticks = self.started.elapsed().as_nanos() / TICK.as_nanos();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// When `tick` begins.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.started + TICK * tick.0
    }

    pub(crate) fn set_beat(&self, frame: Frame) {
        *self.beat.lock() = frame;
    }

    pub(super) fn beat(&self) -> Frame {
        self.beat.lock().clone()
    }

    /// Has the wheel look at a connection's times anew.
    pub(super) fn raise(&self, connection: &Arc<Connection>) {
        self.called.lock().push(connection.clone());
        self.raised.notify_one();
    }

    /// Waits until somebody raised the alarm.
    pub(crate) async fn raised(&self) {
        self.raised.notified().await;
    }

    /// Whose times are to be looked at anew.
    pub(crate) fn take_raised(&self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut *self.called.lock())
    }
}
