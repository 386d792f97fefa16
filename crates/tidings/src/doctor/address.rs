//! Checks whether the server knows this client by its own address, or by that of a proxy.

use std::net::IpAddr;

use form_urlencoded::Serializer;
use http::response::Parts;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::connect::HttpInfo;
use serde::Deserialize;
use tidings_client::Client;
use tokio::time::timeout;

use super::finding::{Finding, Level};
use super::probe::{FIRST_EVENT_TIMEOUT, RequestOptions};
use crate::proxies::Trouble;

const CHECK: &str = "address";

/// The longest list of one user's streams that is read, in bytes.
const MAX_LIST_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct List {
    connections: Vec<Open>,
}

#[derive(Deserialize)]
struct Open {
    id: String,
    address: Option<IpAddr>,
}

/// Looks up the open stream `id` of `user` in the server's list, and compares its address with that
/// of the socket.
pub(super) async fn check(client: &Client, user: &str, id: &str, head: &Parts) -> Finding {
    let Some(socket) = head.extensions.get::<HttpInfo>() else {
        return Finding::skipped(CHECK, "the local address of the connection is not known");
    };
    let (local, remote) = (
        socket.local_addr().ip().to_canonical(),
        socket.remote_addr().ip().to_canonical(),
    );
    match timeout(FIRST_EVENT_TIMEOUT, reported(client, user, id)).await {
        // Envoy names a client on its own machine by an address of that machine's network.
        Ok(Ok(address)) if !address.is_loopback() && is_of_this_machine(address) => own(address),
        Ok(Ok(address)) => judge(address.to_canonical(), local, remote),
        Ok(Err(why)) => Finding::skipped(CHECK, why),
        Err(_) => Finding::skipped(
            CHECK,
            format!("no answer within {} s", FIRST_EVENT_TIMEOUT.as_secs()),
        ),
    }
}

/// Returns whether one of this machine's network interfaces has the address: only then can a socket
/// bind to it.
fn is_of_this_machine(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// Returns the address that the server lists for a stream.
async fn reported(client: &Client, user: &str, id: &str) -> Result<IpAddr, String> {
    let path = format!(
        "/system/connections?{}",
        Serializer::new(String::new())
            .append_pair("userId", user)
            .finish()
    );
    let answer = client
        .ask(Method::GET, &path, RequestOptions::default().headers())
        .await
        .map_err(|error| error.to_string())?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err("this needs the token of an administrator".to_owned()),
        status => {
            return Err(format!(
                "the list of streams was answered with {}",
                status.as_u16()
            ));
        }
    }
    let unread = || "the list of streams can't be read".to_owned();
    let body = Limited::new(answer.into_body(), MAX_LIST_BYTES)
        .collect()
        .await
        .map_err(|_| unread())?;
    let list: List = serde_json::from_slice(&body.to_bytes()).map_err(|_| unread())?;
    let stream = list.connections.into_iter().find(|open| open.id == id);
    let address = stream.and_then(|open| open.address);
    address.ok_or_else(|| "the server does not list this stream with an address".to_owned())
}

/// Judges the address that the server reports for this client. Most differences prove nothing,
/// because a gateway between this machine and the proxy may change addresses.
fn judge(reported: IpAddr, local: IpAddr, remote: IpAddr) -> Finding {
    let all_here = local.is_loopback() && remote.is_loopback();
    let is_a_proxy = reported != local
        && (all_here
            || reported.is_loopback()
            || reported == remote
            || (is_private(reported) && !is_private(remote)));
    if is_a_proxy {
        let message = format!(
            "for the server, this client has the address {reported}, of a proxy; it is {local}"
        );
        return Finding::trouble(Trouble::Address, Level::Warning, message);
    }
    if reported == local {
        return own(reported);
    }
    let message = format!(
        "for the server, this client has the address {reported}; here it is {local}, which a \
         gateway may change"
    );
    Finding::ok(CHECK, message)
}

fn own(address: IpAddr) -> Finding {
    Finding::ok(
        CHECK,
        format!("for the server, this client has its own address, {address}"),
    )
}

/// Returns whether an address is valid only inside a private network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // 100.64.0.0/10 is for carriers (RFC 6598).
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(reported: &str, local: &str, remote: &str) -> Level {
        judge(
            reported.parse().unwrap(),
            local.parse().unwrap(),
            remote.parse().unwrap(),
        )
        .level
    }

    #[test]
    fn an_address_that_only_a_proxy_can_have_causes_a_warning() {
        for (reported, local, remote) in [
            ("127.0.0.1", "192.168.1.5", "203.0.113.1"), // the proxy is on the server's machine
            // the server has a public address, so clients are not in its network
            ("10.0.3.7", "192.168.1.5", "203.0.113.1"),
            ("100.64.0.9", "192.168.1.5", "203.0.113.1"),
            ("fd00::7", "2001:db8::5", "2001:db8:1::1"),
            ("192.168.1.10", "192.168.1.5", "192.168.1.10"), // this client connected to it
            ("127.0.0.3", "127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(level(reported, local, remote), Level::Warning, "{reported}");
        }
    }

    #[test]
    fn an_address_that_a_gateway_may_have_changed_is_accepted() {
        for (reported, local, remote) in [
            ("192.168.1.5", "192.168.1.5", "192.168.1.10"),
            ("198.51.100.4", "192.168.1.5", "203.0.113.1"),
            ("10.0.3.7", "172.17.0.2", "10.0.3.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(level(reported, local, remote), Level::Ok, "{reported}");
        }
    }
}
