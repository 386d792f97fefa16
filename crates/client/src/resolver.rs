//! Resolves the name of a host to its addresses.
//!
//! `localhost` is always this machine, and no name server is asked for it (RFC 6761, section 6.3).
//! A container image that contains only a program has no `/etc/hosts`, and a name server may return
//! any address.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// Resolves `localhost` to both loopback addresses, and other names through the system.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

impl Resolver {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if name.as_str().eq_ignore_ascii_case("localhost") {
            // The connector sets the port.
            let both = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                (Ipv6Addr::LOCALHOST, 0).into(),
            ];
            return Box::pin(std::future::ready(Ok(Vec::from(both).into_iter())));
        }
        let resolving = self.0.call(name);
        Box::pin(async { Ok(resolving.await?.collect::<Vec<_>>().into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(name: &str) -> Vec<String> {
        let addresses = Resolver::new().call(name.parse().unwrap()).await.unwrap();
        addresses.map(|address| address.ip().to_string()).collect()
    }

    #[tokio::test]
    async fn localhost_is_both_loopback_addresses() {
        assert_eq!(resolved("localhost").await, ["127.0.0.1", "::1"]);
        assert_eq!(resolved("LOCALHOST").await, ["127.0.0.1", "::1"]);
    }
}
