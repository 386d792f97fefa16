//! Which JWTs are accepted, and what an accepted one says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::auth::mint;

const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn options() -> Options {
    Options {
        secret: SECRET.to_vec(),
        issuers: Vec::new(),
        audiences: Vec::new(),
        require_exp: true,
    }
}

fn signed(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// Verifies a correctly signed token with `claims` at [`NOW`].
fn verified_with(options: &Options, claims: &Value) -> Result<Identity, Refusal> {
    Verifier::new(options).verify(&signed(&Header::default(), claims), now())
}

fn verified(claims: &Value) -> Result<Identity, Refusal> {
    verified_with(&options(), claims)
}

/// Signs a header and claims that the crate would not write.
fn signed_by_hand(header: &str, claims: &str) -> String {
    let message = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn the_three_hmac_algorithms_are_accepted() {
    for algorithm in ALGORITHMS {
        let token = signed(&Header::new(algorithm), &json!({ "sub": "u1", "exp": NOW }));
        assert!(
            Verifier::new(&options()).verify(&token, now()).is_ok(),
            "{algorithm:?}"
        );
    }
}

#[test]
fn a_secret_with_a_line_break_at_its_end_verifies_without_it_and_as_it_was_written() {
    let claims = json!({ "sub": "u1", "exp": NOW });
    let signed_with = |secret: &[u8]| {
        jsonwebtoken::encode(
            &Header::default(),
            &claims,
            &EncodingKey::from_secret(secret),
        )
        .unwrap()
    };
    for around in ["\n", "\r\n", " ", "\t\n\n"] {
        let written = [SECRET, around.as_bytes()].concat();
        let verifier = Verifier::new(&Options {
            secret: written.clone(),
            ..options()
        });
        assert!(
            verifier.verify(&signed_with(SECRET), now()).is_ok(),
            "{around:?}"
        );
        assert!(
            verifier.verify(&signed_with(&written), now()).is_ok(),
            "{around:?}"
        );
        for other in [
            &b"\n"[..],
            b"",
            &[b" ", SECRET].concat(),
            &SECRET[..SECRET.len() - 1],
        ] {
            assert_eq!(
                verifier.verify(&signed_with(other), now()),
                Err(Refusal::Invalid),
                "{around:?}"
            );
        }
        let minted = mint::mint(&written, &mint_claims(), now()).unwrap();
        assert!(
            Verifier::new(&options()).verify(&minted, now()).is_ok(),
            "minting signs without {around:?}"
        );
    }
    let clean = Verifier::new(&options());
    assert_eq!(
        clean.verify(&signed_with(&[SECRET, b"\n"].concat()), now()),
        Err(Refusal::Invalid)
    );
}

fn mint_claims() -> mint::Claims {
    mint::Claims {
        sub: UserId::parse("u1").unwrap(),
        username: None,
        email: None,
        roles: Vec::new(),
        expires_in: std::time::Duration::from_mins(1),
        issuer: None,
        audience: None,
    }
}

#[test]
fn every_other_algorithm_is_refused_even_with_a_good_signature() {
    let claims = json!({ "sub": "u1", "exp": NOW }).to_string();
    let verifier = Verifier::new(&options());
    assert!(
        verifier
            .verify(&signed_by_hand(r#"{"alg":"HS256"}"#, &claims), now())
            .is_ok()
    );
    for alg in [
        "none", "None", "", "hs256", "RS256", "ES256", "PS256", "EdDSA", "HS1",
    ] {
        let token = signed_by_hand(&json!({ "alg": alg }).to_string(), &claims);
        assert_eq!(
            verifier.verify(&token, now()),
            Err(Refusal::Invalid),
            "{alg}"
        );
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(
            verifier.verify(&unsigned, now()),
            Err(Refusal::Invalid),
            "{alg}"
        );
    }
    assert_eq!(
        verifier.verify(&signed_by_hand("{}", &claims), now()),
        Err(Refusal::Invalid)
    );
    let confused = signed_by_hand(r#"{"alg":"HS512"}"#, &claims);
    assert_eq!(
        verifier.verify(&confused, now()),
        Err(Refusal::Invalid),
        "signed by HS256, said to be HS512"
    );
}

#[test]
fn a_critical_extension_is_refused() {
    let token = signed_by_hand(
        r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
        &json!({ "sub": "u1", "exp": NOW }).to_string(),
    );
    assert_eq!(
        Verifier::new(&options()).verify(&token, now()),
        Err(Refusal::Invalid)
    );
}

#[test]
fn a_token_is_refused_from_exactly_30_seconds_after_exp() {
    let token = signed(&Header::default(), &json!({ "sub": "u1", "exp": NOW }));
    let verifier = Verifier::new(&options());
    let end = now() + SignedDuration::from_secs(30);
    for before in [SignedDuration::from_secs(1), SignedDuration::from_nanos(1)] {
        let identity = verifier.verify(&token, end - before).unwrap();
        assert_eq!(identity.expires.unwrap().refused_from(), end);
        assert!(!identity.expires.unwrap().is_past(end - before));
    }
    for after in [
        SignedDuration::ZERO,
        SignedDuration::from_secs(1),
        SignedDuration::from_hours(9),
    ] {
        assert_eq!(verifier.verify(&token, end + after), Err(Refusal::Expired));
    }
}

#[test]
fn a_token_is_good_from_exactly_30_seconds_before_nbf() {
    let token = signed(
        &Header::default(),
        &json!({ "sub": "u1", "exp": NOW + 60, "nbf": NOW }),
    );
    let verifier = Verifier::new(&options());
    let start = now() - SignedDuration::from_secs(30);
    assert_eq!(
        verifier.verify(&token, start - SignedDuration::from_nanos(1)),
        Err(Refusal::NotYetValid)
    );
    assert!(verifier.verify(&token, start).is_ok());
}

#[test]
fn exp_is_required_unless_configured_otherwise() {
    let lasting = Options {
        require_exp: false,
        ..options()
    };
    for claims in [json!({ "sub": "u1" }), json!({ "sub": "u1", "exp": null })] {
        assert_eq!(verified(&claims), Err(Refusal::Invalid));
        assert_eq!(verified_with(&lasting, &claims).unwrap().expires, None);
    }
    assert_eq!(
        verified_with(&lasting, &json!({ "sub": "u1", "exp": NOW - 30 })),
        Err(Refusal::Expired)
    );
}

#[test]
fn dates_may_have_fractions() {
    let expires = verified(&json!({ "sub": "u1", "exp": 1_800_000_000.5 }))
        .unwrap()
        .expires
        .unwrap();
    assert_eq!(
        expires.refused_from().as_millisecond(),
        (NOW + 30) * 1_000 + 500
    );
    assert_eq!(
        verified(&json!({ "sub": "u1", "exp": 1_799_999_969.5 })),
        Err(Refusal::Expired)
    );
    assert!(verified(&json!({ "sub": "u1", "exp": 1_799_999_970.5 })).is_ok());
}

#[test]
fn dates_outside_of_representable_time_are_past_or_future() {
    for exp in [
        json!(u64::MAX),
        json!(i64::MAX),
        json!(1e300),
        json!(999_999_999_999_i64),
    ] {
        let identity = verified(&json!({ "sub": "u1", "exp": exp }));
        assert_eq!(
            identity.unwrap().expires.unwrap().refused_from(),
            Timestamp::MAX,
            "{exp}"
        );
    }
    for exp in [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(-1e300),
        json!(-0.5),
    ] {
        assert_eq!(
            verified(&json!({ "sub": "u1", "exp": exp })),
            Err(Refusal::Expired),
            "{exp}"
        );
    }
    assert!(verified(&json!({ "sub": "u1", "exp": NOW, "nbf": i64::MIN })).is_ok());
    assert_eq!(
        verified(&json!({ "sub": "u1", "exp": NOW, "nbf": u64::MAX })),
        Err(Refusal::NotYetValid)
    );
}

#[test]
fn dates_that_are_not_numbers_are_refused() {
    for date in [
        json!("1900000000"),
        json!(true),
        json!([]),
        json!({ "at": 1 }),
    ] {
        assert_eq!(
            verified(&json!({ "sub": "u1", "exp": date })),
            Err(Refusal::Invalid),
            "exp {date}"
        );
        let claims = json!({ "sub": "u1", "exp": NOW, "nbf": date });
        assert_eq!(verified(&claims), Err(Refusal::Invalid), "nbf {date}");
    }
    let huge = signed_by_hand(r#"{"alg":"HS256"}"#, r#"{"sub":"u1","exp":1e999}"#);
    assert_eq!(
        Verifier::new(&options()).verify(&huge, now()),
        Err(Refusal::Invalid)
    );
}

#[test]
fn a_configured_issuer_must_match() {
    let strict = Options {
        issuers: vec!["https://a".into(), "https://b".into()],
        ..options()
    };
    assert!(
        verified_with(
            &strict,
            &json!({ "sub": "u1", "exp": NOW, "iss": "https://b" })
        )
        .is_ok()
    );
    for iss in [
        json!("https://c"),
        json!("https://a/"),
        json!(null),
        json!(7),
        json!(""),
    ] {
        let claims = json!({ "sub": "u1", "exp": NOW, "iss": iss });
        assert_eq!(
            verified_with(&strict, &claims),
            Err(Refusal::Invalid),
            "{iss}"
        );
    }
    assert_eq!(
        verified_with(&strict, &json!({ "sub": "u1", "exp": NOW })),
        Err(Refusal::Invalid)
    );
    assert!(verified(&json!({ "sub": "u1", "exp": NOW, "iss": "anybody" })).is_ok());
}

#[test]
fn a_configured_audience_must_be_named() {
    let strict = Options {
        audiences: vec!["tidings".into()],
        ..options()
    };
    for aud in [json!("tidings"), json!(["other", "tidings"])] {
        assert!(
            verified_with(&strict, &json!({ "sub": "u1", "exp": NOW, "aud": aud })).is_ok(),
            "{aud}"
        );
    }
    for aud in [
        json!("other"),
        json!([]),
        json!(["other"]),
        json!(null),
        json!(7),
        json!(""),
    ] {
        let claims = json!({ "sub": "u1", "exp": NOW, "aud": aud });
        assert_eq!(
            verified_with(&strict, &claims),
            Err(Refusal::Invalid),
            "{aud}"
        );
    }
    assert_eq!(
        verified_with(&strict, &json!({ "sub": "u1", "exp": NOW })),
        Err(Refusal::Invalid)
    );
    assert!(verified(&json!({ "sub": "u1", "exp": NOW, "aud": "anybody" })).is_ok());
}

#[test]
fn sub_is_required_and_must_be_a_user_id() {
    for sub in [
        json!(null),
        json!(42),
        json!(""),
        json!("a\nb"),
        json!("x".repeat(129)),
    ] {
        assert_eq!(
            verified(&json!({ "sub": sub, "exp": NOW })),
            Err(Refusal::Invalid),
            "{sub}"
        );
    }
    assert_eq!(verified(&json!({ "exp": NOW })), Err(Refusal::Invalid));
}

#[test]
fn the_name_is_the_first_of_preferred_username_name_and_sub() {
    let name = |claims: Value| verified(&claims).unwrap().username;
    assert_eq!(
        name(json!({ "sub": "u1", "exp": NOW, "preferred_username": "ada", "name": "Ada L." })),
        "ada"
    );
    assert_eq!(
        name(json!({ "sub": "u1", "exp": NOW, "preferred_username": " ", "name": "Ada L." })),
        "Ada L."
    );
    assert_eq!(
        name(json!({ "sub": "u1", "exp": NOW, "preferred_username": 7, "name": null })),
        "u1"
    );
}

#[test]
fn the_mail_address_is_optional() {
    let email = |email: Value| {
        verified(&json!({ "sub": "u1", "exp": NOW, "email": email }))
            .unwrap()
            .email
    };
    assert_eq!(
        email(json!("ada@example.com")).as_deref(),
        Some("ada@example.com")
    );
    assert_eq!(email(json!("")), None);
    assert_eq!(email(json!(7)), None);
}

#[test]
fn roles_are_a_list_or_a_string_and_may_be_those_of_the_realm() {
    let roles = |roles: Value, realm: Value| {
        verified(&json!({ "sub": "u1", "exp": NOW, "roles": roles, "realm_access": realm }))
            .unwrap()
            .roles
    };
    assert_eq!(
        roles(json!(["admin", "user"]), Value::Null),
        ["admin", "user"]
    );
    assert_eq!(roles(json!("admin user"), Value::Null), ["admin", "user"]);
    assert_eq!(
        roles(json!("admin, user,,admin"), Value::Null),
        ["admin", "user"]
    );
    assert_eq!(
        roles(json!(["user"]), json!({ "roles": ["admin", "user"] })),
        ["user", "admin"]
    );
    assert_eq!(roles(json!(["two words"]), Value::Null), ["two words"]);
    for nothing in [
        json!(7),
        json!({ "admin": true }),
        json!([7, ["admin"], {}]),
        json!(null),
        json!(""),
    ] {
        assert_eq!(roles(nothing.clone(), json!({ "roles": nothing })), [""; 0]);
        assert_eq!(roles(Value::Null, nothing), [""; 0]);
    }
}

#[test]
fn a_token_that_is_too_long_is_refused() {
    let token = |filling: usize| {
        signed(
            &Header::default(),
            &json!({ "sub": "u1", "exp": NOW, "x": "y".repeat(filling) }),
        )
    };
    let verifier = Verifier::new(&options());
    let (fits, exceeds) = (token(6_000), token(6_200));
    assert!(fits.len() <= MAX_TOKEN_BYTES && exceeds.len() > MAX_TOKEN_BYTES);
    assert!(verifier.verify(&fits, now()).is_ok());
    assert_eq!(verifier.verify(&exceeds, now()), Err(Refusal::Invalid));
}

#[test]
fn repeated_claims_are_refused() {
    let token = signed_by_hand(
        r#"{"alg":"HS256"}"#,
        &format!(r#"{{"sub":"u1","sub":"admin","exp":{NOW}}}"#),
    );
    assert_eq!(
        Verifier::new(&options()).verify(&token, now()),
        Err(Refusal::Invalid)
    );
}

#[test]
fn three_parts_look_like_a_jwt() {
    assert!(has_shape("a.b.c") && has_shape(".."));
    assert!(!has_shape("a.b") && !has_shape("a.b.c.d") && !has_shape(""));
}

proptest! {
    #[test]
    fn no_text_causes_a_panic(text in any::<String>(), parts in prop::array::uniform3(any::<String>())) {
        let verifier = Verifier::new(&options());
        prop_assert!(verifier.verify(&text, now()).is_err());
        prop_assert!(verifier.verify(&parts.join("."), now()).is_err());
    }

    #[test]
    fn no_signed_claims_cause_a_panic(claims in "[ -~]{0,40}", exp in any::<f64>(), nbf in any::<f64>()) {
        let verifier = Verifier::new(&options());
        let _ = verifier.verify(&signed_by_hand(r#"{"alg":"HS256"}"#, &claims), now());
        let _ = verified(&json!({ "sub": "u1", "exp": exp, "nbf": nbf, "roles": claims }));
    }
}

#[test]
fn the_times_of_a_cached_token_are_checked_at_each_call() {
    let token = signed(
        &Header::default(),
        &json!({ "sub": "u1", "nbf": NOW - 100, "exp": NOW + 100 }),
    );
    let verifier = Verifier::new(&options());
    let at = |second: i64| verifier.verify(&token, Timestamp::from_second(NOW + second).unwrap());
    assert!(at(0).is_ok());
    for (second, refusal) in [
        (129, None),
        (130, Some(Refusal::Expired)),
        (0, None),
        (-130, None),
        (-131, Some(Refusal::NotYetValid)),
        (9, None),
    ] {
        assert_eq!(at(second).err(), refusal, "after {second} s");
    }
    assert_eq!(verifier.verified.len(), 1);
}

#[test]
fn refused_tokens_are_not_cached_and_each_token_is_cached_by_its_whole_text() {
    let claims = json!({ "sub": "u1", "exp": NOW });
    let good = signed(&Header::default(), &claims);
    let verifier = Verifier::new(&options());
    assert!(verifier.verify(&good, now()).is_ok());
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed_part}.{other}{}", &signature[1..]);
    let expired = signed(
        &Header::default(),
        &json!({ "sub": "u1", "exp": NOW - 100 }),
    );
    for token in [
        &forged,
        &expired,
        &format!("{good}x"),
        &good[..good.len() - 1],
        "a.b.c",
    ] {
        assert!(verifier.verify(token, now()).is_err(), "{token}");
        assert!(verifier.verify(token, now()).is_err(), "{token}, again");
    }
    assert_eq!(verifier.verified.len(), 1);
    let other = Verifier::new(&Options {
        issuers: vec!["somebody".to_owned()],
        ..options()
    });
    assert_eq!(
        other.verify(&good, now()),
        Err(Refusal::Invalid),
        "verifiers do not share a cache"
    );
}
