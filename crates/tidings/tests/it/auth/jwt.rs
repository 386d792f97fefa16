//! JSON Web Tokens: signatures, claims and times.

use std::time::Duration;

use base64::Engine as _;
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{REQUIRED, SECRET, connected, get, is_admin, jwt, sign, speaks_as};
use crate::support::binary::Place;
use crate::support::checks::SetClock;
use crate::support::{ADMIN, start, start_at, start_with};

#[tokio::test]
async fn tokens_are_accepted_whether_or_not_their_secret_has_the_final_line_break() {
    let written = format!("{SECRET}\n");
    let server = start_with(&[("JWT_SECRET", &written)]).await;
    let claims = json!({"sub": "ann", "exp": 4_000_000_000_u64});
    let sign = |secret: &str| sign(Algorithm::HS256, secret, &claims);
    for secret in [SECRET, &written] {
        let connected = server
            .stream("/chat/stream", &sign(secret))
            .await
            .expect("connected")
            .await;
        assert_eq!(connected.data["userId"], "ann", "{secret:?}");
    }
    let refused = server
        .call(
            "GET",
            "/chat/stream",
            &sign(&format!(" {SECRET}")),
            json!(null),
        )
        .await;
    refused.assert_refused(401, "token_invalid");
    let said = Place::new().env("JWT_SECRET", &written).start(&[]).said();
    assert!(
        said.contains("WARN") && said.contains("JWT_SECRET") && said.contains("line break"),
        "{said}"
    );
}

#[tokio::test]
async fn a_jwt_is_signed_by_hs256_hs384_or_hs512() {
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    let claims = json!({"sub": "ann", "exp": 4_900_000_000_u64});
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token = sign(algorithm, SECRET, &claims);
        assert_eq!(
            connected(&server, "/chat/stream", &token).await.data["userId"],
            "ann"
        );
        let path = format!("/notifications/stream?token={token}");
        assert_eq!(connected(&server, &path, "").await.data["userId"], "ann");
        let foreign = sign(algorithm, "another secret of at least 32 bytes", &claims);
        get(&server, REQUIRED, &foreign)
            .await
            .assert_refused(401, "token_invalid");
    }
}

#[tokio::test]
async fn a_jwt_with_a_wrong_signature_is_refused_everywhere() {
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    let good = jwt(&json!({}));
    let [head, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let rs = encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let admin = encode(r#"{"sub":"ann","exp":4900000000,"roles":["admin"]}"#);
    let bad = [
        format!("{head}.{admin}.{signature}"),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{rs}.{claims}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}..{signature}"),
        format!("{head}.{claims}.{signature}x"),
        "a.b.c".to_owned(),
        "..".to_owned(),
        jwt(&json!({"sub": ""})),
        jwt(&json!({"sub": "x".repeat(129)})),
        jwt(&json!({"sub": "a\nb"})),
        jwt(&json!({"sub": 7})),
        sign(Algorithm::HS256, SECRET, &json!({"exp": 4_900_000_000_u64})),
        sign(
            Algorithm::HS256,
            SECRET,
            &json!({"sub": "ann", "exp": "never"}),
        ),
        jwt(&json!({"pad": "x".repeat(9_000)})),
    ];
    for token in bad {
        // each server has its own count of failures
        let server = start_with(&[("JWT_SECRET", SECRET)]).await;
        for path in [
            REQUIRED,
            "/notifications/stream",
            "/system/heartbeat",
            "/events?topic=notifications",
        ] {
            let answer = get(&server, path, &token).await;
            answer.assert_refused(401, "token_invalid");
            assert_eq!(answer.json()["message"], "Invalid authentication token");
            assert!(!answer.text().contains(&token));
        }
    }
    assert_eq!(get(&server, REQUIRED, &good).await.status, 200);
}

#[tokio::test]
async fn without_a_key_every_jwt_is_refused_everywhere() {
    let server = start().await;
    for token in [
        jwt(&json!({})),
        sign(
            Algorithm::HS256,
            "",
            &json!({"sub": "ann", "exp": 4_900_000_000_u64}),
        ),
    ] {
        for path in [REQUIRED, "/notifications/stream"] {
            get(&server, path, &token)
                .await
                .assert_refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn the_claims_name_the_user() {
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    for (claims, name) in [
        (json!({}), "ann"),
        (json!({"name": "Ann Name"}), "Ann Name"),
        (
            json!({"name": "Ann Name", "preferred_username": "annie"}),
            "annie",
        ),
        (
            json!({"name": "Ann Name", "preferred_username": ""}),
            "Ann Name",
        ),
    ] {
        assert_eq!(
            speaks_as(&server, &jwt(&claims)).await,
            ("ann".to_owned(), name.to_owned())
        );
    }
}

#[tokio::test]
async fn the_roles_are_an_array_or_a_joined_string_or_those_of_the_realm() {
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    for (claims, admin) in [
        (json!({}), false),
        (json!({"roles": ["user"]}), false),
        (json!({"roles": ["user", "admin"]}), true),
        (json!({"roles": "user admin"}), true),
        (json!({"roles": "user,admin"}), true),
        (json!({"roles": "user, admin"}), true),
        (json!({"roles": "administrator"}), false),
        (json!({"roles": {"admin": true}}), false),
        (json!({"realm_access": {"roles": ["admin"]}}), true),
        (
            json!({"roles": ["user"], "realm_access": {"roles": ["admin"]}}),
            true,
        ),
        (json!({"realm_access": ["admin"]}), false),
    ] {
        assert_eq!(is_admin(&server, &jwt(&claims)).await, admin, "{claims}");
    }
}

#[tokio::test]
async fn a_jwt_is_good_until_30_seconds_after_exp() {
    let time = SetClock::at("2026-11-23T22:30:00Z");
    let server = start_at(&[("JWT_SECRET", SECRET)], time.clock()).await;
    let exp = time.now().as_second() + 60;
    let token = sign(Algorithm::HS256, SECRET, &json!({"sub": "ann", "exp": exp}));
    assert_eq!(get(&server, REQUIRED, &token).await.status, 200);
    time.advance(Duration::from_millis(89_999));
    assert_eq!(get(&server, REQUIRED, &token).await.status, 200);
    time.advance(Duration::from_millis(1));
    for path in [
        REQUIRED,
        "/notifications/stream",
        "/events?topic=notifications",
    ] {
        let answer = get(&server, path, &token).await;
        answer.assert_refused(401, "token_expired");
        assert_eq!(answer.json()["message"], "Invalid authentication token");
    }
    let path = format!("/notifications/stream?token={token}");
    server.get(&path).await.assert_refused(401, "token_expired");
}

#[tokio::test]
async fn a_jwt_is_good_from_30_seconds_before_nbf() {
    let time = SetClock::at("2026-11-23T22:30:00Z");
    let server = start_at(&[("JWT_SECRET", SECRET)], time.clock()).await;
    let nbf = time.now().as_second() + 60;
    let token = jwt(&json!({"nbf": nbf}));
    time.advance(Duration::from_millis(29_999));
    get(&server, REQUIRED, &token)
        .await
        .assert_refused(401, "token_invalid");
    get(&server, "/notifications/stream", &token)
        .await
        .assert_refused(401, "token_invalid");
    time.advance(Duration::from_millis(1));
    assert_eq!(get(&server, REQUIRED, &token).await.status, 200);
}

#[tokio::test]
async fn a_jwt_without_exp_is_refused_unless_it_need_not_have_one() {
    let endless = sign(Algorithm::HS256, SECRET, &json!({"sub": "ann"}));
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    get(&server, REQUIRED, &endless)
        .await
        .assert_refused(401, "token_invalid");
    let server = start_with(&[("JWT_SECRET", SECRET), ("JWT_REQUIRE_EXP", "false")]).await;
    assert_eq!(get(&server, REQUIRED, &endless).await.status, 200);
    let past = sign(
        Algorithm::HS256,
        SECRET,
        &json!({"sub": "ann", "exp": 1_000_000_000}),
    );
    get(&server, REQUIRED, &past)
        .await
        .assert_refused(401, "token_expired");
}

#[tokio::test]
async fn issuer_and_audience_must_match_when_they_are_set() {
    let open = start_with(&[("JWT_SECRET", SECRET)]).await;
    assert_eq!(
        get(&open, REQUIRED, &jwt(&json!({"iss": "any", "aud": "any"})))
            .await
            .status,
        200
    );
    let settings = [
        ("JWT_SECRET", SECRET),
        ("JWT_ISSUER", "https://a.example,https://b.example"),
        ("JWT_AUDIENCE", "tidings,live"),
    ];
    let server = start_with(&settings).await;
    for (claims, good) in [
        (json!({"iss": "https://a.example", "aud": "tidings"}), true),
        (
            json!({"iss": "https://b.example", "aud": ["other", "live"]}),
            true,
        ),
        (json!({"iss": "https://c.example", "aud": "tidings"}), false),
        (json!({"iss": "https://a.example", "aud": "other"}), false),
        (json!({"iss": "https://a.example", "aud": []}), false),
        (json!({"iss": "https://a.example"}), false),
        (json!({"aud": "tidings"}), false),
        (
            json!({"iss": "https://a.example/", "aud": "tidings"}),
            false,
        ),
    ] {
        let answer = get(&server, REQUIRED, &jwt(&claims)).await;
        if good {
            assert_eq!(answer.status, 200, "{claims}");
        } else {
            answer.assert_refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn a_token_with_two_dots_is_a_jwt_and_any_other_a_demo_token() {
    let server = start_with(&[("JWT_SECRET", SECRET)]).await;
    assert_eq!(
        connected(&server, "/chat/stream", ADMIN).await.data["userId"],
        "test123"
    );
    assert_eq!(
        connected(&server, "/chat/stream", &jwt(&json!({})))
            .await
            .data["userId"],
        "ann"
    );
}
