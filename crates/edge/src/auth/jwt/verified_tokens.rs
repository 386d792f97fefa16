//! A cache of tokens whose signature was verified, so that the signature is not verified again with
//! each call.
//!
//! Owns the limit of the cache, [`MAX_BYTES`]. Only a verified token is cached, so a client that
//! can't sign tokens can't fill the cache. A token that is used again stays in the cache, however
//! many tokens are used only once. The key is the digest of a token; its text is not stored. Must
//! never decide that a token is valid *now*: its times are checked with each call.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::VerifiedClaims;

/// The memory of the cache, in bytes: enough for about 5,000 callers. If there are more, the tokens
/// of those that call least often are verified again.
const MAX_BYTES: u64 = 2 << 20;

/// The number of tokens from which the cache derives its number of locks (at most one for 32
/// entries). The memory is divided among the locks; with more of them, the part of each would be
/// too small for a token with hundreds of roles.
const ESTIMATED_TOKENS: usize = 1_024;

/// The SHA-256 of a token's text.
pub(super) type Digest = [u8; 32];

pub(super) struct VerifiedTokens(Cache<Digest, Arc<VerifiedClaims>, ByteWeighter>);

/// Weighs an entry by the memory that it takes, in bytes.
#[derive(Clone)]
struct ByteWeighter;

pub(super) fn digest_of(token: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

impl VerifiedTokens {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(
            ESTIMATED_TOKENS,
            MAX_BYTES,
            ByteWeighter,
        ))
    }

    /// Returns the claims of a token that was verified before.
    pub(super) fn get(&self, token: &Digest) -> Option<Arc<VerifiedClaims>> {
        self.0.get(token)
    }

    /// Remembers the claims of a token that was verified.
    pub(super) fn put(&self, token: Digest, claimed: Arc<VerifiedClaims>) {
        self.0.insert(token, claimed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Weighter<Digest, Arc<VerifiedClaims>> for ByteWeighter {
    fn weight(&self, _: &Digest, claimed: &Arc<VerifiedClaims>) -> u64 {
        /// The bytes of the digest, of the cache's own fields, and of what the allocator rounds up.
        const ENTRY: usize = 128;
        let identity = &claimed.identity;
        let roles: usize = identity
            .roles
            .iter()
            .map(|role| size_of::<String>() + role.len())
            .sum();
        let texts = identity.id.as_str().len()
            + identity.username.len()
            + identity.email.as_ref().map_or(0, String::len);
        (ENTRY + size_of::<VerifiedClaims>() + texts + roles) as u64
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::UserId;

    use super::super::super::Identity;
    use super::*;

    fn claimed(roles: usize) -> Arc<VerifiedClaims> {
        let roles: Vec<_> = (0..roles).map(|nth| format!("role {nth}")).collect();
        let id = UserId::parse("u1").unwrap();
        let identity = Identity::verified(id, None, None, roles.iter().map(String::as_str), None);
        Arc::new(VerifiedClaims {
            identity,
            valid_from: None,
        })
    }

    #[test]
    fn the_cache_is_bounded_in_bytes_and_keeps_a_token_that_is_used_again() {
        let tokens = VerifiedTokens::new();
        let late = digest_of("late");
        for roles in [0, 300] {
            let claimed = claimed(roles);
            for nth in 0..20_000 {
                tokens.put(digest_of(&format!("{roles} {nth}")), claimed.clone());
                assert!(
                    tokens.get(&digest_of("0 0")).is_some(),
                    "forgotten after {nth}"
                );
                if nth == 10_000 {
                    tokens.put(late, claimed.clone());
                }
                assert_eq!(
                    tokens.get(&late).is_some(),
                    roles > 0 || nth >= 10_000,
                    "after {nth}"
                );
            }
            assert!(
                tokens.0.weight() <= MAX_BYTES,
                "{} bytes",
                tokens.0.weight()
            );
            assert!(tokens.len() > 100, "{}", tokens.len());
        }
    }
}
