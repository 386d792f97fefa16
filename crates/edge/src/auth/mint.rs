//! Mints JWTs that this server accepts.
//!
//! Owns the claims that they contain. Must never be reachable for anyone but an operator or an
//! administrator, because a caller that can mint tokens can impersonate
//! anybody.

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tidings_hub::UserId;

use super::MAX_TOKEN_BYTES;

/// The contents of a token to be minted.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The name to show to others. Without one, the id is shown.
    pub username: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// How long the token is valid. A fraction of a second is dropped.
    pub expires_in: Duration,
    /// The `iss`, which must be one of the issuers that the verifier trusts, if it has a list.
    pub issuer: Option<String>,
    /// The `aud`, which must be one of the verifier's audiences, if it has a list.
    pub audience: Option<String>,
}

/// Why no token was minted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token would have this many bytes, and would be refused because it is too long.
    #[error(
        "the token would have {0} bytes, and at most {MAX_TOKEN_BYTES} are allowed: give it fewer \
         or shorter roles"
    )]
    TooLong(usize),
    /// The token can't be signed.
    #[error("the token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize)]
struct Payload<'a> {
    iat: i64,
    exp: i64,
    jti: String,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

impl Claims {
    /// The `exp` of a token that is minted at `now`: whole seconds, and at most the end of
    /// representable time (the year 9999).
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        let seconds = i64::try_from(self.expires_in.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(now.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    }
}

/// Signs `claims` with HS256. The key is `secret` without the white space around it. The `iat` is
/// `now`, and the `jti` is 128 random bits.
pub fn mint(secret: &[u8], claims: &Claims, now: Timestamp) -> Result<String, Error> {
    let payload = Payload {
        iat: now.as_second(),
        exp: claims.expires_at(now).as_second(),
        jti: format!("{:032x}", rand::random::<u128>()),
        sub: claims.sub.as_str(),
        preferred_username: claims.username.as_deref(),
        email: claims.email.as_deref(),
        roles: &claims.roles,
        iss: claims.issuer.as_deref(),
        aud: claims.audience.as_deref(),
    };
    let key = EncodingKey::from_secret(secret.trim_ascii());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &key)?;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::TooLong(token.len()));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jsonwebtoken::dangerous::insecure_decode;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::auth::jwt::{Options, Verifier};
    use crate::auth::{Identity, Refusal};

    const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

    fn now() -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_900).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            sub: UserId::parse("u1").unwrap(),
            username: Some("ada".into()),
            email: Some("ada@example.com".into()),
            roles: vec!["admin".into(), "user".into()],
            expires_in: Duration::from_hours(24),
            issuer: Some("https://tidings.example".into()),
            audience: Some("tidings".into()),
        }
    }

    fn verified(token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let options = Options {
            secret: SECRET.to_vec(),
            issuers: vec!["https://tidings.example".into()],
            audiences: vec!["tidings".into()],
            require_exp: true,
        };
        Verifier::new(&options).verify(token, now)
    }

    #[test]
    fn a_minted_token_is_that_of_the_user_it_was_minted_for() {
        let user = verified(&mint(SECRET, &claims(), now()).unwrap(), now()).unwrap();
        assert_eq!((user.id.as_str(), user.username.as_str()), ("u1", "ada"));
        assert_eq!(user.email.as_deref(), Some("ada@example.com"));
        assert_eq!(user.roles, ["admin", "user"]);
    }

    #[test]
    fn a_minted_token_is_valid_until_its_exp_plus_the_leeway() {
        let token = mint(SECRET, &claims(), now()).unwrap();
        let exp = claims().expires_at(now());
        assert_eq!(exp.as_second(), 1_800_000_000 + 86_400);
        assert!(verified(&token, exp + SignedDuration::from_secs(29)).is_ok());
        assert_eq!(
            verified(&token, exp + SignedDuration::from_secs(30)),
            Err(Refusal::Expired)
        );
    }

    #[test]
    fn a_minted_token_has_the_time_of_its_minting_and_an_id_of_its_own() {
        let payload = || {
            insecure_decode::<Value>(mint(SECRET, &claims(), now()).unwrap())
                .unwrap()
                .claims
        };
        let (one, other) = (payload(), payload());
        assert_eq!(one["iat"], 1_800_000_000);
        assert_eq!(one["jti"].as_str().unwrap().len(), 32);
        assert_ne!(one["jti"], other["jti"]);
    }

    #[test]
    fn claims_without_a_value_are_left_out() {
        let bare = Claims {
            username: None,
            email: None,
            issuer: None,
            audience: None,
            ..claims()
        };
        let payload = insecure_decode::<Value>(mint(SECRET, &bare, now()).unwrap())
            .unwrap()
            .claims;
        let mut names: Vec<&str> = payload
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["exp", "iat", "jti", "roles", "sub"]);
    }

    #[test]
    fn a_token_that_would_be_too_long_is_not_minted() {
        let long = Claims {
            roles: vec!["r".repeat(8_000)],
            ..claims()
        };
        assert!(
            matches!(mint(SECRET, &long, now()), Err(Error::TooLong(bytes)) if bytes > MAX_TOKEN_BYTES)
        );
    }

    #[test]
    fn the_last_possible_exp_is_the_end_of_representable_time() {
        let lasting = Claims {
            expires_in: Duration::MAX,
            ..claims()
        };
        let user = verified(&mint(SECRET, &lasting, now()).unwrap(), now()).unwrap();
        assert_eq!(user.expires.unwrap().refused_from(), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn a_minted_token_is_accepted(sub in "[^\\p{Cc}]{1,32}", username in any::<Option<String>>(), roles in prop::collection::vec("[a-z]{1,8}", 0..4), life in 0_u64..1 << 40) {
            let claims = Claims { sub: UserId::parse(&sub).unwrap(), username, roles: roles.clone(), expires_in: Duration::from_secs(life), ..claims() };
            let user = verified(&mint(SECRET, &claims, now()).unwrap(), now()).unwrap();
            prop_assert_eq!(user.id.as_str(), sub);
            prop_assert!(roles.iter().all(|role| user.has_role(role)));
        }

        #[test]
        fn a_tampered_token_is_refused(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9._-]") {
            let token = mint(SECRET, &claims(), now()).unwrap();
            let at = at.index(token.len());
            let tampered = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            prop_assert_eq!(verified(&tampered, now()).is_ok(), tampered == token);
            prop_assert!(verified(&token[..at], now()).is_err());
            let longer = format!("{token}{with}");
            prop_assert!(verified(&longer, now()).is_err());
        }

        #[test]
        fn a_token_that_is_signed_with_another_secret_is_refused(secret in prop::collection::vec(any::<u8>(), 1..64)) {
            prop_assume!(secret != SECRET);
            prop_assert_eq!(verified(&mint(&secret, &claims(), now()).unwrap(), now()), Err(Refusal::Invalid));
        }
    }
}
