//! Bodies that are not as they should be.

use super::{WITH_BODY, WITH_OBJECT, post, post_json};
use crate::support::{ADMIN, start};

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let server = start().await;
    let bad: [&[u8]; 18] = [
        b"",
        b" \r\n\t ",
        b"{bad",
        b"{",
        b"{\"title\":}",
        b"{'title':'T'}",
        b"{\"title\":\"T\",}",
        b"{\"title\" \"T\"}",
        b"{\"title\":\"T\"} trailing",
        b"{\"title\":\"T\"}{}",
        b"\xef\xbb\xbf{}",
        b"{\"title\":\"\xff\xfe\"}",
        b"{\"title\":\"\xed\xa0\x80\"}",
        b"{\"title\":\"raw\nbreak\"}",
        b"{\"title\":\"raw\0nul\"}",
        b"{\"title\":NaN}",
        b"{\"title\":01}",
        b"title=T&message=M",
    ];
    for (path, _) in WITH_BODY {
        for body in bad {
            let answer = post_json(&server, path, body).await;
            answer.assert_refused(400, "invalid_json");
        }
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_body_that_is_not_an_object_is_refused_where_fields_are_asked_for() {
    let server = start().await;
    for path in WITH_OBJECT {
        for body in ["null", "1", "\"text\"", "[]", "[{\"title\":\"T\"}]", "true"] {
            post_json(&server, path, body.as_bytes())
                .await
                .assert_invalid(&["body"]);
        }
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_lone_surrogate_is_refused() {
    let server = start().await;
    for text in [
        r"\ud800",
        r"\udc00",
        r"\ud800x",
        r"\ud83d\ud83d",
        r"\udc00\ud800",
    ] {
        let body = format!(r#"{{"title":"{text}","message":"M"}}"#);
        post_json(&server, "/notifications/send", body.as_bytes())
            .await
            .assert_invalid(&["title"]);
        let body = format!(r#"{{"roomId":"{text}","message":"{text}"}}"#);
        post_json(&server, "/chat/message", body.as_bytes())
            .await
            .assert_invalid(&["roomId", "message"]);
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn half_of_a_character_is_refused_with_its_place_wherever_it_stands() {
    let server = start().await;
    for (path, body, place) in [
        (
            "/notifications/send",
            r#"{"title":"T","message":"M","metadata":{"a":[0,"x\ud83d"]}}"#,
            "metadata.a[1]",
        ),
        (
            "/notifications/send",
            r#"{"title":"T","message":"M","more":{"\udfff":1}}"#,
            "more",
        ),
        (
            "/notifications/broadcast",
            r#"{"title":"T","message":"M","\ud800":1}"#,
            "body",
        ),
        (
            "/realtime/update",
            r#"{"entity":"e","action":"update","data":{"a":"x\ud83d"}}"#,
            "data.a",
        ),
        ("/realtime/entity/e/create", r#"{"a":"\ud83d\u0020"}"#, "a"),
        (
            "/realtime/entity/e/update",
            r#"["ok",["\ude00\ud83d"]]"#,
            "[1][0]",
        ),
        ("/realtime/entity/e/delete", r#""\udc00""#, "body"),
        (
            "/chat/message",
            r#"{"roomId":"r","message":"m","metadata":["\ud83d"]}"#,
            "metadata[0]",
        ),
        (
            "/chat/message",
            r#"{"roomId":"r","message":"m","unknown":"\ud83d"}"#,
            "unknown",
        ),
        (
            "/system/status/update",
            r#"{"service":"s","status":"online","metrics":{"m":"\uDBFF"}}"#,
            "metrics.m",
        ),
    ] {
        let answer = post_json(&server, path, body.as_bytes()).await;
        answer.assert_invalid(&[place]);
        assert!(
            answer.text().contains("unpaired surrogate"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(server.stored().await, 0);
    let whole = r#"{"a":"\ud83d\ude00 \\ud83d","\u00e9":"\u0000"}"#;
    assert_eq!(
        post_json(&server, "/realtime/entity/e/create", whole.as_bytes())
            .await
            .status,
        200
    );
    let kept = server.get("/events?topic=realtime").await.text();
    assert!(kept.contains(whole), "it is passed on as it came: {kept}");
}

#[tokio::test]
async fn a_number_above_a_double_is_refused_with_its_place_and_others_pass_digit_by_digit() {
    let server = start().await;
    let many = format!("[{}]", "9".repeat(310));
    for (path, body, place) in [
        (
            "/notifications/send",
            r#"{"title":"T","message":"M","metadata":{"a":{"b":1e400}}}"#,
            "metadata.a.b",
        ),
        (
            "/realtime/update",
            r#"{"entity":"e","action":"update","data":[1,-1E+309]}"#,
            "data[1]",
        ),
        ("/realtime/entity/e/create", "1e999", "body"),
        ("/realtime/entity/e/create", many.as_str(), "[0]"),
        (
            "/chat/message",
            r#"{"roomId":"r","message":"m","metadata":2e308}"#,
            "metadata",
        ),
        (
            "/system/status/update",
            r#"{"service":"s","status":"online","load":1e309}"#,
            "load",
        ),
    ] {
        post_json(&server, path, body.as_bytes())
            .await
            .assert_invalid(&[place]);
    }
    assert_eq!(server.stored().await, 0);
    let fine = r#"[1e308,-1.7976931348623157E+308,1e-400,12345678901234567890123,0.10,1.0,"1e400","3e999"]"#;
    assert_eq!(
        post_json(&server, "/realtime/entity/e/create", fine.as_bytes())
            .await
            .status,
        200
    );
    let kept = server.get("/events?topic=realtime").await.text();
    assert!(kept.contains(fine), "it is passed on as it came: {kept}");
}

#[tokio::test]
async fn a_byte_order_mark_is_named() {
    let server = start().await;
    for (path, body) in WITH_BODY {
        let marked = [b"\xef\xbb\xbf", body.as_bytes()].concat();
        let answer = post_json(&server, path, &marked).await;
        answer.assert_refused(400, "invalid_json");
        assert!(
            answer.text().contains("byte order mark"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn what_nests_too_deep_for_the_parsers_of_others_is_refused_however_deep_it_is() {
    let server = start().await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (path, start, end, field) in [
        (
            "/notifications/send",
            r#"{"title":"T","message":"M","metadata":"#,
            "}",
            "metadata",
        ),
        (
            "/notifications/send",
            r#"{"title":"T","message":"M","more":"#,
            "}",
            "more",
        ),
        (
            "/realtime/update",
            r#"{"entity":"e","action":"update","data":"#,
            "}",
            "data",
        ),
        ("/realtime/entity/e/create", "", "", "body"),
        (
            "/chat/message",
            r#"{"roomId":"r","message":"m","metadata":"#,
            "}",
            "metadata",
        ),
        (
            "/system/status/update",
            r#"{"service":"s","status":"online","metrics":"#,
            "}",
            "metrics",
        ),
    ] {
        let good = format!("{start}{}{end}", nested(120));
        let answer = post_json(&server, path, good.as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let stored = server.stored().await;
        for depth in [121, 100_000] {
            let bad = format!("{start}{}{end}", nested(depth));
            post_json(&server, path, bad.as_bytes())
                .await
                .assert_invalid(&[field]);
        }
        let unclosed = format!("{start}{}", "[".repeat(100_000));
        post_json(&server, path, unclosed.as_bytes())
            .await
            .assert_refused(400, "invalid_json");
        assert_eq!(server.stored().await, stored);
    }
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let server = start().await;
    for (path, body) in WITH_BODY {
        let kinds = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "json",
            "",
            "*/*",
            "application/jsonp",
        ];
        for kind in kinds.into_iter().map(Some).chain([None]) {
            post(&server, path, kind, body.as_bytes())
                .await
                .assert_refused(415, "unsupported_media_type");
        }
    }
    assert_eq!(
        server.stored().await,
        0,
        "a page of another origin can't publish with what needs no preflight"
    );
    let kinds = [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/vnd.api+json",
    ];
    for kind in kinds {
        let answer = post(
            &server,
            WITH_BODY[0].0,
            Some(kind),
            WITH_BODY[0].1.as_bytes(),
        )
        .await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_the_answer_lists_the_accepted_codings() {
    let server = start().await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = |coding| {
        [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            coding,
        ]
    };
    for (path, body) in WITH_BODY {
        for coding in [
            "gzip",
            "br",
            "deflate, identity",
            "Zstd",
            "x-gzip",
            "aes128gcm",
        ] {
            let coding_header = ("Content-Encoding", coding);
            let answer = server
                .request("POST", path, &headers(coding_header), body.as_bytes())
                .await;
            answer.assert_refused(415, "unsupported_media_type");
            assert_eq!(
                answer.header("accept-encoding"),
                Some("identity"),
                "{path} {coding}"
            );
            let named = coding.split(',').next().unwrap();
            assert!(
                answer.text().contains(&format!("`{named}`")),
                "{}",
                answer.text()
            );
        }
    }
    assert_eq!(server.stored().await, 0);
    for (path, body) in WITH_BODY {
        for coding in ["identity", "Identity", "identity, identity", ""] {
            let answer = server
                .request(
                    "POST",
                    path,
                    &headers(("Content-Encoding", coding)),
                    body.as_bytes(),
                )
                .await;
            assert_eq!(answer.status, 200, "{path} {coding}: {}", answer.text());
        }
    }
    // A call without a body does not read one.
    let join = server
        .request(
            "POST",
            "/chat/room/r/join",
            &headers(("Content-Encoding", "gzip")),
            b"\x1f\x8b",
        )
        .await;
    assert_eq!(join.status, 200, "{}", join.text());
}
