//! The errors of building and running a server.

use jiff::Timestamp;
use tidings_edge::cors;
use tidings_journal_disk as disk;

use super::descriptors::TooFewDescriptors;
use super::journal;
use crate::lifecycle::unfinished::Unfinished;
use tidings_net::listen;

/// Why a server can't be built, or why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket can't be opened.
    #[error(transparent)]
    Listen(#[from] listen::Error),
    /// The origins in the settings are invalid.
    #[error("CORS_ORIGIN: {0}")]
    Cors(#[from] cors::Error),
    /// The system refused an operation.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The clock shows a time at which neither the log nor tokens work.
    #[error(
        "the system's clock says {0}, which is before 1970 or after 9999; set the clock and start \
         again"
    )]
    Clock(Timestamp),
    /// The limit of open files is too low.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The log can't be opened.
    #[error("{0}{advice}", advice = journal::advice(.0))]
    Open(#[from] disk::OpenError),
    /// The log can't be read any more, so nothing can be delivered.
    #[error("the journal failed: {0}")]
    Journal(tidings_journal::Error),
    /// The task that delivers events to the streams has panicked.
    #[error(
        "the task that delivers events has panicked, so nothing is delivered any more; see the log"
    )]
    Runner,
    /// Streams or calls were left when the time for the shutdown was over.
    #[error("SHUTDOWN_TIMEOUT is over; unfinished: {0}")]
    Unfinished(Unfinished),
}
