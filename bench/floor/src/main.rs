//! The floor: one thread that calls `send` for each socket, and as little else as a server can get
//! away with.
//!
//! `GET` opens a stream, `POST` publishes its body to all of them, on the same port. Owns the
//! sockets and one encoded event at a time. No journal, no ids, no checks: what it costs is what
//! the system's network costs, and `cargo xtask bench` measures others by it. Must never lose or
//! reorder an event, or it would be cheaper than possible.

mod peer;
mod request;

use std::net::SocketAddr;

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

use peer::{Fate, Peer};

/// How many connections may wait to be accepted, as with Tidings.
const BACKLOG: i32 = 4_096;
const LISTENER: Token = Token(usize::MAX);
const READ: usize = 64 * 1_024;

/// The argument is the address to listen on; any free port of loopback by default.
fn main() -> Result<()> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .as_deref()
        .unwrap_or("127.0.0.1:0")
        .parse()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut floor = Floor::listen(address)?;
    announce(floor.listener.local_addr()?);
    floor.run()
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts this program with port 0 reads here where it listens"
)]
fn announce(address: SocketAddr) {
    println!("http://{address}");
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    peers: Slab<Peer>,
    /// What was read last; every read uses the same memory.
    scratch: Box<[u8]>,
}

impl Floor {
    fn listen(address: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            peers: Slab::new(),
            scratch: vec![0; READ].into(),
        })
    }

    fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(key) => self.serve(key, event.is_writable()),
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => self.admit(socket)?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                // The peer has gone already.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn admit(&mut self, socket: TcpStream) -> Result<()> {
        socket.set_nodelay(true)?;
        let key = self.peers.insert(Peer::new(socket));
        if let Some(peer) = self.peers.get_mut(key) {
            self.poll
                .registry()
                .register(&mut peer.socket, Token(key), Interest::READABLE)?;
        }
        // Mostly, the request is there already.
        self.serve(key, false);
        Ok(())
    }

    /// Does what a peer asks for. An event may be for a peer who has gone meanwhile.
    fn serve(&mut self, key: usize, writable: bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if writable {
            peer.flush();
        }
        let mut events = Vec::new();
        peer.read(&mut self.scratch, &mut events);
        for event in &events {
            self.send_to_all(event);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.answer(events.len());
        }
        self.settle(key);
    }

    /// The loop that everything else is measured by.
    fn send_to_all(&mut self, event: &[u8]) {
        let mut unsettled = Vec::new();
        for (key, peer) in &mut self.peers {
            if peer.is_stream() && peer.send(event) {
                unsettled.push(key);
            }
        }
        for key in unsettled {
            self.settle(key);
        }
    }

    /// Takes a peer out that has gone, and asks to be told when one who took less than it was given
    /// takes bytes again.
    fn settle(&mut self, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let interest = match peer.fate() {
            Fate::Settled => return,
            Fate::Gone => None,
            Fate::Waits => Some(Interest::READABLE | Interest::WRITABLE),
        };
        let watched = interest.map(|interest| {
            self.poll
                .registry()
                .reregister(&mut peer.socket, Token(key), interest)
        });
        if !matches!(watched, Some(Ok(()))) {
            self.peers.remove(key);
        }
    }
}
