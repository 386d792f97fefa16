//! `Host`: an HTTP/1.1 request has exactly one (RFC 9112, section 3.2), in both lanes.

use crate::support::{ADMIN, Answer, TestServer, http, in_time, start};

async fn ask(server: &TestServer, start: &str, headers: &str) -> Answer {
    let request =
        format!("{start}\r\n{headers}Connection: close\r\nOrigin: http://localhost:5173\r\n\r\n");
    Answer::parse(&in_time(http::raw(server.address, request.as_bytes())).await)
}

#[tokio::test]
async fn a_request_without_one_host_is_refused_before_anything_else() {
    let server = start().await;
    let bearer = format!("Authorization: Bearer {ADMIN}\r\n");
    let publish = "{\"title\":\"T\",\"message\":\"M\"}";
    for (start, rest) in [
        ("GET /health HTTP/1.1", String::new()),
        ("GET /nope HTTP/1.1", String::new()),
        (
            "GET /notifications/stream HTTP/1.1",
            "Accept: text/event-stream\r\n".to_owned(),
        ),
        (
            "GET http://example.com/notifications/stream HTTP/1.1",
            String::new(),
        ),
        (
            "OPTIONS /notifications/send HTTP/1.1",
            "Access-Control-Request-Method: POST\r\n".to_owned(),
        ),
        ("OPTIONS /notifications/stream HTTP/1.1", String::new()),
        ("OPTIONS * HTTP/1.1", String::new()),
        ("POST /chat/room/r/join HTTP/1.1", bearer.clone()),
    ] {
        for hosts in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nHost: b\r\n",
            "Host: a b\r\n",
            "Host: u@a\r\n",
        ] {
            let answer = ask(&server, start, &format!("{hosts}{rest}")).await;
            answer.assert_invalid(&["Host"]);
            if !start.starts_with("OPTIONS") {
                let allowed = answer.header("access-control-allow-origin");
                assert_eq!(
                    allowed,
                    Some("http://localhost:5173"),
                    "a page may read it: {start}"
                );
            }
        }
    }
    let request = format!(
        "POST /notifications/send HTTP/1.1\r\n{bearer}Content-Type: \
         application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{publish}",
        publish.len()
    );
    Answer::parse(&in_time(http::raw(server.address, request.as_bytes())).await)
        .assert_invalid(&["Host"]);
    assert_eq!(server.stored().await, 0);
    assert_eq!(server.stats().await["totalConnections"], 0);
}

#[tokio::test]
async fn one_host_of_any_name_is_enough_and_http_1_0_needs_none() {
    let server = start().await;
    for host in [
        "x",
        "",
        "localhost:1",
        "[::1]:3000",
        "my_service",
        "EXAMPLE.com.",
    ] {
        let answer = ask(
            &server,
            "GET /health HTTP/1.1",
            &format!("Host: {host}\r\n"),
        )
        .await;
        assert_eq!(answer.status, 200, "{host:?}: {}", answer.text());
    }
    let preflight = ask(
        &server,
        "OPTIONS /health HTTP/1.1",
        "Host: x\r\nAccess-Control-Request-Method: GET\r\n",
    )
    .await;
    assert_eq!(preflight.status, 200, "{}", preflight.text());
    let absolute = ask(
        &server,
        "GET http://example.com/health HTTP/1.1",
        "Host: other\r\n",
    )
    .await;
    assert_eq!(absolute.status, 200, "{}", absolute.text());
    assert_eq!(ask(&server, "GET /health HTTP/1.0", "").await.status, 200);
    ask(&server, "GET /health HTTP/1.0", "Host: a\r\nHost: b\r\n")
        .await
        .assert_invalid(&["Host"]);
}
