//! A verified caller.
//!
//! Owns the rule that every [`Identity`] was verified: only the modules of `auth` can create one.
//! Must neither know how an identity was verified nor contain the credential.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use tidings_hub::{UserId, truncate_name};

/// The largest difference that is tolerated between the clocks of an issuer and of this server.
pub(super) const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// A verified caller. `Debug` leaves out the name and the mail address, because both are personal
/// data, and neither is useful in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id that topics and limits are based on.
    pub id: UserId,
    /// The name to show to others, at most [`tidings_hub::user::MAX_NAME_BYTES`] long and never
    /// empty. If the token has no name, this is the id.
    pub username: String,
    /// The mail address, if the token has one.
    pub email: Option<String>,
    /// The roles in the token's order, none of them empty or repeated.
    pub roles: Vec<String>,
    /// When the token expires; `None` if it never does.
    pub expires: Option<Expiry>,
    /// Keeps code outside `auth` from writing an `Identity { … }` of its own.
    _seal: Seal,
}

#[derive(Clone, PartialEq, Eq)]
struct Seal;

/// The instant from which a token is refused: its `exp` plus the leeway. A stream that was opened
/// with the token ends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(Timestamp);

impl Identity {
    /// Creates an identity from what a verifier has read in a token. A blank name is replaced by
    /// the id, and a blank mail address is left out.
    pub(super) fn verified<'a>(
        id: UserId,
        username: Option<&str>,
        email: Option<&str>,
        roles: impl IntoIterator<Item = &'a str>,
        expires: Option<Expiry>,
    ) -> Self {
        let mut distinct: Vec<String> = Vec::new();
        for role in roles.into_iter().filter_map(not_blank) {
            if !distinct.iter().any(|known| known == role) {
                distinct.push(role.to_owned());
            }
        }
        Self {
            username: truncate_name(username.and_then(not_blank).unwrap_or(id.as_str())).to_owned(),
            email: email.and_then(not_blank).map(str::to_owned),
            roles: distinct,
            expires,
            id,
            _seal: Seal,
        }
    }

    /// Whether `role` is among the roles. Case matters.
    #[inline]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("id", &self.id)
            .field("roles", &self.roles)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Expiry {
    /// The expiry of a token with this `exp`: 30 s later, but at most the end of representable time
    /// (the year 9999).
    pub(super) fn of(exp: Timestamp) -> Self {
        Self(exp.checked_add(LEEWAY).unwrap_or(Timestamp::MAX))
    }

    /// The first instant at which the token is refused.
    pub const fn refused_from(self) -> Timestamp {
        self.0
    }

    /// Whether the token is refused at `now`.
    pub fn is_past(self, now: Timestamp) -> bool {
        now >= self.0
    }
}

fn not_blank(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(username: &str, email: &str, roles: &[&str]) -> Identity {
        let id = UserId::parse("u1").unwrap();
        Identity::verified(id, Some(username), Some(email), roles.iter().copied(), None)
    }

    #[test]
    fn the_name_of_a_user_without_one_is_the_id() {
        let nameless = identity("  ", "", &[]);
        assert_eq!(nameless.username, "u1");
        assert_eq!(nameless.email, None);
    }

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        assert_eq!(
            identity(&"x".repeat(300), "", &[]).username,
            "x".repeat(256)
        );
        assert_eq!(
            identity(&format!("x{}", "é".repeat(200)), "", &[]).username,
            format!("x{}", "é".repeat(127))
        );
        assert_eq!(identity(&"😀".repeat(64), "", &[]).username.len(), 256);
    }

    #[test]
    fn roles_are_trimmed_and_neither_empty_nor_repeated() {
        let roles = identity("n", "m", &[" admin", "", " ", "user", "admin"]).roles;
        assert_eq!(roles, ["admin", "user"]);
    }

    #[test]
    fn has_role_compares_whole_names_and_case() {
        let user = identity("n", "m", &["administrator"]);
        assert!(user.has_role("administrator"));
        assert!(!user.has_role("admin"));
        assert!(!user.has_role("Administrator"));
    }

    #[test]
    fn debug_shows_neither_name_nor_address() {
        let shown = format!(
            "{:?}",
            identity("Ada Lovelace", "ada@example.com", &["user"])
        );
        assert!(shown.contains("u1") && shown.contains("user"), "{shown}");
        assert!(
            !shown.contains("Ada") && !shown.contains("example.com"),
            "{shown}"
        );
    }

    #[test]
    fn the_last_representable_exp_does_not_overflow() {
        assert_eq!(Expiry::of(Timestamp::MAX).refused_from(), Timestamp::MAX);
    }
}
