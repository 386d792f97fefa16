//! What the system tells the process: to stop, to stop at once, to read its settings again.
//!
//! Owns the signals, and the last word on how long the end may take. All of it is on a thread of its own, which waits for
//! nothing that the server's threads wait for: a stop must hold however stuck these are.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tidings_server::Handle;
use tokio::runtime::Runtime;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How much longer than `SHUTDOWN_TIMEOUT` the server has to end by itself, before it is ended.
const GRACE: Duration = Duration::from_secs(1);

/// What is taken before anything else is done. To open a large log takes a while, and a SIGHUP that comes meanwhile, as from
/// what rotates logs or has just changed the settings, would end the process: it is kept for [`listen`]. A signal to stop is not
/// taken so soon, as it ends at once what serves nobody yet; only in the first process of a container the system ignores it, and
/// what does its work there is `stops`.
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

/// Listens from now on. What is returned is cancelled by the first signal to stop; the second one ends the process, and so does
/// the end of `shutdown_timeout`, whoever asked for the end. SIGHUP has the server reload its settings, unless a terminal that
/// the process had is gone: then it is a signal to stop.
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
                    Told::Stop => break,
                    Told::HangUp if terminals.are_gone() => {
                        tracing::info!("the terminal was closed");
                        break;
                    }
                    Told::HangUp => {
                        let server = server_to_reload.clone();
                        // In a thread of its own, as a stop must not wait for a file. What it did is in the log.
                        drop(tokio::task::spawn_blocking(move || server.reload()));
                    }
                }
            }
            tracing::info!("stopping; once more ends at once");
            told.cancel();
            // A terminal that is closed may tell so several times.
            while signals.next().await == Told::HangUp {}
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

/// Whether this is the first process of a container. Of the signals that it has no handler for, the system hands it none
/// (`man 7 pid_namespaces`): one to stop would have no effect, and whoever sent it would wait, and kill in the end.
fn is_first_process() -> bool {
    cfg!(unix) && std::process::id() == 1
}

/// Ends the process when it is told to stop, as the system does with others, until what is returned is dropped.
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
            // As a shell tells the end by a signal.
            signal = signals.next() => match exit(128 + signal) {},
        }
    };
    std::thread::Builder::new().name("starting".to_owned()).spawn(move || runtime.block_on(wait))?;
    Ok(over.drop_guard())
}

/// What a signal means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
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

    /// Whether one of them is none any more: a terminal that was closed answers no question.
    fn are_gone(&self) -> bool {
        let now = Self::of_now();
        self.0.iter().zip(now.0).any(|(was, is)| *was && !is)
    }
}

/// The signals that by themselves would end a process which nobody wants to stop.
#[cfg(unix)]
struct EarlySignals {
    /// Left alone where it was ignored when the process began, which is all that `nohup` does.
    hang_up: Option<Signal>,
    /// Comes with a write beyond the largest size of a file (`ulimit -f`), as that of the log may be; unless somebody takes it,
    /// it ends the process.
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

/// The signals that the process takes.
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

    async fn next(&mut self) -> Told {
        let hang_up = async {
            match &mut self.early.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.stops.next() => Told::Stop,
            _ = hang_up => Told::HangUp,
        }
    }
}

/// Whether SIGHUP was ignored when the process began, by the mask of ignored signals in proc(5). Only Linux has it; to ask the
/// system itself is not possible without unsafe code, and where it can't be asked SIGHUP is taken.
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

    async fn next(&mut self) -> Told {
        let _ = tokio::signal::ctrl_c().await;
        Told::Stop
    }
}
