//! The socket of the service manager. It has a path, or on Linux an abstract name, which is not a
//! path.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The destination of messages.
pub(super) struct Socket {
    from: UnixDatagram,
    to: SocketAddr,
    name: String,
}

impl Socket {
    /// Returns the socket with this name, which is that of `NOTIFY_SOCKET`: an absolute path, or
    /// `@` and an abstract name. Does not check whether anything listens there.
    ///
    /// # Errors
    /// Returns what is wrong with the name, as a text that can follow the name and a colon.
    pub(super) fn named(name: &OsStr) -> Result<Self, String> {
        let to =
            match name.as_bytes() {
                [b'/', ..] => SocketAddr::from_pathname(name).map_err(|error| error.to_string())?,
                [b'@', rest @ ..] if !rest.is_empty() => abstract_name(rest)?,
                _ => return Err(
                    "it is neither an absolute path nor the name of an abstract socket (`@name`)"
                        .to_owned(),
                ),
            };
        let from = UnixDatagram::unbound().map_err(|error| error.to_string())?;
        from.set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            from,
            to,
            name: name.to_string_lossy().into_owned(),
        })
    }

    /// Sends one message. Fails at once if that would block.
    pub(super) fn send(&self, message: &str) -> io::Result<()> {
        self.from
            .send_to_addr(message.as_bytes(), &self.to)
            .map(drop)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> Result<SocketAddr, String> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &[u8]) -> Result<SocketAddr, String> {
    Err("this system has no abstract sockets".to_owned())
}
