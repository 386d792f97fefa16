//! Settings of the listener and of requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
pub use tidings_net::listen::Host;
use tidings_settings::rule::{Choice, List, Number, Parsed, Raw, Rule, Shape};
use tidings_settings::section;
use tidings_settings::setting::Preset;
use tidings_settings::units::{HOUR, KIB, MIB, MILLISECOND, MINUTE, Size, Span};

section! {
    "HTTP"
    /// Where the server listens, and which requests it accepts.
    pub struct Http {
        /// The TCP port to listen on. `0` selects any free port, which the banner shows.
        "port" => pub port: u16 = Number(0..=65_535), "3000";

        /// The addresses to listen on. `localhost` is `127.0.0.1` and, where it exists, `::1`. `::`
        /// is every address of both families, or `0.0.0.0` where there is no IPv6.
        "host" => pub host: Host = Addresses, Preset { development: "localhost", production: "::" };

        /// A prefix that is removed from every path, for proxies that forward `/api/…` unchanged. A
        /// slash at its end is ignored.
        "base_path" => pub base_path: Option<String> = BASE_PATH, "";

        /// The largest body of a request. The data of an event is limited to 251 KiB in any case,
        /// because some clients can't read more.
        "max_body_bytes" => pub max_body_bytes: usize = Size(KIB..=64 * MIB), "250KiB";

        /// The largest head of a request: its first line and all header fields together.
        "max_head_bytes" => pub max_head_bytes: usize = Size(8 * KIB..=MIB), "16KiB";

        /// How long a client may take to send the head of a request before its connection is
        /// closed. For the first request the time begins with the connection, and for a later one
        /// with its first byte.
        "head_timeout" => pub head_timeout: Duration = Span(100 * MILLISECOND..=5 * MINUTE), "10s";

        /// How long an idle connection is kept for its next request. Proxies and load balancers
        /// must close their idle connections earlier: otherwise they occasionally send a request on
        /// a connection that is just being closed, and answer 502. Google's load balancers keep
        /// connections for 600 seconds, which can't be changed.
        "idle_timeout" => pub idle_timeout: Duration = Span(100 * MILLISECOND..=HOUR), "620s";

        /// Proxies that are trusted to name the client's address. The client is the rightmost
        /// address in `TRUSTED_HEADER` that is not one of these proxies.
        "trusted_proxies" => pub trusted_proxies: Vec<IpNet> = List(NETWORK), "";

        /// The header field in which the trusted proxies write the client's address. The other of
        /// the two fields is ignored, because a proxy forwards
        /// it as the client sent it.
        "trusted_header" => pub trusted_header: TrustedHeader = TRUSTED_HEADER, "x-forwarded-for";
    }
}

/// The header field that trusted proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedHeader {
    /// `X-Forwarded-For`, the de facto standard.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

const BASE_PATH: Parsed<Option<String>> = Parsed {
    placeholder: "PATH",
    allowed: "a path that starts with `/`, such as `/api`, of letters, digits and `-._~`",
    read: |text| {
        let good = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Some(None);
        }
        let inside = path.strip_prefix('/')?;
        inside.split('/').all(good).then(|| Some(path.to_owned()))
    },
    show: |path| path.clone().unwrap_or_default(),
};

const NETWORK: Parsed<IpNet> = Parsed {
    placeholder: "NETWORK",
    allowed: "addresses or networks such as `10.0.0.0/8`",
    read: |text| {
        text.parse()
            .ok()
            .or_else(|| text.parse().map(IpAddr::into).ok())
    },
    show: |network| {
        if network.prefix_len() == network.max_prefix_len() {
            network.addr().to_string()
        } else {
            network.to_string()
        }
    },
};

const TRUSTED_HEADER: Choice<TrustedHeader> = Choice {
    of: &[
        ("x-forwarded-for", TrustedHeader::XForwardedFor),
        ("forwarded", TrustedHeader::Forwarded),
    ],
    note: "",
};

/// A list of addresses, in which `localhost` stands for both loopback addresses.
struct Addresses;

/// One address, or `localhost` for both loopback addresses.
const ADDRESS: Parsed<Vec<IpAddr>> = Parsed {
    placeholder: "ADDRESS",
    allowed: "IP addresses or `localhost`",
    read: |text| match text {
        "localhost" => Some(LOOPBACK.to_vec()),
        text => {
            let bare = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            Some(vec![bare.unwrap_or(text).parse().ok()?])
        }
    },
    show: |addresses| {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        addresses.join(",")
    },
};

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

impl Rule for Addresses {
    type Value = Host;

    fn read(&self, raw: &Raw) -> Option<Host> {
        let mut addresses = Vec::new();
        for address in List(ADDRESS).read(raw)?.concat() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        match addresses.as_slice() {
            [] => None,
            [IpAddr::V6(only)] if only.is_unspecified() => Some(Host::Everywhere),
            [one, other] if LOOPBACK == [*one, *other] || LOOPBACK == [*other, *one] => {
                Some(Host::Loopback)
            }
            _ => Some(Host::Listed(addresses)),
        }
    }

    fn allowed(&self) -> String {
        List(ADDRESS).allowed()
    }

    fn show(&self, host: &Host) -> String {
        match host {
            Host::Loopback => "localhost".to_owned(),
            Host::Everywhere => Ipv6Addr::UNSPECIFIED.to_string(),
            Host::Listed(addresses) => (ADDRESS.show)(addresses),
        }
    }

    fn placeholder(&self) -> &'static str {
        List(ADDRESS).placeholder()
    }

    fn shape(&self) -> Shape {
        List(ADDRESS).shape()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<Host> {
        Addresses.read(&Raw::Text(text.to_owned()))
    }

    #[test]
    fn localhost_is_both_loopback_addresses_and_a_double_colon_is_every_address() {
        assert_eq!(host("localhost"), Some(Host::Loopback));
        assert_eq!(host("::1, 127.0.0.1"), Some(Host::Loopback));
        assert_eq!(host("::"), Some(Host::Everywhere));
        assert_eq!(host("[::]"), Some(Host::Everywhere));
        let listed = vec![
            Ipv4Addr::new(10, 0, 0, 1).into(),
            Ipv6Addr::LOCALHOST.into(),
        ];
        assert_eq!(host("10.0.0.1,::1,10.0.0.1"), Some(Host::Listed(listed)));
        for text in ["", ",", "example.com", "1.2.3", "localhost:3000"] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn a_base_path_starts_with_a_slash_and_loses_one_at_its_end() {
        let path = |text: &str| BASE_PATH.read(&Raw::Text(text.to_owned()));
        assert_eq!(path("/api"), Some(Some("/api".to_owned())));
        assert_eq!(path("/api/v1/"), Some(Some("/api/v1".to_owned())));
        assert_eq!(path(""), Some(None));
        assert_eq!(path("/"), Some(None));
        for text in [
            "api",
            "//",
            "/api//v1",
            "/..",
            "/a/../b",
            "/a?b",
            "/a#b",
            "/a b",
            "/é",
            "https://a",
        ] {
            assert_eq!(path(text), None, "{text}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let shown = |text: &str| {
            let networks = List(NETWORK);
            networks
                .read(&Raw::Text(text.to_owned()))
                .map(|list| networks.show(&list))
        };
        assert_eq!(shown("10.1.2.3/8, ::1").as_deref(), Some("10.1.2.3/8,::1"));
        assert_eq!(shown("proxy.internal"), None);
        assert_eq!(shown("10.0.0.0/33"), None);
    }
}
