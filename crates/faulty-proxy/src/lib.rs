//! A TCP proxy for tests: it passes bytes on until it is told to do something else.
//!
//! Each [`Fault`] holds for connections that exist and for those that come, until the next one is
//! set. Bytes that a stalled connection has not been given wait in the sockets and pass on later,
//! as on a real network.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass in both directions.
    #[default]
    None,
    /// Each piece waits for this time, in each direction.
    Delay(Duration),
    /// Connections are accepted, and no byte passes.
    Stall,
    /// Connections are reset, those that exist and those that come.
    Refuse,
    /// Bytes reach the server, and none of its answers comes back.
    LoseAnswers,
    /// The server has lost the connection, and the client is not told: its bytes vanish.
    HalfOpen,
}

/// A proxy before one server. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    fault: Fault,
    to: SocketAddr,
    /// How often existing connections were cut.
    cuts: u64,
}

impl Proxy {
    /// Starts a proxy before the server at `to`, on a port that is free.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (state, receiver) = watch::channel(State {
            fault: Fault::None,
            to,
            cuts: 0,
        });
        let accepting = tokio::spawn(accept(listener, receiver));
        Ok(Self {
            address,
            state,
            accepting,
        })
    }

    /// Returns the address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens to connections from now on.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Resets all connections. Those that come are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Sends connections that come to another server. Those that exist stay where they are.
    pub fn redirect(&self, to: SocketAddr) {
        self.state.send_modify(|state| state.to = to);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, state.clone()));
    }
}

/// Carries one connection until either side ends it or the proxy cuts it.
async fn carry(mut client: TcpStream, mut state: watch::Receiver<State>) {
    let State { fault, to, cuts } = *state.borrow_and_update();
    if fault == Fault::Refuse {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(to).await else {
        return reset(&client);
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let mut cut = state.clone();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = pump(from_client, to_server, state.clone(), Direction::Up);
    let down = pump(from_server, to_client, state, Direction::Down);
    let was_cut = tokio::select! {
        // An error says that the proxy itself has ended.
        _ = cut.wait_for(|state| state.cuts != cuts || state.fault == Fault::Refuse) => true,
        ((), ()) = async { tokio::join!(up, down) } => false,
    };
    if was_cut {
        reset(&client);
        reset(&server);
    }
}

/// Makes the end of a connection a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Copies one direction until its end.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut state: watch::Receiver<State>,
    direction: Direction,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let fault = state.borrow_and_update().fault;
        if fault == Fault::HalfOpen && direction == Direction::Up {
            // The server is told that the connection is over; the client is not.
            let _ = to.shutdown().await;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer), if fault != Fault::Stall => read,
            changed = state.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(length @ 1..) = read else {
            if fault == Fault::HalfOpen && direction == Direction::Down {
                // Keeps the client's side open for as long as the fault holds.
                let _ = state.wait_for(|state| state.fault != Fault::HalfOpen).await;
            }
            let _ = to.shutdown().await;
            return;
        };
        match fault {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::HalfOpen => continue,
            Fault::LoseAnswers if direction == Direction::Down => continue,
            _ => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
