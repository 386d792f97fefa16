//! Slow readers: when a stream whose peer takes no bytes is ended, and when it is killed.
//!
//! A stream whose socket takes no bytes is *slow* once too many bytes of its topics are unsent and
//! no longer new. It is then sent an ending. It is *stuck* if its socket refuses all bytes for the
//! write timeout, or does not take an ending in time. It is then killed, because nothing can be
//! sent to it any more. The timer wheel asks for both and acts on the answers.

use std::time::Duration;

use crate::connection::{Connection, Tick};

/// How long a socket may refuse the last event of a stream before the stream is killed.
const ENDING_GRACE: Duration = Duration::from_secs(1);

/// How long a socket that takes bytes may need for the last event before the stream is killed.
const MAX_ENDING: Duration = Duration::from_secs(10);

/// The time between two checks of how far behind a stream is whose socket takes no bytes.
const LAG_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The age from which unsent events count as lag, in milliseconds: a burst does not make a reader
/// slow.
const LAG_MIN_AGE_MS: i64 = 5_000;

/// The limits beyond which a reader is slow or stuck. They hold for all streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowReaders {
    /// How long a socket may take no bytes before its stream is killed.
    pub(crate) write_timeout: Duration,
    /// How many bytes of its topics that are older than [`LAG_MIN_AGE_MS`] may be unsent while a
    /// stream's socket takes no bytes.
    pub(crate) max_lag_bytes: u64,
}

impl SlowReaders {
    /// Returns when a stream has to be checked next; [`Tick::NEVER`] while its socket takes bytes
    /// and it is not ending.
    pub(crate) fn next_check(&self, connection: &Connection, now: Tick) -> Tick {
        if connection.ending_since().is_some() {
            return now.after(ENDING_GRACE);
        }
        match connection.blocked_since() {
            Some(since) => since
                .after(self.write_timeout)
                .min(now.after(LAG_CHECK_INTERVAL)),
            None => Tick::NEVER,
        }
    }

    /// Returns whether the stream has to be sent an ending because its socket takes no bytes and
    /// too much is unsent.
    pub(crate) fn is_slow(&self, connection: &Connection, now_ms: i64) -> bool {
        let blocked = connection.blocked_since();
        let overdue =
            blocked.and_then(|_| connection.overdue_bytes(now_ms.saturating_sub(LAG_MIN_AGE_MS)));
        overdue.is_some_and(|bytes| bytes > self.max_lag_bytes)
    }

    /// Returns whether the stream has to be killed because its socket takes no bytes, or takes them
    /// too slowly.
    pub(crate) fn is_stuck(&self, connection: &Connection, now: Tick) -> bool {
        let blocked = connection.blocked_since();
        match connection.ending_since() {
            Some(ending) => {
                blocked.is_some_and(|blocked| blocked.max(ending).after(ENDING_GRACE) <= now)
                    || ending.after(MAX_ENDING) <= now
            }
            None => blocked.is_some_and(|blocked| blocked.after(self.write_timeout) <= now),
        }
    }
}
