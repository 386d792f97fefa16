//! Ports for programs that can't be told to take any free one and say which.
//!
//! Owns that two tests never get the same, in this process or in another that runs these tests: a
//! port is below those that the system gives out by itself, and whoever holds it has bound a UDP
//! socket of its number on an address of the loopback network that nothing else uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Linux gives out ports from 32,768 on.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Where the sockets are that say who holds a port.
const HOLDERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A port of 127.0.0.1 that nobody listens on. It is free for others when this is dropped.
pub(crate) struct Port {
    pub(crate) number: u16,
    _holder: UdpSocket,
}

impl Port {
    /// A port that nobody holds, and on which nothing listens.
    pub(crate) fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes that run at the same time begin in different places; that is faster, and no
        // more.
        let begin = std::process::id().wrapping_mul(61);
        for _ in 0..COUNT {
            let nth = begin.wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed)))
                % u32::from(COUNT);
            let number = FIRST + u16::try_from(nth).unwrap();
            let Ok(holder) = UdpSocket::bind((HOLDERS, number)) else {
                continue;
            };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _holder: holder,
                };
            }
        }
        panic!("no port is free");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
