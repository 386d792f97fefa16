//! Authentication: from the credential of a request to a verified [`Identity`].
//!
//! Owns the order in which credentials are looked for ([`Credential::find`]), the form of each kind
//! of token ([`demo`], [`jwt`]), and the two ways to verify a credential, of which an endpoint
//! chooses one ([`Authenticator::required`], [`Authenticator::optional`]). What an identity may do
//! is decided by [`guard`] alone, according to the [`rule`]s.
//!
//! Must never try the next credential after one was refused. Must never reveal the text of a
//! credential: no type here that holds one implements `Debug`.

mod credential;
pub mod demo;
pub mod guard;
mod identity;
pub mod jwt;
pub mod mint;
pub mod rule;

use jiff::Timestamp;

pub use credential::Credential;
pub use guard::By;
pub use identity::{Expiry, Identity};

use credential::Kind;

/// The longest token that is accepted, in bytes. A request head may have 16 KiB. Real tokens are
/// shorter than 4 KiB, because common proxies do not accept longer header lines.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Which credentials are accepted. Holds a secret, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Options {
    /// Whether demo tokens are accepted. Anyone can write one, so this is for development only.
    pub demo: bool,
    /// How JWTs are verified. `None` refuses every JWT.
    pub jwt: Option<jwt::Options>,
}

/// Verifies credentials. The result depends only on the credential and the time.
pub struct Authenticator {
    demo: bool,
    jwt: Option<jwt::Verifier>,
}

/// The caller of an endpoint that also serves anonymous callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The verified identity; `None` if the caller is anonymous.
    pub identity: Option<Identity>,
    /// The [code](Refusal::code) of the error in the caller's token, if the caller is served as
    /// anonymous in spite of that error.
    pub auth_error: Option<&'static str>,
}

impl From<Identity> for Visitor {
    fn from(identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            auth_error: None,
        }
    }
}

/// Why a credential is refused. The texts are fixed, because existing clients compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no credential where one is required.
    #[error("Authentication token is required")]
    Missing,
    /// The token is malformed, of a kind that is not accepted, wrongly signed, or made by or for
    /// another party.
    #[error("Invalid authentication token")]
    Invalid,
    /// The token has expired: its `exp` and the leeway have passed.
    #[error("Invalid authentication token")]
    Expired,
    /// The `nbf` of the token, minus the leeway, is in the future.
    #[error("Invalid authentication token")]
    NotYetValid,
    /// The ticket was never issued, was used, or has expired.
    #[error("Invalid authentication token")]
    TicketInvalid,
    /// Too many refused credentials came from the same address.
    #[error(
        "Too many invalid credentials come from your address; get a valid one before you try again"
    )]
    TooMany,
    /// The credential is a cookie, and a page made the browser send it whose origin may not do so.
    #[error("Pages of this origin may not send the cookie; CORS_ORIGIN lists the origins that may")]
    ForeignOrigin,
}

impl Refusal {
    /// The identifier that programs test.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Invalid | Self::NotYetValid => "token_invalid",
            Self::Expired => "token_expired",
            Self::TicketInvalid => "ticket_invalid",
            Self::TooMany => "rate_limited",
            Self::ForeignOrigin => "forbidden",
        }
    }
}

/// Why a credential is refused, with the one kind that [`Authenticator::optional`] serves as
/// anonymous.
enum Fault {
    /// A malformed demo token.
    DemoToken,
    Refused(Refusal),
}

impl Authenticator {
    /// Prepares the keys. With an empty JWT secret, every JWT is refused.
    pub fn new(options: &Options) -> Self {
        let jwt = options
            .jwt
            .as_ref()
            .filter(|jwt| !jwt.secret.trim_ascii().is_empty());
        Self {
            demo: options.demo,
            jwt: jwt.map(jwt::Verifier::new),
        }
    }

    /// Verifies a credential for an endpoint that requires one.
    #[inline]
    pub fn required(
        &self,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Result<Identity, Refusal> {
        let credential = credential.ok_or(Refusal::Missing)?;
        self.verify(credential, now).map_err(|fault| match fault {
            Fault::DemoToken => Refusal::Invalid,
            Fault::Refused(refusal) => refusal,
        })
    }

    /// Verifies a credential for an endpoint that also serves anonymous callers.
    ///
    /// A caller with a malformed demo token is served as anonymous, and [`Visitor::auth_error`]
    /// says so. The clients of the system that Tidings replaces, which only had such tokens, rely
    /// on this. A JWT or a ticket that is refused is always an error. Otherwise, a user whose token
    /// has expired would silently lose the messages meant for them.
    #[inline]
    pub fn optional(
        &self,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Result<Visitor, Refusal> {
        let Some(credential) = credential else {
            return Ok(Visitor::default());
        };
        match self.verify(credential, now) {
            Ok(identity) => Ok(Visitor {
                identity: Some(identity),
                auth_error: None,
            }),
            Err(Fault::DemoToken) => Ok(Visitor {
                identity: None,
                auth_error: Some(Refusal::Invalid.code()),
            }),
            Err(Fault::Refused(refusal)) => Err(refusal),
        }
    }

    #[inline]
    fn verify(&self, credential: &Credential, now: Timestamp) -> Result<Identity, Fault> {
        match credential.kind() {
            // This server does not issue tickets yet, so none can be valid.
            Kind::Ticket => Err(Fault::Refused(Refusal::TicketInvalid)),
            Kind::Token(token) if self.demo && !jwt::has_shape(token) => {
                demo::parse(token).ok_or(Fault::DemoToken)
            }
            Kind::Token(token) => {
                let verifier = self.jwt.as_ref().ok_or(Fault::Refused(Refusal::Invalid))?;
                verifier.verify(token, now).map_err(Fault::Refused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header};
    use jsonwebtoken::{EncodingKey, Header};
    use tidings_hub::UserId;

    use super::*;

    const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";
    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn authenticator(demo: bool, secret: Option<&[u8]>) -> Authenticator {
        let jwt = secret.map(|secret| jwt::Options {
            secret: secret.to_vec(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            require_exp: true,
        });
        Authenticator::new(&Options { demo, jwt })
    }

    fn bearer(token: &str) -> Credential {
        let headers = HeaderMap::from_iter([(
            header::AUTHORIZATION,
            format!("Bearer {token}").parse().unwrap(),
        )]);
        Credential::find(&headers, None, None, false).unwrap()
    }

    fn ticket() -> Credential {
        Credential::find(&HeaderMap::new(), Some("ticket=0123"), None, true).unwrap()
    }

    fn minted(secret: &[u8]) -> String {
        let claims = mint::Claims {
            sub: UserId::parse("u1").unwrap(),
            username: None,
            email: None,
            roles: Vec::new(),
            expires_in: Duration::from_mins(1),
            issuer: None,
            audience: None,
        };
        mint::mint(secret, &claims, at(NOW)).unwrap()
    }

    #[test]
    fn the_codes_and_texts_of_refusals_are_fixed() {
        for (refusal, code) in [
            (Refusal::Missing, "token_missing"),
            (Refusal::Invalid, "token_invalid"),
            (Refusal::Expired, "token_expired"),
            (Refusal::NotYetValid, "token_invalid"),
            (Refusal::TicketInvalid, "ticket_invalid"),
        ] {
            let text = match refusal {
                Refusal::Missing => "Authentication token is required",
                _ => "Invalid authentication token",
            };
            assert_eq!((refusal.code(), refusal.to_string().as_str()), (code, text));
        }
    }

    #[test]
    fn a_caller_without_a_credential_is_refused_or_anonymous() {
        let both = authenticator(true, Some(SECRET));
        assert_eq!(both.required(None, at(NOW)), Err(Refusal::Missing));
        assert_eq!(both.optional(None, at(NOW)), Ok(Visitor::default()));
    }

    #[test]
    fn demo_tokens_and_jwts_can_both_be_accepted() {
        let both = authenticator(true, Some(SECRET));
        assert_eq!(
            both.required(Some(&bearer(demo::TOKEN)), at(NOW))
                .unwrap()
                .id
                .as_str(),
            "test123"
        );
        let visitor = both
            .optional(Some(&bearer(&minted(SECRET))), at(NOW))
            .unwrap();
        assert_eq!(visitor.auth_error, None);
        assert_eq!(visitor.identity.unwrap().id.as_str(), "u1");
    }

    #[test]
    fn a_malformed_demo_token_is_anonymous_where_a_token_is_optional_and_refused_where_it_is_required()
     {
        let both = authenticator(true, Some(SECRET));
        for token in ["garbage", "YTpi", "a.b", "%%%"] {
            let expected = Visitor {
                identity: None,
                auth_error: Some("token_invalid"),
            };
            assert_eq!(
                both.optional(Some(&bearer(token)), at(NOW)),
                Ok(expected),
                "{token}"
            );
            assert_eq!(
                both.required(Some(&bearer(token)), at(NOW)),
                Err(Refusal::Invalid),
                "{token}"
            );
        }
    }

    #[test]
    fn a_refused_jwt_is_never_served_as_anonymous() {
        for authenticator in [authenticator(true, Some(SECRET)), authenticator(true, None)] {
            for token in ["a.b.c", "..", &minted(b"another secret")] {
                let refused = Err(Refusal::Invalid);
                assert_eq!(
                    authenticator.optional(Some(&bearer(token)), at(NOW)),
                    refused,
                    "{token}"
                );
            }
        }
        let expired = authenticator(true, Some(SECRET))
            .optional(Some(&bearer(&minted(SECRET))), at(NOW + 90));
        assert_eq!(expired, Err(Refusal::Expired));
    }

    #[test]
    fn a_ticket_is_refused_by_every_endpoint() {
        let both = authenticator(true, Some(SECRET));
        assert_eq!(
            both.required(Some(&ticket()), at(NOW)),
            Err(Refusal::TicketInvalid)
        );
        assert_eq!(
            both.optional(Some(&ticket()), at(NOW)),
            Err(Refusal::TicketInvalid)
        );
    }

    #[test]
    fn without_demo_tokens_every_token_is_verified_as_a_jwt() {
        for authenticator in [
            authenticator(false, Some(SECRET)),
            authenticator(false, None),
        ] {
            for token in [demo::TOKEN, "garbage"] {
                assert_eq!(
                    authenticator.optional(Some(&bearer(token)), at(NOW)),
                    Err(Refusal::Invalid),
                    "{token}"
                );
            }
        }
    }

    #[test]
    fn with_an_empty_secret_every_jwt_is_refused() {
        let claims = serde_json::json!({ "sub": "u1", "exp": NOW + 60 });
        let token =
            jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b""))
                .unwrap();
        for empty in [&b""[..], b"\n", b" \r\n"] {
            let authenticator = authenticator(true, Some(empty));
            assert_eq!(
                authenticator.required(Some(&bearer(&token)), at(NOW)),
                Err(Refusal::Invalid)
            );
        }
    }
}
