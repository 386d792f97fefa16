//! Tokens that were found good before, so that a caller's signature is checked once and not with every call.
//!
//! Owns how many are remembered: the newest thousand, and those of the thousand before that were asked for since. Only what was
//! once good gets in, so that nobody fills it who can't sign. A token is known by its digest, and its text is nowhere. Must
//! never say that a token *is* good: its times are judged anew each time.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::Claimed;

/// After so many new ones, those that nobody asks for go.
const GENERATION: usize = 1_000;

type Digest = [u8; 32];

#[derive(Default)]
pub(super) struct Proven(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    new: HashMap<Digest, Arc<Claimed>>,
    old: HashMap<Digest, Arc<Claimed>>,
}

/// A token, by its digest.
pub(super) struct Token(Digest);

impl Token {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl Proven {
    /// What the token says, if it was good once.
    pub(super) fn get(&self, token: &Token) -> Option<Arc<Claimed>> {
        let mut generations = self.0.lock();
        if let Some(claimed) = generations.new.get(&token.0) {
            return Some(claimed.clone());
        }
        let claimed = generations.old.remove(&token.0)?;
        generations.put(token.0, claimed.clone());
        Some(claimed)
    }

    /// Remembers a token that is good.
    pub(super) fn put(&self, token: &Token, claimed: Arc<Claimed>) {
        self.0.lock().put(token.0, claimed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let generations = self.0.lock();
        generations.new.len() + generations.old.len()
    }
}

impl Generations {
    fn put(&mut self, token: Digest, claimed: Arc<Claimed>) {
        if self.new.len() >= GENERATION {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(token, claimed);
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::UserId;

    use super::super::super::Identity;
    use super::*;

    #[test]
    fn as_many_as_there_is_room_for_are_remembered_and_who_is_asked_for_stays() {
        let proven = Proven::default();
        let identity = Identity::verified(UserId::parse("u1").unwrap(), None, None, [], None);
        let claimed = Arc::new(Claimed { identity, valid_from: None });
        for nth in 0..10 * GENERATION {
            proven.put(&Token::of(&nth.to_string()), claimed.clone());
            assert!(proven.get(&Token::of("0")).is_some(), "forgotten after {nth}");
        }
        assert!(proven.get(&Token::of("1")).is_none());
        assert!(proven.len() <= 2 * GENERATION);
    }
}
