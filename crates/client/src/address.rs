//! The address of a server.
//!
//! Owns the rules for `--url`: the scheme, the host and the path prefix are checked, and
//! credentials are refused, because they would end up in shell histories and error messages.
//!
//! The text is parsed as a [`Uri`], because the crate `url` accepts texts that must be refused
//! here, such as `http:///host` and `http://host:` (an unset `$PORT`).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The base of all URLs of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or a path such as `/api`, without a slash at the end.
    prefix: String,
}

/// Why a text is not an address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not an `http://…` or `https://…` URL with a host.
    #[error("an address must look like http://localhost:3000 or https://events.example.com/api")]
    Form,
    /// The text contains `user:password@`.
    #[error(
        "an address must not contain a user or password; set TIDINGS_TOKEN to the token instead"
    )]
    Credentials,
    /// The port is out of range (`:99999`), or missing after its colon (`http://localhost:$PORT`
    /// where `PORT` is not set).
    #[error("the port of an address must be a number from 1 to 65535")]
    Port,
    /// The text contains a query.
    #[error("an address must not contain a query")]
    Query,
}

/// The error for a path that no URI can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path must begin with a slash")]
pub struct NotAPath;

/// Characters that must be percent-encoded in a path, because a person may type them and a URI
/// can't contain them. `%` is not among them, because it begins an escape.
const TO_ENCODE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Address {
    /// Returns the URI of a path, which may have a query.
    pub fn at(&self, path: &str) -> Result<Uri, NotAPath> {
        if !path.starts_with('/') {
            return Err(NotAPath); // otherwise, `/api` and `nope` would become `/apinope`
        }
        let typed = format!("{}{path}", self.prefix);
        let encoded = utf8_percent_encode(&typed, TO_ENCODE).to_string();
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(encoded);
        uri.build().map_err(|_| NotAPath)
    }

    /// Returns whether connections to the server use TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns whether the address can only be that of this machine: a loopback address, or
    /// `localhost` (RFC 6761, section 6.3).
    pub fn is_loopback(&self) -> bool {
        let host = self.authority.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.parse::<Uri>().map_err(|_| Error::Form)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(Error::Form);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(Error::Form);
        }
        if authority.as_str().contains('@') {
            return Err(Error::Credentials);
        }
        // If such a port were treated as absent, the token would be sent to port 80.
        if authority.as_str() != authority.host()
            && authority.port_u16().is_none_or(|port| port == 0)
        {
            return Err(Error::Port);
        }
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(Error::Query);
        }
        let prefix = path
            .map_or("", |path| path.path())
            .trim_end_matches('/')
            .to_owned();
        Ok(Self {
            scheme,
            authority,
            prefix,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_appended_to_the_prefix() {
        let at = |base: &str, path: &str| address(base).at(path).unwrap().to_string();
        assert_eq!(
            at("http://localhost:3000", "/a/b?c=d"),
            "http://localhost:3000/a/b?c=d"
        );
        assert_eq!(
            at("http://localhost:3000/", "/a"),
            "http://localhost:3000/a"
        );
        assert_eq!(
            at("https://example.com/api/", "/a"),
            "https://example.com/api/a"
        );
    }

    #[test]
    fn characters_that_a_uri_cannot_contain_are_encoded() {
        let at = |path: &str| address("http://h").at(path).unwrap().to_string();
        assert_eq!(
            at("/chat/stream?roomId=caf\u{e9} 1"),
            "http://h/chat/stream?roomId=caf%C3%A9%201"
        );
        assert_eq!(at("/a%20b"), "http://h/a%20b");
        assert_eq!(at("/a\r\nHost: x"), "http://h/a%0D%0AHost:%20x");
    }

    #[test]
    fn a_path_without_a_leading_slash_is_refused() {
        for path in ["", "a", "?a=b", "http://other/a"] {
            assert!(
                matches!(address("http://h/api").at(path), Err(NotAPath)),
                "{path}"
            );
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            "localhost:3000",
            "/a",
            "ftp://h",
            "http://",
            "not a url",
            "ws://h",
        ] {
            assert_eq!(text.parse::<Address>(), Err(Error::Form), "{text}");
        }
        assert_eq!(
            "http://ann:secret@h/".parse::<Address>(),
            Err(Error::Credentials)
        );
        assert_eq!(
            "http://h/?token=secret".parse::<Address>(),
            Err(Error::Query)
        );
        for text in [
            "http://h:",
            "http://h:0",
            "http://h:65536/api",
            "https://[::1]:99999",
        ] {
            assert_eq!(text.parse::<Address>(), Err(Error::Port), "{text}");
        }
        for text in [
            "http://h",
            "http://h:65535",
            "http://[::1]",
            "https://[::1]:443/api",
        ] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for text in [
            "http://localhost:1",
            "http://LOCALHOST",
            "http://127.0.0.1:3000/api",
            "http://127.9.9.9",
            "https://[::1]:3",
        ] {
            assert!(address(text).is_loopback(), "{text}");
        }
        for text in [
            "http://example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://[::2]",
            "http://127.0.0.1.example.com",
        ] {
            assert!(!address(text).is_loopback(), "{text}");
        }
    }
}
