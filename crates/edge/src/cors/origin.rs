//! A web page's origin: scheme, host and port (RFC 6454, section 4).
//!
//! Owns how origins are parsed and compared. They are compared part by part, because
//! `https://example.com.evil.net` begins with `https://example.com` and is another origin.
//!
//! The crate `url` can't be used. It accepts and corrects texts that have to be refused here
//! (`https:example.com`, `https://example.com:`, a tab in the name, a path), and gives
//! `capacitor://localhost` and `chrome-extension://…` the opaque origin `null`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::{Authority, Scheme};

/// An origin in its canonical form: lower case, and without the default port of its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Origin {
    /// Parses `scheme://host` or `scheme://host:port`, and nothing else: no user, path, query or
    /// `*`, and no `null`. Names outside ASCII must be in Punycode, as browsers send them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.parse::<Scheme>().ok()?.as_str().to_ascii_lowercase();
        let authority: Authority = authority.parse().ok()?;
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host)? {
            "" => None,
            port => Some(
                port.strip_prefix(':')
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?,
            ),
        };
        let port: Option<u16> = port.map(str::parse).transpose().ok()?;
        let default_port = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Some(Self {
            host: Host::parse(host)?,
            port: port.filter(|port| Some(*port) != default_port),
            scheme,
        })
    }

    /// Whether the host is a name rather than an address.
    pub(super) fn has_name(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// Whether the host is one or more labels below the host of `parent`, with the same scheme and
    /// port.
    pub(super) fn is_subdomain_of(&self, parent: &Self) -> bool {
        let (Host::Name(name), Host::Name(parent_name)) = (&self.host, &parent.host) else {
            return false;
        };
        let labels = name
            .strip_suffix(parent_name.as_str())
            .and_then(|labels| labels.strip_suffix('.'));
        let is_below = labels.is_some_and(|labels| !labels.is_empty());
        is_below && self.scheme == parent.scheme && self.port == parent.port
    }

    /// Whether the host can only be this machine or one in the same network: a loopback address,
    /// `localhost` or a name below it (RFC 6761), a private address (RFC 1918, RFC 4193), or a name
    /// in `.local` (RFC 6762).
    pub(super) fn is_local(&self) -> bool {
        match &self.host {
            Host::Name(name) => {
                name == "localhost"
                    || matches!(name.rsplit_once('.'), Some((_, "localhost" | "local")))
            }
            Host::Address(address) => match address.to_canonical() {
                IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
                IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
            },
        }
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let address: Ipv6Addr = bracketed.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!text.is_empty() && text.bytes().all(valid)).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap_or_else(|| panic!("{text} is an origin"))
    }

    #[test]
    fn case_and_the_default_port_of_the_scheme_make_no_difference() {
        assert_eq!(
            origin("HTTPS://Example.COM:443"),
            origin("https://example.com")
        );
        assert_eq!(
            origin("http://example.com:80"),
            origin("http://example.com")
        );
        assert_eq!(origin("http://[0:0::1]:80"), origin("http://[::1]"));
        assert_ne!(
            origin("https://example.com:80"),
            origin("https://example.com")
        );
        assert_ne!(origin("http://example.com"), origin("https://example.com"));
        assert_ne!(
            origin("https://example.com."),
            origin("https://example.com")
        );
    }

    #[test]
    fn other_schemes_have_origins_too() {
        assert_eq!(origin("capacitor://localhost").port, None);
        assert_ne!(
            origin("chrome-extension://abc"),
            origin("chrome-extension://abd")
        );
    }

    #[test]
    fn only_scheme_host_and_port_are_an_origin() {
        for text in [
            "",
            "null",
            "*",
            "example.com",
            "https://",
            "https://:80",
            "//example.com",
            "https:example.com",
            "https://example.com/",
            "https://example.com/a",
            "https://example.com?a",
            "https://example.com#a",
            "https://user@example.com",
            "https://a:b@example.com",
            "https://example.com:",
            "https://example.com:+80",
            "https://example.com:65536",
            "https://example.com:8a",
            "https://*.example.com",
            "https://exa mple.com",
            "https://example.com https://example.org",
            "https://exämple.com",
            "http://[::1",
            "http://::1",
            "http://[1.2.3.4]",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_subdomain_has_one_or_more_labels_more_than_its_parent() {
        let parent = origin("https://example.com");
        for text in [
            "https://a.example.com",
            "https://a.b.example.com",
            "https://a.example.com:443",
        ] {
            assert!(origin(text).is_subdomain_of(&parent), "{text}");
        }
        for text in [
            "https://example.com",
            "https://.example.com",
            "https://badexample.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.net",
            "https://example.com.a",
        ] {
            assert!(!origin(text).is_subdomain_of(&parent), "{text}");
        }
    }

    #[test]
    fn loopback_private_addresses_and_local_names_are_local() {
        for text in [
            "http://localhost:5173",
            "https://app.localhost",
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://[::1]:3000",
            "http://10.0.0.1",
            "http://172.31.255.1",
            "http://192.168.1.2:8080",
            "http://[fd12::1]",
            "http://mac.local",
            "http://[::ffff:10.0.0.1]",
            "capacitor://localhost",
        ] {
            assert!(origin(text).is_local(), "{text}");
        }
        for text in [
            "http://localhost.evil.net",
            "http://127.0.0.1.evil.net",
            "http://notlocalhost",
            "http://172.32.0.1",
            "http://11.0.0.1",
            "http://192.169.0.1",
            "http://[2001:db8::1]",
            "http://local",
            "http://evil.net",
        ] {
            assert!(!origin(text).is_local(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in any::<String>(), host in "[ -~]{0,20}") {
            let _ = Origin::parse(&text);
            let _ = Origin::parse(&format!("https://{host}"));
        }

        #[test]
        fn an_origin_with_a_suffix_is_another_origin(rest in "[a-z0-9.:@/-]{1,12}") {
            let home = origin("https://example.com");
            let other = Origin::parse(&format!("https://example.com{rest}"));
            prop_assert!(other.is_none_or(|other| other != home) || rest.trim_start_matches(":0").ends_with("443"));
        }
    }
}
