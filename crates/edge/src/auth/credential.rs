//! Where a request carries its credential.
//!
//! Owns the places and their order. Must never verify a credential, because the first one that is
//! present is the only one that counts, even if it is invalid.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// The header in which a browser says how the page that made a request relates to this server
/// (Fetch Metadata, section 2.1).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A credential as the client sent it, not yet verified. It holds a secret, so it has no `Debug`.
pub struct Credential {
    kind: Kind,
    /// Whether it came in a cookie, which a browser sends without being told to.
    is_cookie: bool,
}

/// What kind a credential is, by the place where the client sent it.
pub(super) enum Kind {
    /// A demo token or a JWT.
    Token(String),
    /// From `?ticket=`. Its text is not kept, because this server does not issue tickets yet.
    Ticket,
}

impl Credential {
    /// Finds the first credential that is present, in this order: `Authorization: Bearer`,
    /// `?token=`, and for streams `?ticket=` and the cookie named `cookie`.
    ///
    /// The last two are only for streams, because a browser's `EventSource` can't set headers. A
    /// cookie that could publish would allow cross-site request forgery, and a ticket must not
    /// outlive its one purpose.
    ///
    /// - Another scheme than `Bearer`, or `Bearer` without a token, counts as absent. The scheme's
    ///   case does not matter.
    /// - An empty parameter or cookie counts as absent. If one is repeated, the first that is not
    ///   empty counts.
    /// - `?token=` restores the `+` of a Base64 token that was not percent-encoded and therefore
    ///   arrives as a space: no token contains spaces. A cookie is percent-decoded, because no
    ///   token contains a `%`.
    pub fn find(
        headers: &HeaderMap,
        query: Option<&str>,
        cookie: Option<&str>,
        for_stream: bool,
    ) -> Option<Self> {
        let query = query.unwrap_or_default();
        let sent_by_client = |kind| {
            Some(Self {
                kind,
                is_cookie: false,
            })
        };
        if let Some(token) = bearer(headers) {
            return sent_by_client(Kind::Token(token));
        }
        if let Some(token) = parameter(query, "token") {
            return sent_by_client(Kind::Token(token.replace(' ', "+")));
        }
        if !for_stream {
            return None;
        }
        if parameter(query, "ticket").is_some() {
            return sent_by_client(Kind::Ticket);
        }
        cookie_value(headers, cookie?).map(|token| Self {
            kind: Kind::Token(token),
            is_cookie: true,
        })
    }

    /// Whether the credential may be used. A cookie may not if a page of another site made the
    /// browser send it.
    ///
    /// With `SameSite=None`, any page can open streams on behalf of its visitors. It can't read
    /// them, but it can use up the visitor's limit of streams. So a cookie counts if the request
    /// has no `Origin` and the browser does not call it `cross-site`, or if `is_allowed` says that
    /// the page's origin may send credentials.
    pub fn is_usable(
        &self,
        headers: &HeaderMap,
        is_allowed: impl Fn(&HeaderValue) -> bool,
    ) -> bool {
        let is_same_site =
            |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"same-site" | b"none");
        if !self.is_cookie {
            return true;
        }
        if headers.contains_key(ORIGIN) {
            return headers.get_all(ORIGIN).iter().all(is_allowed);
        }
        headers.get_all(FETCH_SITE).iter().all(is_same_site)
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// The token of the first `Bearer` that has one. Bytes that are not UTF-8 become replacement
/// characters: such a token is present, and is refused.
fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let (scheme, token) = value.trim().split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then(|| token.to_owned())
    })
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value)
}

/// The value of a cookie (RFC 6265, section 5.4): `name=value` pairs are joined by `;`. HTTP/2 may
/// split them over several lines (RFC 9113, section 8.2.3). The value may be in quotes.
fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(COOKIE).iter().find_map(|line| {
        let line = String::from_utf8_lossy(line.as_bytes());
        line.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value = value.trim();
            let value = value
                .strip_prefix('"')
                .and_then(|inner| inner.strip_suffix('"'))
                .unwrap_or(value);
            (key.trim() == name && !value.is_empty())
                .then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(http::HeaderName, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                )
            })
            .collect()
    }

    /// Returns what was found on a stream whose cookie is named `sid`: the token, or `ticket`.
    fn found(lines: &[(http::HeaderName, &str)], query: &str) -> Option<String> {
        Credential::find(&headers(lines), Some(query), Some("sid"), true).map(|credential| {
            match credential.kind {
                Kind::Token(token) => token,
                Kind::Ticket => "ticket".to_owned(),
            }
        })
    }

    #[test]
    fn the_first_present_credential_decides() {
        let cookie = (COOKIE, "sid=d");
        let bearer = (AUTHORIZATION, "Bearer a");
        let query = "ticket=c&token=b";
        assert_eq!(
            found(&[cookie.clone(), bearer], query).as_deref(),
            Some("a")
        );
        assert_eq!(
            found(std::slice::from_ref(&cookie), query).as_deref(),
            Some("b")
        );
        assert_eq!(
            found(std::slice::from_ref(&cookie), "ticket=c").as_deref(),
            Some("ticket")
        );
        assert_eq!(found(&[cookie], "").as_deref(), Some("d"));
        assert_eq!(found(&[], ""), None);
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_may_be_followed_by_several_spaces() {
        for line in ["Bearer a", "bearer a", "BEARER  a "] {
            assert_eq!(
                found(&[(AUTHORIZATION, line)], "").as_deref(),
                Some("a"),
                "{line}"
            );
        }
    }

    #[test]
    fn another_scheme_or_an_empty_bearer_counts_as_absent() {
        for line in [
            "Basic a",
            "Bearera",
            "a",
            "Bearer",
            "Bearer ",
            "Bearer    ",
            "",
        ] {
            assert_eq!(
                found(&[(AUTHORIZATION, line)], "token=b").as_deref(),
                Some("b"),
                "{line}"
            );
            assert_eq!(found(&[(AUTHORIZATION, line)], ""), None, "{line}");
        }
        let both = [(AUTHORIZATION, "Basic x"), (AUTHORIZATION, "Bearer a")];
        assert_eq!(found(&both, "").as_deref(), Some("a"));
    }

    #[test]
    fn a_bearer_that_is_not_utf8_is_present() {
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap(),
        );
        assert!(
            Credential::find(&headers, Some("token=b"), None, true).is_some_and(
                |credential| matches!(credential.kind, Kind::Token(token) if token != "b")
            )
        );
    }

    #[test]
    fn an_empty_parameter_counts_as_absent() {
        assert_eq!(
            found(&[(COOKIE, "sid=d")], "token=&ticket=&token").as_deref(),
            Some("d")
        );
        assert_eq!(found(&[], "token=&token=b").as_deref(), Some("b"));
    }

    #[test]
    fn a_plus_that_was_decoded_to_a_space_is_restored() {
        for query in ["token=a+b+=", "token=a%2Bb%2B%3D", "token=a%20b+%3D"] {
            assert_eq!(found(&[], query).as_deref(), Some("a+b+="), "{query}");
        }
    }

    #[test]
    fn tickets_and_cookies_are_for_streams_only() {
        let headers = headers(&[(COOKIE, "sid=d")]);
        assert!(Credential::find(&headers, Some("ticket=c"), Some("sid"), false).is_none());
        assert!(Credential::find(&headers, None, Some("sid"), false).is_none());
        assert!(Credential::find(&headers, None, None, true).is_none());
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_among_others_and_over_several_lines() {
        let lines = [
            (COOKIE, "xsid=1; sidx=2; SID=3"),
            (COOKIE, "flag; sid=YQ==; sid=5"),
        ];
        assert_eq!(found(&lines, "").as_deref(), Some("YQ=="));
        assert_eq!(
            found(&[(COOKIE, "sid=\"YQ%3D%3D\"")], "").as_deref(),
            Some("YQ==")
        );
        assert_eq!(found(&[(COOKIE, "sid=")], ""), None);
    }

    #[test]
    fn a_cookie_is_not_usable_if_a_page_of_another_site_had_it_sent() {
        let allowed = |origin: &HeaderValue| origin == "https://app.example.com";
        let is_usable = |lines: &[(&'static str, &str)]| {
            let lines = lines
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), *value));
            let headers = headers(&lines.chain([(COOKIE, "sid=d")]).collect::<Vec<_>>());
            let found = |query| Credential::find(&headers, query, Some("sid"), true).unwrap();
            assert!(
                found(Some("token=b")).is_usable(&headers, allowed),
                "a credential that is not a cookie is always usable"
            );
            found(None).is_usable(&headers, allowed)
        };
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://app.example.com")],
            &[
                ("origin", "https://app.example.com"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(is_usable(good), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "Same-Origin")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "")],
            &[
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[
                ("origin", "https://app.example.com"),
                ("origin", "https://evil.example"),
            ],
        ] {
            assert!(!is_usable(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_request_causes_a_panic(line in prop::collection::vec(any::<u8>(), 0..64), query in any::<String>()) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                headers.append(AUTHORIZATION, value.clone());
                headers.append(COOKIE, value);
            }
            let _ = Credential::find(&headers, Some(&query), Some("sid"), true);
        }

        #[test]
        fn a_token_is_read_from_a_query_whether_it_is_encoded_or_not(token in "[A-Za-z0-9+/]{1,64}={0,2}") {
            let encoded = form_urlencoded::Serializer::new(String::new()).append_pair("token", &token).finish();
            prop_assert_eq!(found(&[], &encoded), Some(token.clone()));
            prop_assert_eq!(found(&[], &format!("token={token}")), Some(token));
        }
    }
}
