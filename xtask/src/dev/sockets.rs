//! The listening sockets, which are opened once and passed to each server in turn.
//!
//! Owns them for the whole command. Must never accept a connection. They are passed by systemd's
//! protocol, `sd_listen_fds(3)`: the descriptors from 3 on, with their number in `LISTEN_FDS`.
//! `LISTEN_PID` would have to contain the id of a process that does not exist yet when its
//! environment is made. It is left out, and the crate `listenfd` then accepts the sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use command_fds::{CommandFdExt as _, FdMapping};

/// `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

pub(super) struct Sockets {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Sockets {
    /// Opens the port on both loopback addresses, because `localhost` may be either; only on IPv4
    /// if there is no IPv6.
    pub(super) fn bind(port: u16) -> Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("127.0.0.1:{port} can't be listened on"))?;
        let port = first.local_addr()?.port();
        let mut listeners = vec![first];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(second) => listeners.push(second),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("[::1]:{port} can't be listened on: {error}")
            }
            Err(error) => eprintln!("dev: not on [::1]:{port}: {error}"),
        }
        Ok(Self { listeners, port })
    }

    /// Makes the command inherit the sockets when it is started.
    pub(super) fn hand_to(&self, command: &mut Command) -> Result<()> {
        let mut mappings = Vec::with_capacity(self.listeners.len());
        for (listener, child_fd) in self.listeners.iter().zip(FIRST..) {
            mappings.push(FdMapping {
                parent_fd: listener.try_clone()?.into(),
                child_fd,
            });
        }
        command
            .env("LISTEN_FDS", mappings.len().to_string())
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .env("PORT", self.port.to_string())
            .fd_mappings(mappings)?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.listeners.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_connection_waits_while_no_server_runs() {
        let sockets = Sockets::bind(0).unwrap();
        for listener in &sockets.listeners {
            TcpStream::connect(listener.local_addr().unwrap())
                .expect("the kernel takes it into the backlog");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_that_names_it() {
        let taken = Sockets::bind(0).unwrap();
        let error = Sockets::bind(taken.port).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("127.0.0.1:{} can't be listened on", taken.port)
        );
    }
}
