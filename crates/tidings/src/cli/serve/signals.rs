//! What the system tells the process: to stop, and to stop at once.
//!
//! Owns the signals, and the last word on how long the end may take. All of it is on a thread of its own, which waits for
//! nothing that the server's threads wait for: a stop must hold however stuck these are.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::telemetry;

/// How much longer than `SHUTDOWN_TIMEOUT` the server has to end by itself, before it is ended.
const GRACE: Duration = Duration::from_secs(1);

/// Listens from now on. What is returned is cancelled by the first signal to stop; the second one ends the process, and so does
/// the end of `shutdown_timeout`, whoever asked for the end.
pub(super) fn listen(shutdown_timeout: Duration, server: Handle) -> io::Result<CancellationToken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals::new()?
    };
    let stop = CancellationToken::new();
    let (told, begun) = (stop.clone(), stop.clone());
    let listen = async move {
        let told_twice = async {
            signals.stop().await;
            tracing::info!("stopping; once more ends at once");
            told.cancel();
            signals.stop().await;
            tracing::warn!("ended at once");
            exit(130)
        };
        let too_late = async {
            tokio::select! {
                () = begun.cancelled() => {}
                () = server.drained_by_call() => {}
            }
            tokio::time::sleep(shutdown_timeout.saturating_add(GRACE)).await;
            tracing::error!("SHUTDOWN_TIMEOUT is over, and the server did not end by itself");
            exit(1)
        };
        tokio::select! {
            never = told_twice => never,
            never = too_late => never,
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || match runtime.block_on(listen) {})?;
    Ok(stop)
}

/// Ends the process, whatever its other threads are doing.
fn exit(code: i32) -> Infallible {
    telemetry::flush();
    std::process::exit(code)
}

/// The signals that the process takes.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// Comes with a write beyond the largest size of a file (`ulimit -f`), as that of the log may be; unless somebody takes it,
    /// it ends the process.
    _file_too_large: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-c is all there is elsewhere.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn stop(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
