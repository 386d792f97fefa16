//! Demo tokens: the Base64 encoding of `userId:username:email:roles`.
//!
//! Owns the form of these tokens. Anyone can write one, so they must not be parsed unless demo
//! tokens are switched on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use tidings_hub::UserId;

use super::{Identity, MAX_TOKEN_BYTES};

/// The well-known token that the documentation and the start banner show:
/// `test123:testuser:test@example.com:user,admin`.
pub const TOKEN: &str = "dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0QGV4YW1wbGUuY29tOnVzZXIsYWRtaW4=";

/// The role of a user whose token names none.
const DEFAULT_ROLE: &str = "user";

/// The demo token of a user with this id and role. The id must not contain a colon.
pub fn token(id: &str, role: &str) -> String {
    STANDARD_PAD_INDIFFERENT.encode(format!("{id}:{id}:{id}@example.com:{role}"))
}

/// Reads a demo token. Returns `None` if it is malformed.
///
/// - Only the standard alphabet of Base64 is accepted. The padding may be left out, as Node's
///   `Buffer` also allows.
/// - The text is UTF-8 with at least three parts. Parts after the fourth are ignored, because
///   clients that split a token with a destructured `split(':')` ignore them too.
/// - Roles are separated by commas and trimmed, and empty ones are dropped. Without any, the role
///   is `user`.
pub(super) fn parse(token: &str) -> Option<Identity> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let text = String::from_utf8(STANDARD_PAD_INDIFFERENT.decode(token).ok()?).ok()?;
    let mut parts = text.split(':');
    let id = UserId::parse(parts.next()?).ok()?;
    let username = parts.next()?;
    let email = parts.next()?;
    let roles = parts
        .next()
        .filter(|roles| roles.split(',').any(|role| !role.trim().is_empty()));
    let roles = roles.unwrap_or(DEFAULT_ROLE).split(',');
    Some(Identity::verified(
        id,
        Some(username),
        Some(email),
        roles,
        None,
    ))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<Identity> {
        parse(&STANDARD.encode(text))
    }

    #[test]
    fn the_well_known_token_is_that_of_the_well_known_user() {
        let user = parse(TOKEN).unwrap();
        assert_eq!(user.id.as_str(), "test123");
        assert_eq!(user.username, "testuser");
        assert_eq!(user.email.as_deref(), Some("test@example.com"));
        assert_eq!(user.roles, ["user", "admin"]);
        assert_eq!(user.expires, None);
    }

    #[test]
    fn the_token_of_a_user_is_read_as_that_user() {
        let user = parse(&super::token("bench-7", "user")).unwrap();
        assert_eq!(
            (user.id.as_str(), &*user.username, &*user.roles),
            ("bench-7", "bench-7", &["user".to_owned()][..])
        );
    }

    #[test]
    fn a_token_without_roles_is_a_user() {
        for text in ["a:b:c", "a:b:c:", "a:b:c: , ,"] {
            assert_eq!(parsed(text).unwrap().roles, ["user"], "{text}");
        }
    }

    #[test]
    fn fewer_than_three_parts_are_invalid() {
        for text in ["", "a", "a:b"] {
            assert!(parsed(text).is_none(), "{text}");
        }
    }

    #[test]
    fn parts_after_the_fourth_are_ignored() {
        assert_eq!(parsed("a:b:c:user:admin").unwrap().roles, ["user"]);
    }

    #[test]
    fn roles_are_trimmed_and_empty_ones_dropped() {
        assert_eq!(
            parsed("a:b:c: admin ,, user").unwrap().roles,
            ["admin", "user"]
        );
    }

    #[test]
    fn empty_names_and_addresses_are_allowed_but_empty_ids_are_not() {
        let user = parsed("a::").unwrap();
        assert_eq!((user.username.as_str(), user.email), ("a", None));
        assert!(parsed(":b:c").is_none());
        assert!(parsed("a\n:b:c").is_none());
        assert!(parsed(&format!("{}:b:c", "x".repeat(129))).is_none());
    }

    #[test]
    fn padding_is_optional_and_only_the_standard_alphabet_is_accepted() {
        assert!(parse(TOKEN.trim_end_matches('=')).is_some());
        // In the right places, `>` and `?` become `+` and `/` in the standard alphabet.
        let standard = STANDARD_NO_PAD.encode("a:>>>???:c");
        assert!(
            standard.contains('+') && standard.contains('/'),
            "{standard}"
        );
        assert!(parse(&standard).is_some());
        assert!(parse(&standard.replace('+', "-").replace('/', "_")).is_none());
        assert!(parse(&format!("{TOKEN}\n")).is_none());
        assert!(parse(&format!(" {TOKEN}")).is_none());
    }

    #[test]
    fn text_that_is_not_utf8_is_invalid() {
        assert!(parse(&STANDARD.encode(b"a:\xff:c")).is_none());
    }

    #[test]
    fn an_oversized_token_is_invalid() {
        let long = |roles: usize| STANDARD.encode(format!("a:b:c:{}", "r".repeat(roles)));
        assert!(parse(&long(6_000)).is_some());
        assert!(parse(&long(6_200)).is_none());
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&text);
            let _ = parse(&STANDARD.encode(bytes));
        }

        #[test]
        fn every_well_formed_token_is_read(id in "[^:\\p{Cc}]{1,30}", name in "[a-z]{1,9}", roles in "[a-z]{1,9}(,[a-z]{1,9}){0,3}") {
            let user = parsed(&format!("{id}:{name}:m@x:{roles}")).unwrap();
            prop_assert_eq!(user.id.as_str(), id);
            prop_assert_eq!(&user.username, &name);
            prop_assert!(roles.split(',').all(|role| user.has_role(role)));
        }
    }
}
