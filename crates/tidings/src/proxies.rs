//! The effects of proxies on event streams, and the lines of configuration that fix them.
//!
//! Owns this knowledge for all who present it: `tidings doctor`, `docs/proxies.md` and
//! `docs/proxies.json`, from which the doctor of the page is built. Must never measure anything
//! itself.

#[cfg(test)]
mod document;
mod fix;

use http::HeaderMap;

pub(crate) use fix::fix;

/// A proxy for which there is advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Proxy {
    Nginx,
    Apache,
    Caddy,
    Traefik,
    Haproxy,
    Envoy,
    Alb,
    Cloudflare,
}

/// What a proxy can do to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Buffering,
    Compression,
    IdleCut,
    Path,
    Query,
    Authorization,
    LastEventId,
    Address,
    Headers,
    Ending,
    Http1,
}

/// The header field by which each proxy is recognised, and a word in its value. Traefik and HAProxy
/// add nothing to the head. The outermost proxy comes first, because it wrote last.
const SIGNS: [(Proxy, &str, &str); 11] = [
    (Proxy::Cloudflare, "cf-ray", ""),
    (Proxy::Cloudflare, "server", "cloudflare"),
    (Proxy::Alb, "server", "awselb"),
    (Proxy::Alb, "set-cookie", "awsalb"),
    (Proxy::Caddy, "via", "caddy"),
    (Proxy::Caddy, "server", "caddy"),
    (Proxy::Nginx, "server", "nginx"),
    (Proxy::Nginx, "server", "openresty"),
    (Proxy::Apache, "server", "apache"),
    (Proxy::Envoy, "server", "envoy"),
    (Proxy::Envoy, "x-envoy-upstream-service-time", ""),
];

impl Proxy {
    pub(crate) const ALL: [Self; 8] = [
        Self::Nginx,
        Self::Apache,
        Self::Caddy,
        Self::Traefik,
        Self::Haproxy,
        Self::Envoy,
        Self::Alb,
        Self::Cloudflare,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Alb => "AWS ALB",
            Self::Cloudflare => "Cloudflare",
        }
    }

    /// Returns the name for `--proxy` and for the JSON document.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Alb => "alb",
            Self::Cloudflare => "cloudflare",
        }
    }

    /// Returns the proxy that the head of an answer reveals, if it reveals one.
    pub(crate) fn guess(headers: &HeaderMap) -> Option<Self> {
        let says = |name: &str, word: &str| {
            headers
                .get_all(name)
                .iter()
                .any(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains(word))
        };
        SIGNS.iter().find(|(_, name, word)| says(name, word)).map(|(proxy, ..)| *proxy)
    }
}

impl Trouble {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Buffering,
        Self::Compression,
        Self::IdleCut,
        Self::Path,
        Self::Query,
        Self::Authorization,
        Self::LastEventId,
        Self::Address,
        Self::Headers,
        Self::Ending,
        Self::Http1,
    ];

    /// Returns the name of the check of `tidings doctor` that detects it.
    pub(crate) fn check(self) -> &'static str {
        match self {
            Self::Buffering => "buffering",
            Self::Compression => "compression",
            Self::IdleCut => "idle",
            Self::Path => "path",
            Self::Query => "query",
            Self::Authorization => "authorization",
            Self::LastEventId => "last-event-id",
            Self::Address => "address",
            Self::Headers => "headers",
            Self::Ending => "ending",
            Self::Http1 => "http-version",
        }
    }

    /// Describes what it means for readers of the stream.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Buffering => {
                "Something between holds events back until enough of them have come: readers see them late and in clumps, \
                 or not at all. Where no setting helps, look for a virus scanner or another filter that reads answers whole."
            }
            Self::Compression => {
                "The proxy compresses the stream, although it is marked no-transform. A compressor may hold events back, \
                 and keeps a window of up to 256 KiB for each open stream."
            }
            Self::IdleCut => {
                "The proxy closes streams that are silent for longer than it waits. Readers come back and miss nothing, but \
                 each does so over and over. Its patience must be longer than the server's HEARTBEAT_INTERVAL."
            }
            Self::Path => {
                "The path that arrives is none of the server's: it is passed on with a prefix that the server does not \
                 expect, or without one that it does. Either the proxy takes the prefix off, or BASE_PATH names it."
            }
            Self::Query => {
                "What stands behind the ? of the URL did not arrive: streams follow something else than was asked for, and \
                 tokens and places in a URL are lost."
            }
            Self::Authorization => {
                "The token that was sent did not arrive: readers are anonymous, and get nothing that is meant for them."
            }
            Self::LastEventId => {
                "The id that was sent did not arrive: a reader that comes back gets nothing of what it missed. Until it \
                 does, clients can put it into the URL, as ?lastEventId=."
            }
            Self::Address => {
                "The server takes this client for another machine, the proxy for one: all clients together count as one \
                 address, and one of them can use up what is meant for all (MAX_CONNECTIONS_PER_IP, refused credentials). \
                 The proxy has to send X-Forwarded-For, and TRUSTED_PROXIES has to name the address that it comes from."
            }
            Self::Headers => {
                "The head of the answer is not the server's: caches may keep the stream and show it to others, or a browser \
                 may not take it for one."
            }
            Self::Ending => {
                "A stream that the server cuts arrives as one that is finished, as over HTTP/1.0 to the server: some clients \
                 take that for the end and never come back (fetch-event-source, httpx-sse, sseclient-py)."
            }
            Self::Http1 => {
                "Over HTTP/1.1 a browser opens six connections to an origin, in all its tabs together: six streams, and \
                 every other call waits. HTTP/2 lifts that."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn guess(name: &'static str, value: &'static str) -> Option<Proxy> {
        let header = (HeaderName::from_static(name), HeaderValue::from_static(value));
        Proxy::guess(&HeaderMap::from_iter([header]))
    }

    #[test]
    fn a_proxy_is_known_by_what_it_puts_into_the_head() {
        assert_eq!(guess("server", "nginx/1.22.1"), Some(Proxy::Nginx));
        assert_eq!(guess("server", "Caddy"), Some(Proxy::Caddy));
        assert_eq!(guess("via", "1.1 Caddy"), Some(Proxy::Caddy));
        assert_eq!(guess("cf-ray", "8f2"), Some(Proxy::Cloudflare));
        assert_eq!(guess("server", "awselb/2.0"), Some(Proxy::Alb));
        assert_eq!(guess("server", "Apache/2.4.66 (Debian)"), Some(Proxy::Apache));
        assert_eq!(guess("server", "envoy"), Some(Proxy::Envoy));
        assert_eq!(guess("server", "gunicorn"), None);
    }

    #[test]
    fn the_words_are_those_of_the_command_line() {
        use clap::ValueEnum as _;
        for proxy in Proxy::ALL {
            assert_eq!(proxy.to_possible_value().unwrap().get_name(), proxy.word());
        }
    }
}
