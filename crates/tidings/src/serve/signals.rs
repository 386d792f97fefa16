//! What the system tells the process: to stop, to stop at once, to reload its settings.
//!
//! Owns the signals, and the limit on how long the end may take. All of it runs on a thread of its
//! own that waits for nothing the server's threads wait for: a stop must work however stuck they
//! are.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tidings_server::Handle;
use tokio::runtime::Runtime;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How much longer than `SHUTDOWN_TIMEOUT` the server may take before the process is ended.
const GRACE: Duration = Duration::from_secs(1);

/// The signal handlers that are installed before anything else is done. Opening a large log takes a
/// while, and a SIGHUP meanwhile, from log rotation or after a change of the settings, would end
/// the process: it is kept for [`listen`]. A signal to stop is not taken this early, because it
/// rightly ends a process that serves nobody yet; only in the first process of a container does the
/// system ignore it, and there `stops` ends the process.
pub(super) struct Early {
    runtime: Runtime,
    terminals: Terminals,
    signals: EarlySignals,
    stops: Option<DropGuard>,
}

impl Early {
    pub(super) fn take() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _context = runtime.enter();
            EarlySignals::new()?
        };
        let stops = if is_first_process() { Some(end_when_told()?) } else { None };
        Ok(Self { runtime, terminals: Terminals::of_now(), signals, stops })
    }
}

/// Handles signals from now on. The first signal to stop cancels the token that is returned; the
/// second one ends the process, and so does the end of `shutdown_timeout`, however the end was
/// requested. SIGHUP makes the server reload its settings, unless a terminal that the process had
/// is gone: then it is a signal to stop.
pub(super) fn listen(
    early: &mut Option<Early>,
    shutdown_timeout: Duration,
    server: Handle,
) -> io::Result<CancellationToken> {
    let early = early.take().map_or_else(Early::take, Ok)?;
    let Early { runtime, terminals, signals, stops } = early;
    let mut signals = {
        let _context = runtime.enter();
        Signals::new(signals)?
    };
    drop(stops);
    let stop = CancellationToken::new();
    let (told, begun) = (stop.clone(), stop.clone());
    let listen = async move {
        let server_to_reload = server.clone();
        let told_twice = async {
            loop {
                match signals.next().await {
                    Command::Stop => break,
                    Command::HangUp if terminals.are_gone() => {
                        tracing::info!("the terminal was closed");
                        break;
                    }
                    Command::HangUp => {
                        let server = server_to_reload.clone();
                        // On a thread of its own, because a stop must not wait for a file. The
                        // result is in the log.
                        drop(tokio::task::spawn_blocking(move || server.reload()));
                    }
                }
            }
            tracing::info!("stopping; once more ends at once");
            told.cancel();
            // Closing a terminal may send several signals.
            while signals.next().await == Command::HangUp {}
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
    tidings_telemetry::flush();
    std::process::exit(code)
}

/// Returns whether this is the first process of a container. The system delivers to it no signal
/// that it has no handler for (`man 7 pid_namespaces`): a signal to stop would have no effect, and
/// its sender would wait, and kill in the end.
fn is_first_process() -> bool {
    cfg!(unix) && std::process::id() == 1
}

/// Ends the process on a signal to stop, as the system does with other processes, until the
/// returned value is dropped.
fn end_when_told() -> io::Result<DropGuard> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Stops::new()?
    };
    let over = CancellationToken::new();
    let started = over.clone();
    let wait = async move {
        tokio::select! {
            () = started.cancelled() => {}
            // The exit code with which a shell reports the end by a signal.
            signal = signals.next() => match exit(128 + signal) {},
        }
    };
    std::thread::Builder::new().name("starting".to_owned()).spawn(move || runtime.block_on(wait))?;
    Ok(over.drop_guard())
}

/// The meaning of a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Stop,
    /// The terminal was closed, or the settings have changed.
    HangUp,
}

/// Which of the three standard streams were terminals when the process began.
struct Terminals([bool; 3]);

impl Terminals {
    fn of_now() -> Self {
        Self([io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()])
    }

    /// Returns whether one of them is no longer a terminal: one that was closed answers no query.
    fn are_gone(&self) -> bool {
        let now = Self::of_now();
        self.0.iter().zip(now.0).any(|(was, is)| *was && !is)
    }
}

/// Signals whose default action would end the process although nobody wants it to stop.
#[cfg(unix)]
struct EarlySignals {
    /// Not handled if it was ignored when the process began, which is all that `nohup` does.
    hang_up: Option<Signal>,
    /// Sent by a write beyond the largest file size (`ulimit -f`), such as one to the log; unless
    /// it is handled, it ends the process.
    _file_too_large: Signal,
}

#[cfg(unix)]
impl EarlySignals {
    fn new() -> io::Result<Self> {
        let hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
        let file_too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self { hang_up, _file_too_large: signal(file_too_large)? })
    }
}

/// The signals to stop.
#[cfg(unix)]
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one, and returns its number.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// The signals that the process handles.
#[cfg(unix)]
struct Signals {
    stops: Stops,
    early: EarlySignals,
}

#[cfg(unix)]
impl Signals {
    fn new(early: EarlySignals) -> io::Result<Self> {
        Ok(Self { stops: Stops::new()?, early })
    }

    async fn next(&mut self) -> Command {
        let hang_up = async {
            match &mut self.early.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.stops.next() => Command::Stop,
            _ = hang_up => Command::HangUp,
        }
    }
}

/// Returns whether SIGHUP was ignored when the process began, according to the mask of ignored
/// signals in proc(5). Only Linux has it; asking the system directly needs unsafe code. Elsewhere
/// SIGHUP is handled.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & 1 << (rustix::process::Signal::HUP.as_raw() - 1) != 0
}

/// Ctrl-c is all there is elsewhere.
#[cfg(not(unix))]
struct EarlySignals;

#[cfg(not(unix))]
impl EarlySignals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(not(unix))]
struct Stops;

#[cfg(not(unix))]
impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        2 // that of SIGINT elsewhere
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new(_: EarlySignals) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Command {
        let _ = tokio::signal::ctrl_c().await;
        Command::Stop
    }
}
