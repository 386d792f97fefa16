//! Handles the signals: to stop, to stop at once, to reload the settings.
//!
//! Owns the limit on how long a stop may take. Runs on its own thread, which never waits for
//! anything that the threads of the server wait for: a stop must work even if they are all blocked.

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

/// The signal handlers during the start, which are installed before anything else is done.
///
/// Opening a large log takes a while, and a SIGHUP meanwhile, from log rotation or after a change
/// of the settings, would end the process: it is kept for [`listen`]. A signal to stop is not
/// handled yet, because it should end a process that serves nobody. But the system does not deliver
/// such a signal to the first process of a container, so there `stops` ends the process.
pub(super) struct StartHandlers {
    runtime: Runtime,
    terminals: Terminals,
    signals: StartSignals,
    stops: Option<DropGuard>,
}

impl StartHandlers {
    pub(super) fn install() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let signals = {
            let _context = runtime.enter();
            StartSignals::new()?
        };
        let stops = if is_first_process() {
            Some(end_on_signal()?)
        } else {
            None
        };
        Ok(Self {
            runtime,
            terminals: Terminals::current(),
            signals,
            stops,
        })
    }
}

/// Handles signals from now on. The first signal to stop cancels the token that is returned, and
/// the second one ends the process. `shutdown_timeout` after a stop was requested, by a signal or
/// by a call, the process is ended too. SIGHUP makes the server reload its settings, unless a
/// terminal that the process had is gone: then it is a signal to stop.
pub(super) fn listen(
    handlers: &mut Option<StartHandlers>,
    shutdown_timeout: Duration,
    server: Handle,
) -> io::Result<CancellationToken> {
    let handlers = handlers.take().map_or_else(StartHandlers::install, Ok)?;
    let StartHandlers {
        runtime,
        terminals,
        signals,
        stops,
    } = handlers;
    let mut signals = {
        let _context = runtime.enter();
        Signals::new(signals)?
    };
    drop(stops);
    let stop = CancellationToken::new();
    let (requested, stopping) = (stop.clone(), stop.clone());
    let listen = async move {
        let server_to_reload = server.clone();
        let second_signal = async {
            loop {
                match signals.next().await {
                    Command::Stop => break,
                    Command::HangUp if terminals.are_gone() => {
                        tracing::info!("the terminal was closed");
                        break;
                    }
                    Command::HangUp => {
                        let server = server_to_reload.clone();
                        // On another thread, because a stop must not wait for a file. The result is
                        // logged.
                        drop(tokio::task::spawn_blocking(move || server.reload()));
                    }
                }
            }
            tracing::info!("stopping; a second signal ends the process at once");
            requested.cancel();
            // When a terminal is closed, several SIGHUP may arrive.
            while signals.next().await == Command::HangUp {}
            tracing::warn!("ended at once");
            exit(130)
        };
        let timed_out = async {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = server.drain_requested() => {}
            }
            tokio::time::sleep(shutdown_timeout.saturating_add(GRACE)).await;
            tracing::error!("SHUTDOWN_TIMEOUT is over, and the server did not end by itself");
            exit(1)
        };
        tokio::select! {
            never = second_signal => never,
            never = timed_out => never,
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || match runtime.block_on(listen) {})?;
    Ok(stop)
}

/// Ends the process, whatever its other threads are doing.
fn exit(code: i32) -> Infallible {
    tidings_telemetry::flush();
    std::process::exit(code)
}

/// Returns whether this is the first process of a container. The system delivers to it only signals
/// for which it has a handler (`man 7 pid_namespaces`): without one, a signal to stop would have no
/// effect, and its sender would wait and finally kill the process.
fn is_first_process() -> bool {
    cfg!(unix) && std::process::id() == 1
}

/// Ends the process on a signal to stop, as the system does with other processes, until the
/// returned value is dropped.
fn end_on_signal() -> io::Result<DropGuard> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _context = runtime.enter();
        Stops::new()?
    };
    let start_is_over = CancellationToken::new();
    let started = start_is_over.clone();
    let wait = async move {
        tokio::select! {
            () = started.cancelled() => {}
            // The exit code by which a shell reports that a signal ended a process.
            signal = signals.next() => match exit(128 + signal) {},
        }
    };
    std::thread::Builder::new()
        .name("starting".to_owned())
        .spawn(move || runtime.block_on(wait))?;
    Ok(start_is_over.drop_guard())
}

/// The meaning of a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Stop,
    /// The terminal was closed, or the settings have changed.
    HangUp,
}

/// Whether standard input, output and error were terminals when the process began.
struct Terminals([bool; 3]);

impl Terminals {
    fn current() -> Self {
        Self([
            io::stdin().is_terminal(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        ])
    }

    /// Returns whether one of them is no longer a terminal: the system does not report a closed one
    /// as a terminal.
    fn are_gone(&self) -> bool {
        let now = Self::current();
        self.0.iter().zip(now.0).any(|(was, is)| *was && !is)
    }
}

/// The signals that are handled from the start on, because their default action would end the
/// process although nobody wants it to stop.
#[cfg(unix)]
struct StartSignals {
    /// SIGHUP. Not handled if it was ignored when the process began, which is how `nohup` works.
    hang_up: Option<Signal>,
    /// SIGXFSZ, which the system sends when a write exceeds the largest file size (`ulimit -f`),
    /// such as one to the log.
    _file_too_large: Signal,
}

#[cfg(unix)]
impl StartSignals {
    fn new() -> io::Result<Self> {
        let hang_up = if ignores_hang_up() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let file_too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self {
            hang_up,
            _file_too_large: signal(file_too_large)?,
        })
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
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them, and returns its number.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// The signals that the process handles after the start.
#[cfg(unix)]
struct Signals {
    stops: Stops,
    others: StartSignals,
}

#[cfg(unix)]
impl Signals {
    fn new(others: StartSignals) -> io::Result<Self> {
        Ok(Self {
            stops: Stops::new()?,
            others,
        })
    }

    async fn next(&mut self) -> Command {
        let hang_up = async {
            match &mut self.others.hang_up {
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
/// signals in proc(5). Only Linux has that file, and a system call would need unsafe code; on other
/// systems this returns `false`.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    mask & 1 << (rustix::process::Signal::HUP.as_raw() - 1) != 0
}

/// On other systems, only ctrl-c is handled.
#[cfg(not(unix))]
struct StartSignals;

#[cfg(not(unix))]
impl StartSignals {
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
        2 // the number of SIGINT on Unix
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new(_: StartSignals) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Command {
        let _ = tokio::signal::ctrl_c().await;
        Command::Stop
    }
}
