//! What stands between a client and a server: an address that stays while servers come and go, and
//! a network that loses answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections. It lives as long as its test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Without one, connections are closed as soon as they are made.
    target: Arc<Mutex<Option<SocketAddr>>>,
    to_lose: Arc<AtomicU32>,
}

impl Proxy {
    /// Forwards to `target`, and loses the first answers: the server gets the request, the client
    /// gets nothing.
    pub(crate) async fn new(target: Option<SocketAddr>, to_lose: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            target: Arc::new(Mutex::new(target)),
            to_lose: Arc::new(AtomicU32::new(to_lose)),
        };
        let (target, to_lose) = (proxy.target.clone(), proxy.to_lose.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(target) = *target.lock() else {
                    continue;
                };
                let lose = to_lose
                    .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
                tokio::spawn(forward(client, target, lose));
            }
        });
        proxy
    }

    /// Forwards the next connections to another server, or to none.
    pub(crate) fn redirect(&self, target: Option<SocketAddr>) {
        *self.target.lock() = target;
    }

    /// How many answers are still to be lost.
    pub(crate) fn to_lose(&self) -> u32 {
        self.to_lose.load(Ordering::Relaxed)
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, lose: bool) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    if !lose {
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let (mut from_client, _to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = from_server.read_u8() => {}
    }
}
