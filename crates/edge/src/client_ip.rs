//! The address of a client, which may be behind proxies.
//!
//! Owns which header is trusted, and how much of it. Must never read a header unless a trusted
//! proxy added the last element: a client that connects directly could write any address into it,
//! and so count as a new client with each request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use crate::header_list;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The one header that the trusted proxies write. The other one is ignored, because a proxy passes
/// on headers that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedHeader {
    /// `X-Forwarded-For`: addresses joined by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the `for=` of each element.
    Forwarded,
}

/// The address of the peer of the socket. The accept loop puts it into the request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The proxies that are trusted. The default trusts none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: TrustedHeader,
}

impl TrustedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    /// The address in one element of the header's list.
    fn address(self, element: &[u8]) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(element),
            Self::Forwarded => forwarded_for(element),
        }
    }
}

impl TrustedProxies {
    /// Trusts `header` on every connection from `networks`.
    pub fn new(networks: impl IntoIterator<Item = IpNet>, header: TrustedHeader) -> Self {
        Self {
            networks: networks.into_iter().map(canonical).collect(),
            header,
        }
    }

    /// Whether `address` is one of the trusted proxies.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The address of the client behind a connection from `peer`: the rightmost address in the list
    /// that is not a trusted proxy.
    ///
    /// Several header lines are one list, which is searched from right to left. The search ends at
    /// an element that is not an address (garbage, `unknown`, or a name that the proxy made up);
    /// the client is then the address to the right of that element, or `peer` if there is none. If
    /// all addresses are trusted proxies, the client is the leftmost one. An IPv4 address that is
    /// written as IPv6 (`::ffff:192.0.2.1`) becomes the IPv4 address, so that no client counts
    /// twice.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(self.header.name()).iter().rev();
        let mut elements = lines.flat_map(|line| header_list::from_right(line.as_bytes(), b','));
        while self.contains(client) {
            match elements
                .next()
                .and_then(|element| self.header.address(element))
            {
                Some(hop) => client = hop.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// Converts a network of IPv4-mapped addresses to the IPv4 network that it means, because the
/// addresses to compare are never in the mapped form.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let address = mapped.addr().to_ipv4_mapped();
    let bits = mapped.prefix_len().checked_sub(96);
    match address
        .zip(bits)
        .map(|(address, bits)| Ipv4Net::new(address, bits))
    {
        Some(Ok(network)) => IpNet::V4(network),
        _ => network,
    }
}

/// The address of the `for=` of one element of `Forwarded`. Returns `None` if there are two (RFC
/// 7239, section 4).
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = header_list::from_right(element, b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let value = pair[at + 1..].trim_ascii();
        pair[..at]
            .trim_ascii()
            .eq_ignore_ascii_case(b"for")
            .then_some(value)
    });
    let value = found.next()?;
    if found.next().is_some() {
        return None;
    }
    node(header_list::unquoted(value))
}

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. Some proxies add the port to `X-Forwarded-For` too.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let well_formed = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address
            .parse::<Ipv6Addr>()
            .ok()
            .filter(|_| well_formed)
            .map(IpAddr::V6);
    }
    let (address, port) = text.split_once(':')?;
    address
        .parse::<Ipv4Addr>()
        .ok()
        .filter(|_| is_port(port))
        .map(IpAddr::V4)
}

/// Whether `text` consists of digits, or is an obfuscated port such as `_a1` (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Returns the client behind `peer`, with `10.0.0.0/8` and `fd00::/8` trusted to write
    /// `header`.
    fn client(header: TrustedHeader, peer: &str, lines: &[(HeaderName, &str)]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let lines = lines.iter().map(|(name, line)| {
            (
                name.clone(),
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            )
        });
        let headers: HeaderMap = lines.collect();
        TrustedProxies::new(networks, header)
            .client(peer.parse().unwrap(), &headers)
            .to_string()
    }

    fn by_x_forwarded_for(line: &str) -> String {
        client(
            TrustedHeader::XForwardedFor,
            PROXY,
            &[(X_FORWARDED_FOR, line)],
        )
    }

    fn by_forwarded(line: &str) -> String {
        client(TrustedHeader::Forwarded, PROXY, &[(FORWARDED, line)])
    }

    #[test]
    fn a_peer_that_is_not_a_trusted_proxy_is_the_client_whatever_its_headers_say() {
        let lines = [(X_FORWARDED_FOR, "192.0.2.1"), (FORWARDED, "for=192.0.2.1")];
        assert_eq!(
            client(TrustedHeader::XForwardedFor, "198.51.100.7", &lines),
            "198.51.100.7"
        );
        assert_eq!(
            client(TrustedHeader::Forwarded, "198.51.100.7", &lines),
            "198.51.100.7"
        );
        let headers =
            HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"))]);
        assert_eq!(
            TrustedProxies::default().client(Ipv4Addr::LOCALHOST.into(), &headers),
            Ipv4Addr::LOCALHOST
        );
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_trusted_proxy_is_the_client() {
        assert_eq!(by_x_forwarded_for("203.0.113.9"), "203.0.113.9");
        assert_eq!(
            by_x_forwarded_for("1.2.3.4, 203.0.113.9"),
            "203.0.113.9",
            "what a client forged is further left"
        );
        assert_eq!(
            by_x_forwarded_for("1.2.3.4, 203.0.113.9,10.1.1.1 , fd00::7"),
            "203.0.113.9"
        );
    }

    #[test]
    fn if_all_addresses_are_trusted_proxies_the_leftmost_one_is_the_client() {
        assert_eq!(by_x_forwarded_for("10.3.3.3, 10.2.2.2"), "10.3.3.3");
        assert_eq!(client(TrustedHeader::XForwardedFor, PROXY, &[]), PROXY);
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [
            (X_FORWARDED_FOR, "1.2.3.4"),
            (X_FORWARDED_FOR, "203.0.113.9, 10.2.2.2"),
            (X_FORWARDED_FOR, "10.1.1.1"),
        ];
        assert_eq!(
            client(TrustedHeader::XForwardedFor, PROXY, &lines),
            "203.0.113.9"
        );
    }

    #[test]
    fn only_the_trusted_header_is_read() {
        let lines = [(X_FORWARDED_FOR, "1.2.3.4"), (FORWARDED, "for=5.6.7.8")];
        assert_eq!(
            client(TrustedHeader::XForwardedFor, PROXY, &lines),
            "1.2.3.4"
        );
        assert_eq!(client(TrustedHeader::Forwarded, PROXY, &lines), "5.6.7.8");
        assert_eq!(client(TrustedHeader::Forwarded, PROXY, &lines[..1]), PROXY);
    }

    #[test]
    fn the_search_ends_at_an_element_that_is_not_an_address() {
        assert_eq!(by_x_forwarded_for("203.0.113.9, garbage"), PROXY);
        assert_eq!(
            by_x_forwarded_for("203.0.113.9, garbage, 10.2.2.2"),
            "10.2.2.2"
        );
        assert_eq!(
            by_x_forwarded_for("203.0.113.9, \u{fc}, 10.2.2.2"),
            "10.2.2.2"
        );
        assert_eq!(by_x_forwarded_for("garbage, 203.0.113.9"), "203.0.113.9");
        assert_eq!(
            by_forwarded("for=203.0.113.9, for=unknown, for=10.2.2.2"),
            "10.2.2.2"
        );
        assert_eq!(by_forwarded("for=203.0.113.9, for=_hidden"), PROXY);
        assert_eq!(by_forwarded("for=203.0.113.9, proto=https"), PROXY);
        assert_eq!(by_forwarded("for=1.2.3.4;for=203.0.113.9"), PROXY);
    }

    #[test]
    fn addresses_may_have_ports_and_brackets() {
        assert_eq!(by_x_forwarded_for("203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(by_x_forwarded_for("2001:db8::1"), "2001:db8::1");
        assert_eq!(by_x_forwarded_for("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(by_x_forwarded_for("[2001:db8::1]:4711"), "2001:db8::1");
        for bad in [
            "203.0.113.9:",
            "203.0.113.9:4 7",
            "[2001:db8::1",
            "[2001:db8::1]4711",
            "[203.0.113.9]",
            "fe80::1%eth0",
        ] {
            assert_eq!(by_x_forwarded_for(bad), PROXY, "{bad}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_defines_it() {
        assert_eq!(by_forwarded("for=192.0.2.43"), "192.0.2.43");
        assert_eq!(
            by_forwarded(r#"For="[2001:db8:cafe::17]:4711""#),
            "2001:db8:cafe::17"
        );
        assert_eq!(
            by_forwarded("for=192.0.2.60;proto=http;by=203.0.113.43"),
            "192.0.2.60"
        );
        assert_eq!(
            by_forwarded(r#"proto=https; host="a,b;for=1.1.1.1"; FOR="192.0.2.60:_p""#),
            "192.0.2.60"
        );
        assert_eq!(
            by_forwarded(r#"for=192.0.2.43, for="[fd00::5]""#),
            "192.0.2.43"
        );
    }

    #[test]
    fn an_unclosed_quote_from_a_client_does_not_hide_what_the_proxy_added() {
        assert_eq!(by_forwarded(r#"for=", for=203.0.113.9"#), "203.0.113.9");
        assert_eq!(
            by_forwarded(r#"for="1.2.3.4, for="[2001:db8::1]:80""#),
            "2001:db8::1"
        );
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_ipv4_address() {
        assert_eq!(
            client(TrustedHeader::XForwardedFor, "::ffff:198.51.100.7", &[]),
            "198.51.100.7"
        );
        let lines = [(X_FORWARDED_FOR, "::ffff:203.0.113.9")];
        assert_eq!(
            client(TrustedHeader::XForwardedFor, "::ffff:10.0.0.1", &lines),
            "203.0.113.9"
        );
        let mapped = TrustedProxies::new(
            ["::ffff:10.0.0.0/104".parse().unwrap()],
            TrustedHeader::XForwardedFor,
        );
        assert!(mapped.contains("10.9.9.9".parse().unwrap()));
        assert!(mapped.contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!mapped.contains("11.0.0.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_header_causes_a_panic_and_the_last_element_decides(line in prop::collection::vec(any::<u8>(), 0..64)) {
            for (header, name, last) in [
                (TrustedHeader::XForwardedFor, X_FORWARDED_FOR, &b"203.0.113.9"[..]),
                (TrustedHeader::Forwarded, FORWARDED, &b"for=203.0.113.9"[..]),
            ] {
                let line = [&line[..], b",", last].concat();
                if let Ok(value) = HeaderValue::from_bytes(&line) {
                    let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()], header);
                    let client = proxies.client(PROXY.parse().unwrap(), &HeaderMap::from_iter([(name, value)]));
                    prop_assert_eq!(client.to_string(), "203.0.113.9");
                }
            }
        }
    }
}
