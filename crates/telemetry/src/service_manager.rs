//! Tells the service manager the server's state, in systemd's notification protocol
//! (`sd_notify(3)`).
//!
//! Owns the socket that `NOTIFY_SOCKET` names, the messages, and how they are sent. Each message is
//! one datagram, which is sent without waiting, because a service manager that hangs must never
//! delay the server. A failure to send must never make anything else fail. The first one is logged
//! as a warning.
//!
//! The environment is read and never changed, because changing it requires unsafe code. A child
//! process would inherit `NOTIFY_SOCKET`, but the server starts none.
//!
//! No crate is used for this, because the existing ones block while the receiver's queue is full,
//! and `sd-notify` treats the name of an abstract socket as a path.

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
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// The shortest interval between two status messages. A watchdog that requires a shorter one is
/// misconfigured.
const MIN_STATUS_INTERVAL: Duration = Duration::from_millis(10);

/// The maximum length of a status text, in bytes. systemd reads at most 4 KiB of a message.
const MAX_STATUS: usize = 512;

/// Sends messages to the service manager, if there is one. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notifier(Option<Arc<Connection>>);

/// The connection to a service manager.
struct Connection {
    socket: Socket,
    /// After how long without a message the service manager considers the server hung; `None` if
    /// there is no watchdog.
    watchdog: Option<Duration>,
    /// The latest change of state, if it could not be sent yet because the receiver's queue was
    /// full.
    unsent_change: Mutex<Option<String>>,
    /// Whether a failure to send was logged.
    has_warned: AtomicBool,
    /// Whether the last reload of the settings was refused.
    refused_reload: AtomicBool,
}

impl Notifier {
    /// Returns the notifier for the variables of this process, and warnings about invalid ones.
    pub fn from_environment() -> (Self, Vec<String>) {
        Self::from_variables(|name| std::env::var_os(name), std::process::id())
    }

    /// Returns the notifier for the variables that `variable` returns, and warnings about invalid
    /// ones. `process` is the id of this process.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        process: u32,
    ) -> (Self, Vec<String>) {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let Some(name) = variable("NOTIFY_SOCKET") else {
            return (Self::default(), Vec::new());
        };
        let mut warnings = Vec::new();
        let socket = match Socket::named(&name) {
            Ok(socket) => socket,
            Err(problem) => {
                let name = name.to_string_lossy();
                warnings.push(format!(
                    "NOTIFY_SOCKET={name:?}: {problem}; no messages are sent to the service manager"
                ));
                return (Self::default(), warnings);
            }
        };
        let watchdog = watchdog(
            variable("WATCHDOG_USEC").as_deref(),
            variable("WATCHDOG_PID").as_deref(),
            process,
        );
        let watchdog = watchdog.unwrap_or_else(|problem| {
            warnings.push(problem);
            None
        });
        let connection = Connection {
            socket,
            watchdog,
            unsent_change: Mutex::default(),
            has_warned: AtomicBool::new(false),
            refused_reload: AtomicBool::new(false),
        };
        (Self(Some(Arc::new(connection))), warnings)
    }

    /// Whether there is a service manager.
    pub fn is_connected(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the interval at which [`Self::alive`] must be called: half of the watchdog's time
    /// limit, as `sd_watchdog_enabled(3)` recommends.
    pub fn interval(&self) -> Duration {
        let watchdog = self.0.as_ref().and_then(|connection| connection.watchdog);
        watchdog.map_or(STATUS_INTERVAL, |limit| {
            (limit / 2).clamp(MIN_STATUS_INTERVAL, STATUS_INTERVAL)
        })
    }

    /// Reports what the server does before it is ready.
    pub fn starting(&self, status: &str) {
        self.with_connection(|connection| connection.send_status(&status_line(status)));
    }

    /// Reports that the server listens and answers.
    pub fn ready(&self, status: &str) {
        self.with_connection(|connection| {
            connection.send_change(format!("READY=1\n{}", status_line(status)));
        });
    }

    /// Reports that the server begins to reload its settings. systemd requires the time too, so
    /// that it knows which messages were sent after that.
    pub fn reloading(&self) {
        let status = status_line("reading the settings again");
        self.with_connection(|connection| {
            connection.send_change(format!(
                "RELOADING=1\nMONOTONIC_USEC={}\n{status}",
                monotonic()
            ));
        });
    }

    /// Reports that the server has reloaded its settings, or has refused the new ones.
    pub fn reloaded(&self, refused: bool, status: &str) {
        self.with_connection(|connection| {
            connection.refused_reload.store(refused, Ordering::Relaxed);
        });
        self.ready(&self.with_refusal(status));
    }

    /// Reports that the server will end within `limit`. This replaces the time limit of the service
    /// manager.
    pub fn stopping(&self, limit: Duration, status: &str) {
        let limit = limit.as_micros();
        let status = status_line(status);
        self.with_connection(|connection| {
            connection.send_change(format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={limit}\n{status}"));
        });
    }

    /// Reports the status, and to the watchdog that the server is alive.
    pub fn alive(&self, status: &str) {
        let status = status_line(&self.with_refusal(status));
        self.with_connection(|connection| {
            let ping = if connection.watchdog.is_some() {
                "WATCHDOG=1\n"
            } else {
                ""
            };
            connection.send_status(&format!("{ping}{status}"));
        });
    }

    /// Adds to the status that the last reload was refused, if it was.
    fn with_refusal(&self, status: &str) -> String {
        let refused = self
            .0
            .as_ref()
            .is_some_and(|connection| connection.refused_reload.load(Ordering::Relaxed));
        let note = if refused {
            "; the last reload was refused, see the log"
        } else {
            ""
        };
        format!("{status}{note}")
    }

    /// Does `work` if there is a service manager.
    fn with_connection(&self, work: impl FnOnce(&Connection)) {
        if let Some(connection) = &self.0 {
            work(connection);
        }
    }
}

impl Connection {
    /// Sends a change of state. If that fails, it is sent again before the next message: a service
    /// manager that does not receive `READY=1` waits for it, and finally kills the server.
    fn send_change(&self, message: String) {
        let mut unsent = self.unsent_change.lock();
        *unsent = (!self.try_send(&message)).then_some(message);
    }

    /// Sends a status, after the change of state that was not sent yet, if there is one.
    fn send_status(&self, message: &str) {
        let mut unsent = self.unsent_change.lock();
        if unsent.as_ref().is_none_or(|state| self.try_send(state)) {
            *unsent = None;
            self.try_send(message);
        }
    }

    /// Tries to send a message, and returns whether it was sent. Logs the first failure.
    fn try_send(&self, message: &str) -> bool {
        let Err(error) = self.socket.send(message) else {
            return true;
        };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let name = self.socket.name();
            tracing::warn!(%error, "messages can't be sent to the service manager \
                                    (NOTIFY_SOCKET={name})");
        }
        false
    }
}

/// Returns the time limit of the watchdog, if the watchdog monitors this process.
fn watchdog(
    limit: Option<&OsStr>,
    watched: Option<&OsStr>,
    process: u32,
) -> Result<Option<Duration>, String> {
    let Some(limit) = limit else { return Ok(None) };
    let number = |text: &OsStr| {
        text.to_str()
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|number| *number > 0)
    };
    let invalid = |name: &str, text: &OsStr| {
        format!(
            "{name}={} is not a positive number; no messages are sent to the watchdog",
            text.display()
        )
    };
    let micros = number(limit).ok_or_else(|| invalid("WATCHDOG_USEC", limit))?;
    let watched = watched
        .map(|text| number(text).ok_or_else(|| invalid("WATCHDOG_PID", text)))
        .transpose()?;
    let is_ours = watched.is_none_or(|watched| watched == u64::from(process));
    Ok(is_ours.then(|| Duration::from_micros(micros)))
}

/// Returns the status as one line. A line break in the text would begin another assignment.
fn status_line(status: &str) -> String {
    let mut line: String = status
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
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
    0 // never sent, because there is no socket
}

/// The replacement on systems that have no such sockets.
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
