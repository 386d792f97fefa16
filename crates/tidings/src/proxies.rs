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

/// The header fields by which proxies are recognised, with text that the value contains. Traefik
/// and HAProxy add no field. Proxies that are usually the outermost come first.
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
    pub(crate) fn id(self) -> &'static str {
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

    /// Returns the proxy that is recognised by the head of an answer, if any.
    pub(crate) fn guess(headers: &HeaderMap) -> Option<Self> {
        let has = |name: &str, text: &str| {
            headers.get_all(name).iter().any(|value| {
                String::from_utf8_lossy(value.as_bytes())
                    .to_ascii_lowercase()
                    .contains(text)
            })
        };
        SIGNS
            .iter()
            .find(|(_, name, text)| has(name, text))
            .map(|(proxy, ..)| *proxy)
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

    /// Explains the effect on readers of the stream.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Buffering => {
                "Something between the server and its readers buffers events: readers get several \
                 at once and late, or none at all. If no setting helps, look for a virus scanner \
                 or another filter that reads whole answers."
            }
            Self::Compression => {
                "The proxy compresses the stream, although it is marked no-transform. A \
                 compressor may buffer events, and keeps a window of up to 256 KiB for each open \
                 stream."
            }
            Self::IdleCut => {
                "The proxy closes streams that are idle for longer than its timeout. Readers \
                 reconnect and miss nothing, but they do so again and again. The timeout must be \
                 longer than the server's HEARTBEAT_INTERVAL."
            }
            Self::Path => {
                "The server does not know the path that arrives: the proxy forwards it with a \
                 prefix that the server does not expect, or without one that it expects. Either \
                 the proxy must remove the prefix, or BASE_PATH must name it."
            }
            Self::Query => {
                "The query of the URL did not arrive: streams do not have the topics that were \
                 asked for, and a token or a last id in the URL is lost."
            }
            Self::Authorization => {
                "The token did not arrive: readers are anonymous, and get no events that are for \
                 them alone."
            }
            Self::LastEventId => {
                "The last id did not arrive: a reader that reconnects gets no event that it \
                 missed. As long as the proxy is not fixed, clients can put the id into the URL, \
                 as ?lastEventId=."
            }
            Self::Address => {
                "The server knows this client by the address of the proxy: all clients count as \
                 one address, and one of them can use up the limits of all \
                 (MAX_CONNECTIONS_PER_IP, refused credentials). The proxy must send \
                 X-Forwarded-For, and TRUSTED_PROXIES must contain the address from which the \
                 proxy connects."
            }
            Self::Headers => {
                "The proxy changed the head of the answer: caches may keep the stream and show it \
                 to others, or a browser may not recognise it as a stream."
            }
            Self::Ending => {
                "The server cut off a stream, but its body arrives as complete, as it does if the \
                 proxy speaks HTTP/1.0 to the server. Some clients then never reconnect \
                 (fetch-event-source, httpx-sse, sseclient-py)."
            }
            Self::Http1 => {
                "Over HTTP/1.1 a browser opens at most six connections to an origin, in all its \
                 tabs together: with six open streams, every other call waits. HTTP/2 has no such \
                 limit."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn guess(name: &'static str, value: &'static str) -> Option<Proxy> {
        let header = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        Proxy::guess(&HeaderMap::from_iter([header]))
    }

    #[test]
    fn a_proxy_is_recognised_by_the_header_fields_that_it_adds() {
        assert_eq!(guess("server", "nginx/1.22.1"), Some(Proxy::Nginx));
        assert_eq!(guess("server", "Caddy"), Some(Proxy::Caddy));
        assert_eq!(guess("via", "1.1 Caddy"), Some(Proxy::Caddy));
        assert_eq!(guess("cf-ray", "8f2"), Some(Proxy::Cloudflare));
        assert_eq!(guess("server", "awselb/2.0"), Some(Proxy::Alb));
        assert_eq!(
            guess("server", "Apache/2.4.66 (Debian)"),
            Some(Proxy::Apache)
        );
        assert_eq!(guess("server", "envoy"), Some(Proxy::Envoy));
        assert_eq!(guess("server", "gunicorn"), None);
    }

    #[test]
    fn the_ids_are_the_values_of_the_flag() {
        use clap::ValueEnum as _;
        for proxy in Proxy::ALL {
            assert_eq!(proxy.to_possible_value().unwrap().get_name(), proxy.id());
        }
    }
}
