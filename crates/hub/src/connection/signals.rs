//! What all connections of a hub share: the clock of the timer wheel, the heartbeat that was
//! encoded last, and the alarm by which a connection asks the wheel to look at its times again.

use std::sync::Arc;

use parking_lot::Mutex;
use tidings_sse::Frame;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::timer_entry::{TICK, Tick};

/// What all connections `C` of a hub share.
pub(crate) struct Signals<C> {
    started: Instant,
    /// The heartbeat event of the wheel's latest turn: encoded once for all streams.
    heartbeat: Mutex<Frame>,
    /// The connections that may be due sooner than the wheel knows.
    alarmed: Mutex<Vec<Arc<C>>>,
    raised: Notify,
}

impl<C> Signals<C> {
    pub(crate) fn new() -> Self {
        let heartbeat = Mutex::new(Frame::comment());
        Self {
            started: Instant::now(),
            heartbeat,
            alarmed: Mutex::default(),
            raised: Notify::new(),
        }
    }

    /// Returns the current tick.
    pub(crate) fn now(&self) -> Tick {
        let ticks = self.started.elapsed().as_nanos() / TICK.as_nanos();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Returns when `tick` begins.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.started + TICK * tick.0
    }

    pub(crate) fn set_heartbeat(&self, frame: Frame) {
        *self.heartbeat.lock() = frame;
    }

    pub(super) fn heartbeat(&self) -> Frame {
        self.heartbeat.lock().clone()
    }

    /// Raises the alarm, so that the wheel looks at the times of `connection` again.
    pub(super) fn raise(&self, connection: &Arc<C>) {
        self.alarmed.lock().push(connection.clone());
        self.raised.notify_one();
    }

    /// Waits until a connection has raised the alarm.
    pub(crate) async fn raised(&self) {
        self.raised.notified().await;
    }

    /// Takes the connections that have raised the alarm since the last call.
    pub(crate) fn take_raised(&self) -> Vec<Arc<C>> {
        std::mem::take(&mut *self.alarmed.lock())
    }
}
