//! Messages to the service manager about the server's state, in systemd's notification protocol
//! (`sd_notify(3)`).
//!
//! Owns the socket that `NOTIFY_SOCKET` names, the messages, and how they are sent. Each message is
//! one datagram, which is sent without waiting, because a service manager that hangs must never
//! delay the server. A failure to send must never make anything else fail; it causes one warning.
//!
//! The environment is read and never changed, because changing it requires unsafe code. A child
//! process would inherit `NOTIFY_SOCKET`, but the server starts none.
//!
//! This is not done by a crate, because the crates for it send with a call that blocks while the
//! receiver's queue is full, and `sd-notify` mistakes the name of an abstract socket for a path.

#[cfg(unix)]
mod socket;

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

#[cfg(unix)]
use socket::Socket;

/// The interval between two status messages, unless the watchdog requires a shorter one.
const EVERY: Duration = Duration::from_secs(10);

/// The shortest interval between two status messages. A watchdog that requires a shorter one is
/// misconfigured.
const LEAST: Duration = Duration::from_millis(10);

/// The maximum length of a status text, in bytes. systemd reads at most 4 KiB of a message.
const MAX_STATUS: usize = 512;

/// Sends messages to the service manager, if there is one. It is cheap to clone.
#[derive(Clone, Default)]
pub struct Notifier(Option<Arc<Listening>>);

/// The connection to a service manager.
struct Listening {
    socket: Socket,
    /// The time without a message after which the service manager considers the server hung.
    watchdog: Option<Duration>,
    /// The latest change of state that could not be sent because the receiver's queue was full.
    owed: Mutex<Option<String>>,
    /// Whether the log contains the warning that messages can't be sent.
    has_warned: AtomicBool,
    /// Whether the last reload was refused.
    refused_reload: AtomicBool,
}

impl Notifier {
    /// Returns the notifier that the environment asks for, and warnings about invalid variables.
    pub fn from_environment() -> (Self, Vec<String>) {
        Self::asked_for(|name| std::env::var_os(name), std::process::id())
    }

    /// Returns the notifier that the environment `variable` asks for, for the process with the id
    /// `process`, and warnings about invalid variables.
    pub fn asked_for(variable: impl Fn(&str) -> Option<OsString>, process: u32) -> (Self, Vec<String>) {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let Some(name) = variable("NOTIFY_SOCKET") else { return (Self::default(), Vec::new()) };
        let mut odd = Vec::new();
        let socket = match Socket::named(&name) {
            Ok(socket) => socket,
            Err(problem) => {
                let name = name.to_string_lossy();
                odd.push(format!("NOTIFY_SOCKET={name:?}: {problem}; the service manager is told nothing"));
                return (Self::default(), odd);
            }
        };
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), process);
        let watchdog = watchdog.unwrap_or_else(|problem| {
            odd.push(problem);
            None
        });
        let listening = Listening {
            socket,
            watchdog,
            owed: Mutex::default(),
            has_warned: AtomicBool::new(false),
            refused_reload: AtomicBool::new(false),
        };
        (Self(Some(Arc::new(listening))), odd)
    }

    /// Whether there is a service manager.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the interval at which [`Self::is_alive`] must be called: half of the watchdog's
    /// time, as `sd_watchdog_enabled(3)` recommends.
    pub fn every(&self) -> Duration {
        let watchdog = self.0.as_ref().and_then(|listening| listening.watchdog);
        watchdog.map_or(EVERY, |limit| (limit / 2).clamp(LEAST, EVERY))
    }

    /// Reports what the server does before it is ready.
    pub fn starts(&self, status: &str) {
        self.tell(|listening| listening.send(&status_line(status)));
    }

    /// Reports that the server listens and answers.
    pub fn is_ready(&self, status: &str) {
        self.tell(|listening| listening.change(format!("READY=1\n{}", status_line(status))));
    }

    /// Reports that the server reads its settings again. systemd requires the time too, to
    /// distinguish what happened before and after.
    pub fn reloads(&self) {
        let status = status_line("reading the settings again");
        self.tell(|listening| listening.change(format!("RELOADING=1\nMONOTONIC_USEC={}\n{status}", monotonic())));
    }

    /// Reports that the server has read its settings again, and has applied or refused them.
    pub fn has_reloaded(&self, refused: bool, status: &str) {
        self.tell(|listening| listening.refused_reload.store(refused, Ordering::Relaxed));
        self.is_ready(&self.with_refusal(status));
    }

    /// Reports that the server ends within `limit`. This replaces the time limit that the service
    /// manager would apply.
    pub fn stops(&self, limit: Duration, status: &str) {
        let limit = limit.as_micros();
        let status = status_line(status);
        self.tell(|listening| listening.change(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={limit}\n{status}")));
    }

    /// Reports that the server is alive, for the watchdog, and its status.
    pub fn is_alive(&self, status: &str) {
        let status = status_line(&self.with_refusal(status));
        self.tell(|listening| {
            let ping = if listening.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
            listening.send(&format!("{ping}{status}"));
        });
    }

    fn with_refusal(&self, status: &str) -> String {
        let refused = self.0.as_ref().is_some_and(|listening| listening.refused_reload.load(Ordering::Relaxed));
        let note = if refused { "; the last reload was refused, see the log" } else { "" };
        format!("{status}{note}")
    }

    fn tell(&self, tell: impl FnOnce(&Listening)) {
        if let Some(listening) = &self.0 {
            tell(listening);
        }
    }
}

impl Listening {
    /// Reports a change of state. If it can't be sent now, it is sent before the next message: a
    /// service manager that misses `READY=1` waits for it, and kills the server in the end.
    fn change(&self, message: String) {
        let mut owed = self.owed.lock();
        *owed = (!self.was_sent(&message)).then_some(message);
    }

    fn send(&self, message: &str) {
        let mut owed = self.owed.lock();
        if owed.as_ref().is_none_or(|state| self.was_sent(state)) {
            *owed = None;
            self.was_sent(message);
        }
    }

    fn was_sent(&self, message: &str) -> bool {
        let Err(error) = self.socket.send(message) else { return true };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let name = self.socket.name();
            tracing::warn!(%error, "the service manager can't be told how the server is (NOTIFY_SOCKET={name})");
        }
        false
    }
}

/// Returns the watchdog's time, if this process is the one that the watchdog monitors.
fn watchdog(limit: Option<&OsStr>, watched: Option<&OsStr>, process: u32) -> Result<Option<Duration>, String> {
    let Some(limit) = limit else { return Ok(None) };
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok()).filter(|number| *number > 0);
    let odd = |name: &str, text: &OsStr| {
        format!("{name}={} is no positive number; the watchdog is told nothing", text.display())
    };
    let micros = number(limit).ok_or_else(|| odd("WATCHDOG_USEC", limit))?;
    let watched = watched.map(|text| number(text).ok_or_else(|| odd("WATCHDOG_PID", text))).transpose()?;
    let is_ours = watched.is_none_or(|watched| watched == u64::from(process));
    Ok(is_ours.then(|| Duration::from_micros(micros)))
}

/// Returns the status as one line. A line break in the text would begin another assignment.
fn status_line(status: &str) -> String {
    let mut line: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(MAX_STATUS));
    format!("STATUS={line}")
}

/// `CLOCK_MONOTONIC` in microseconds.
#[cfg(unix)]
fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[cfg(not(unix))]
fn monotonic() -> i64 {
    0 // it is never sent
}

/// A stand-in: on other systems no service manager has such a socket.
#[cfg(not(unix))]
struct Socket;

#[cfg(not(unix))]
impl Socket {
    fn named(_: &OsStr) -> Result<Self, String> {
        Err("there are no such sockets on this system".to_owned())
    }

    fn send(&self, _: &str) -> std::io::Result<()> {
        Ok(())
    }

    fn name(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
