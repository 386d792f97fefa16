//! The sockets that the server listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// The most connections that may wait to be accepted. The system caps the number
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// The most sockets that are accepted from another process.
const MAX_INHERITED: u64 = 64;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `127.0.0.1` and `::1`. One of them is enough, because many containers have no IPv6.
    Loopback,
    /// `::` for both families, or `0.0.0.0` where there is no IPv6.
    Everywhere,
    /// Each of these addresses; if one is not available, the start fails.
    Listed(Vec<IpAddr>),
}

/// Why the server can't listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket could be opened at this address.
    #[error("can't listen on {address}: {source}{}", hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// What another process handed over is not a listening socket.
    #[error("the sockets that were handed over (LISTEN_FDS) can't be used: {0}")]
    Inherited(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the server that runs there, or set PORT",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); set another PORT"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: set HOST to one that it has"
        }
        _ => "",
    }
}

/// Returns the sockets that another process opened for this one, by the protocol of systemd's
/// socket activation, `sd_listen_fds(3)`.
///
/// Must be called before the process has other threads, because it removes variables from the
/// environment.
pub fn inherited() -> Result<Vec<TcpListener>, Error> {
    let announced = std::env::var("LISTEN_FDS")
        .ok()
        .and_then(|count| count.parse::<u64>().ok());
    if let Some(count) = announced.filter(|count| *count > MAX_INHERITED) {
        return Err(unusable(format!(
            "there are {count} of them, and at most {MAX_INHERITED} are taken"
        )));
    }
    let mut inherited = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for nth in 0..inherited.len() {
        if let Some(listener) = inherited.take_tcp_listener(nth).map_err(Error::Inherited)? {
            if !is_listening(&listener) {
                return Err(unusable(format!(
                    "number {nth} does not listen; tidings.socket needs Accept=no"
                )));
            }
            listener.set_nonblocking(true).map_err(Error::Inherited)?;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

fn unusable(problem: String) -> Error {
    Error::Inherited(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// Whether connections can be accepted from the socket. With `Accept=yes`, systemd hands over a
/// connection that was already accepted.
#[cfg(target_os = "linux")]
fn is_listening(socket: &TcpListener) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(true)
}

#[cfg(not(target_os = "linux"))]
fn is_listening(_: &TcpListener) -> bool {
    true // not every system can answer this
}

/// Opens the sockets that the settings ask for. With port 0, all of them get the port that the
/// system gave to the first.
pub fn bind(host: &Host, port: u16) -> Result<Vec<TcpListener>, Error> {
    open_sockets(host, port, |address| {
        let socket = bind_socket(address)?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    })
}

/// Fails if `bind` would fail. Does not listen: nobody can connect to a socket that is only tried,
/// and another server that starts at the same time still gets its port.
pub fn probe(host: &Host, port: u16) -> Result<(), Error> {
    open_sockets(host, port, bind_socket).map(drop)
}

fn open_sockets(
    host: &Host,
    port: u16,
    open_socket: fn(SocketAddr) -> io::Result<Socket>,
) -> Result<Vec<TcpListener>, Error> {
    let open = |address, port| {
        let address = SocketAddr::new(address, port);
        open_socket(address)
            .map(TcpListener::from)
            .map_err(|source| Error::Bind { address, source })
    };
    match host {
        Host::Loopback => {
            let first = open(Ipv4Addr::LOCALHOST.into(), port);
            let port = first
                .as_ref()
                .ok()
                .and_then(|one| one.local_addr().ok())
                .map_or(port, |address| address.port());
            let second = open(Ipv6Addr::LOCALHOST.into(), port);
            match (first, second) {
                // It is no error if a machine lacks one of the two families. It is an error if the
                // port is taken in one of them, because `localhost` would then sometimes lead to
                // another server.
                (Ok(first), Err(error)) if is_missing_family(&error) => Ok(vec![first]),
                (Err(error), Ok(second)) if is_missing_family(&error) => Ok(vec![second]),
                (first, second) => Ok(vec![first?, second?]),
            }
        }
        Host::Everywhere => match open(Ipv6Addr::UNSPECIFIED.into(), port) {
            Err(error) if is_missing_family(&error) => {
                Ok(vec![open(Ipv4Addr::UNSPECIFIED.into(), port)?])
            }
            listener => Ok(vec![listener?]),
        },
        Host::Listed(addresses) => {
            let mut listeners: Vec<TcpListener> = Vec::new();
            for address in addresses {
                let first_port = listeners
                    .first()
                    .and_then(|one| one.local_addr().ok())
                    .map(|first| first.port());
                listeners.push(open(*address, first_port.unwrap_or(port))?);
            }
            Ok(listeners)
        }
    }
}

fn is_missing_family(error: &Error) -> bool {
    let Error::Bind { source, .. } = error else {
        return false;
    };
    // These are the errors of a kernel without IPv6, or with the addresses of IPv6 switched off.
    source.kind() == io::ErrorKind::AddrNotAvailable
        || source.kind() == io::ErrorKind::Unsupported
        || source.raw_os_error() == Some(EAFNOSUPPORT)
}

/// The error "Address family not supported by protocol". Each system has its own number for it, and
/// std has no kind.
#[cfg(unix)]
const EAFNOSUPPORT: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
#[cfg(not(unix))]
const EAFNOSUPPORT: i32 = 10_047; // Windows Sockets' `WSAEAFNOSUPPORT`

fn bind_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait until the last connections of the previous process have timed out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_loopback_addresses_get_the_same_port() {
        let listeners = bind(&Host::Loopback, 0).unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|one| one.local_addr().unwrap().port())
            .collect();
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }

    #[test]
    fn probe_fails_with_the_error_of_bind() {
        probe(&Host::Loopback, 0).unwrap();
        let taken = bind(&Host::Loopback, 0).unwrap();
        let port = taken[0].local_addr().unwrap().port();
        let (tried, opened) = (
            probe(&Host::Loopback, port).unwrap_err(),
            bind(&Host::Loopback, port).unwrap_err(),
        );
        assert_eq!(tried.to_string(), opened.to_string());
    }

    #[test]
    fn the_error_for_a_taken_port_says_what_to_do() {
        let taken = bind(&Host::Listed(vec![Ipv4Addr::LOCALHOST.into()]), 0).unwrap();
        let port = taken[0].local_addr().unwrap().port();
        let error = bind(&Host::Loopback, port).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("can't listen on 127.0.0.1:{port}: ")),
            "{error}"
        );
        assert!(
            error.ends_with("; stop the server that runs there, or set PORT"),
            "{error}"
        );
    }
}
