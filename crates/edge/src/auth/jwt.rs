//! JSON Web Tokens (RFC 7519) signed with a shared secret.
//!
//! Owns which algorithms, signatures, times and claims are accepted. Must never read the system's
//! clock. The checks of `exp` and `nbf` in the crate `jsonwebtoken` read it, so they are switched
//! off, and both claims are checked here against the caller's `now`. This way, a stream ends at
//! exactly the time from which its token is refused.

mod verified_tokens;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tidings_hub::UserId;

use super::identity::LEEWAY;
use super::{Expiry, Identity, MAX_TOKEN_BYTES, Refusal};
use verified_tokens::{VerifiedTokens, digest_of};

/// The algorithms with which a token may be signed. This is an allowlist, so that neither `none`
/// nor a public key that is used as a secret is accepted (RFC 8725, section 3.1).
const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// How JWTs are checked. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct Options {
    /// The shared secret of HS256, HS384 and HS512. White space around it is ignored. If there is
    /// some, a token that was signed with the secret as it is written is accepted too, because
    /// earlier versions signed that way. With an empty secret, every token is refused.
    pub secret: Vec<u8>,
    /// The trusted values of `iss`. If the list is empty, all are trusted; otherwise, a token
    /// without an `iss` is refused.
    pub issuers: Vec<String>,
    /// The values of `aud` that mean this server. Unless this list is empty, a token must name one
    /// of them.
    pub audiences: Vec<String>,
    /// Whether a token without `exp` is refused.
    pub require_exp: bool,
}

pub(super) struct Verifier {
    key: DecodingKey,
    /// The secret as it was written, if it has white space around it.
    as_written: Option<DecodingKey>,
    validation: Validation,
    require_exp: bool,
    verified: VerifiedTokens,
}

/// The content of a token whose signature, issuer and audience were verified. Its times are checked
/// separately, at each call.
struct VerifiedClaims {
    /// The user, with the expiry of the token.
    identity: Identity,
    valid_from: Option<Timestamp>,
}

/// The claims that this server reads. Claims that only describe the user are read leniently: a name
/// or a list of roles with an unexpected type counts as absent, which can take rights away but
/// never adds any.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    #[serde(default)]
    preferred_username: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    roles: Value,
    #[serde(default)]
    realm_access: Value,
}

/// A number of seconds since 1970, with or without a fraction (RFC 7519, section 2). A time before
/// the first or after the last one that can be represented is replaced by that one.
struct NumericDate(Timestamp);

/// Whether `token` looks like a JWT: three parts joined by dots, which Base64 does not contain.
pub(super) fn has_shape(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Verifier {
    pub(super) fn new(options: &Options) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = ALGORITHMS.to_vec();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        if !options.issuers.is_empty() {
            validation.set_issuer(&options.issuers);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation.validate_aud = !options.audiences.is_empty();
        if validation.validate_aud {
            validation.set_audience(&options.audiences);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let trimmed = options.secret.trim_ascii();
        let as_written = trimmed.len() < options.secret.len();
        Self {
            key: DecodingKey::from_secret(trimmed),
            as_written: as_written.then(|| DecodingKey::from_secret(&options.secret)),
            validation,
            require_exp: options.require_exp,
            verified: VerifiedTokens::new(),
        }
    }

    /// Checks signature, times and claims at `now`. The reason for a refusal is logged as a fixed
    /// text, because an error of the JSON parser quotes the token.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let (refusal, reason) = match self.check(token, now) {
            Ok(identity) => return Ok(identity),
            Err(refusal_and_reason) => refusal_and_reason,
        };
        tracing::debug!(reason, "a JWT was refused");
        Err(refusal)
    }

    fn check(&self, token: &str, now: Timestamp) -> Result<Identity, (Refusal, &'static str)> {
        let invalid = |reason| (Refusal::Invalid, reason);
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("too long"));
        }
        let digest = digest_of(token);
        if let Some(claimed) = self.verified.get(&digest) {
            return claimed.check_times(now).map(|()| claimed.identity.clone());
        }
        let claimed = self.decode(token)?;
        claimed.check_times(now)?;
        let identity = claimed.identity.clone();
        self.verified.put(digest, Arc::new(claimed));
        Ok(identity)
    }

    /// Checks everything that does not depend on the time.
    fn decode(&self, token: &str) -> Result<VerifiedClaims, (Refusal, &'static str)> {
        let invalid = |reason| (Refusal::Invalid, reason);
        let decode = |key| jsonwebtoken::decode::<Claims>(token, key, &self.validation);
        let data = match (decode(&self.key), &self.as_written) {
            (Err(error), Some(key)) if *error.kind() == ErrorKind::InvalidSignature => decode(key),
            (decoded, _) => decoded,
        };
        let data = data.map_err(|error| invalid(reason(&error)))?;
        // RFC 7515, section 4.1.11: a token with a critical extension that is not understood must
        // be refused. The crate leaves this check to its caller.
        if data.header.crit.is_some() {
            return Err(invalid("critical extension"));
        }
        let claims = data.claims;
        let expires = claims.exp.map(|exp| Expiry::of(exp.0));
        if expires.is_none() && self.require_exp {
            return Err(invalid("no exp"));
        }
        let valid_from = claims
            .nbf
            .map(|NumericDate(nbf)| nbf.checked_sub(LEEWAY).unwrap_or(Timestamp::MIN));
        let id = UserId::parse(&claims.sub).map_err(|_| invalid("sub is not a user id"))?;
        let username = [&claims.preferred_username, &claims.name]
            .into_iter()
            .filter_map(Value::as_str)
            .find(|name| !name.trim().is_empty());
        let realm_roles = claims.realm_access.get("roles").unwrap_or(&Value::Null);
        let roles = roles(&claims.roles).chain(roles(realm_roles));
        let identity = Identity::verified(id, username, claims.email.as_str(), roles, expires);
        Ok(VerifiedClaims {
            identity,
            valid_from,
        })
    }
}

impl VerifiedClaims {
    /// Checks whether the token is valid at `now`.
    fn check_times(&self, now: Timestamp) -> Result<(), (Refusal, &'static str)> {
        if self
            .identity
            .expires
            .is_some_and(|expiry| expiry.is_past(now))
        {
            return Err((Refusal::Expired, "expired"));
        }
        if self.valid_from.is_some_and(|from| now < from) {
            return Err((Refusal::NotYetValid, "not valid yet"));
        }
        Ok(())
    }
}

/// The roles in a claim: an array of strings, or one string in which they are separated by commas
/// or white space.
fn roles(claim: &Value) -> impl Iterator<Item = &str> {
    let listed = claim
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let joined = claim.as_str().into_iter();
    listed.chain(joined.flat_map(|text| text.split(|c: char| c == ',' || c.is_whitespace())))
}

/// The text that is logged for an error of the crate.
fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "algorithm",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => "no issuer",
        ErrorKind::MissingRequiredClaim(_) => "no audience",
        _ => "malformed",
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        // Whole seconds are exact. Only a number that has a fraction or does not fit is read as
        // floating point.
        let since_epoch = match number.as_i64() {
            Some(seconds) => Ok(SignedDuration::from_secs(seconds)),
            None => SignedDuration::try_from_secs_f64(number.as_f64().unwrap_or(f64::INFINITY)),
        };
        let nearest = if number.as_f64().is_some_and(f64::is_sign_negative) {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Ok(Self(
            since_epoch
                .and_then(Timestamp::from_duration)
                .unwrap_or(nearest),
        ))
    }
}

#[cfg(test)]
mod tests;
