//! A reader that stops reading.
//!
//! Owns its socket. Must never take a byte out of it.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};

use super::contender::Endpoints;

pub(super) struct Stalled {
    _socket: TcpStream,
    ports: (u16, u16),
}

impl Stalled {
    /// Opens a stream with a small receive buffer. Once the answer has begun with status 200, the
    /// socket is left alone.
    pub(super) fn open(to: &Endpoints, port: u16) -> Result<Self> {
        const ROOM: usize = 4_096;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(ROOM)?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        let mut socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let token = to
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let path = to.stream;
        let ask = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{token}\r\n"
        );
        socket.write_all(ask.as_bytes())?;
        let mut start = [0; 12];
        let length = socket.peek(&mut start)?;
        ensure!(
            start[..length].ends_with(b" 200"),
            "the stalled reader got no stream"
        );
        Ok(Self {
            ports: (port, socket.local_addr()?.port()),
            _socket: socket,
        })
    }

    /// Returns how many bytes are queued for it in the server's socket.
    ///
    /// # Errors
    /// No bytes are queued: the reader is not stalled, or the server has closed it.
    pub(super) fn waiting(&self) -> Result<u64> {
        let table = fs::read_to_string("/proc/net/tcp")?;
        let waiting =
            queued(&table, self.ports).context("the server has closed the stalled reader")?;
        ensure!(waiting > 0, "nothing waits for the stalled reader");
        Ok(waiting)
    }
}

/// Returns the bytes that are written and not acknowledged on the established connection between
/// these local and remote ports.
fn queued(table: &str, (local, remote): (u16, u16)) -> Option<u64> {
    const ESTABLISHED: &str = "01";
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (from, to, state, queues) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let is_ours = port(from) == Some(local) && port(to) == Some(remote) && state == ESTABLISHED;
        let written = is_ours.then(|| queues.split(':').next())??;
        u64::from_str_radix(written, 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_read_off_the_connection_between_the_two_ports() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
                     retrnsmt\n   0: 0100007F:1092 00000000:0000 0A 00000000:00000000 00:00000000 \
                     00000000\n   1: 0100007F:1092 0100007F:D431 01 00000300:00000000 00:00000000 \
                     00000000\n   2: 0100007F:D431 0100007F:1092 01 00000000:00000011 00:00000000 \
                     00000000\n   3: 0100007F:1092 0100007F:D432 08 00000500:00000000 00:00000000 \
                     00000000\n";
        assert_eq!(queued(table, (0x1092, 0xD431)), Some(0x300));
        assert_eq!(
            queued(table, (0x1092, 0xD432)),
            None,
            "the server waits for its end"
        );
        assert_eq!(queued(table, (0x1092, 1)), None);
    }
}
