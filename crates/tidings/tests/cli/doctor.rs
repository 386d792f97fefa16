//! `tidings doctor`: through a real nginx, each wrong configuration yields its finding and no
//! other.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::nginx::Nginx;
use crate::support::{Place, in_time};

/// The checks whose warnings say that the way is slow. On a busy machine it is, and the doctor is
/// right.
const SLOWNESS: [&str; 2] = ["first-byte", "buffering"];

/// The warnings and problems behind an address, as `check: level`, the exit code, and the whole
/// report. A slow machine is none.
async fn findings(place: &Place, arguments: &[&str]) -> (Vec<String>, Option<i32>, Value) {
    let output = place
        .run(&[&["doctor", "--json"], arguments].concat())
        .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| match finding["level"].as_str() {
        Some("warning") => !SLOWNESS.iter().any(|check| finding["check"] == *check),
        level => level == Some("problem"),
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bad = bad
        .map(|finding| format!("{}: {}", text(&finding["check"]), text(&finding["level"])))
        .collect();
    (bad, output.status.code(), report)
}

/// What the doctor finds through nginx with these lines.
async fn through(lines: &str, arguments: &[&str]) -> (Vec<String>, Option<i32>, Value) {
    let server = Place::new().env("HEARTBEAT_INTERVAL", "10s").serve().await;
    let nginx = Nginx::before(server.address, lines).await;
    findings(&Place::new().calling(nginx.address), arguments).await
}

fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap()
}

/// Nothing is wrong with it but, on a busy machine, that it is slow.
#[track_caller]
fn is_well(report: &Value, check: &str) {
    let level = &finding(report, check)["level"];
    assert!(
        level == "ok" || (level == "warning" && SLOWNESS.contains(&check)),
        "{check}: {report}"
    );
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn a_correct_nginx_is_healthy() {
    let (bad, code, report) = through(Nginx::RIGHT, &["--patient=1"]).await;
    assert!(bad.is_empty(), "{report}");
    assert_eq!(
        (code, &report["healthy"], &report["proxy"]),
        (Some(0), &true.into(), &"nginx".into())
    );
    for check in [
        "first-byte",
        "buffering",
        "authorization",
        "last-event-id",
        "resume",
        "clock",
        "idle",
    ] {
        is_well(&report, check);
    }
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn buffering_is_found_and_the_fix_is_printed() {
    // With HTTP/1.0 behind it, as is its default: chunks of HTTP/1.1 it passes on as they come.
    let (bad, code, report) = through("proxy_ignore_headers X-Accel-Buffering;", &[]).await;
    assert_eq!(
        (bad, code),
        (vec!["buffering: problem".to_owned()], Some(1)),
        "{report}"
    );
    assert!(
        finding(&report, "buffering")["mend"]
            .as_str()
            .unwrap()
            .contains("proxy_buffering off;")
    );
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn compression_is_found_and_everything_else_is_still_measured() {
    let (bad, code, report) = through(
        &format!("{} gzip on; gzip_types text/event-stream;", Nginx::RIGHT),
        &[],
    )
    .await;
    assert_eq!(
        (bad, code),
        (vec!["compression: problem".to_owned()], Some(1)),
        "{report}"
    );
    is_well(&report, "resume");
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn an_idle_timeout_of_the_proxy_is_found_and_measured() {
    let (bad, code, report) = through(
        &format!("{} proxy_read_timeout 2s;", Nginx::RIGHT),
        &["--patient=20"],
    )
    .await;
    assert_eq!(
        (bad, code),
        (vec!["idle: problem".to_owned()], Some(1)),
        "{report}"
    );
    let seconds = finding(&report, "idle")["value"].as_f64().unwrap();
    assert!(seconds >= 1.5, "{seconds}");
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn a_token_that_the_proxy_drops_is_reported() {
    let (bad, code, report) = through(
        &format!("{} proxy_set_header Authorization \"\";", Nginx::RIGHT),
        &[],
    )
    .await;
    assert_eq!(
        (bad, code),
        (vec!["authorization: problem".to_owned()], Some(1)),
        "{report}"
    );
    is_well(&report, "buffering");
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn a_last_event_id_that_the_proxy_drops_is_reported() {
    let (bad, code, report) = through(
        &format!("{} proxy_set_header Last-Event-ID \"\";", Nginx::RIGHT),
        &[],
    )
    .await;
    assert_eq!(
        (bad, code),
        (vec!["last-event-id: problem".to_owned()], Some(1)),
        "{report}"
    );
    is_well(&report, "resume");
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn changed_response_headers_are_reported() {
    let lines = "proxy_hide_header Cache-Control; add_header Cache-Control \"public, max-age=60\";";
    let (bad, code, report) = through(&format!("{} {lines}", Nginx::RIGHT), &[]).await;
    assert_eq!(
        (bad, code),
        (vec!["headers: problem".to_owned()], Some(1)),
        "{report}"
    );
}

/// A place whose commands call the server behind `nginx` over TLS, and trust only what `roots`
/// vouches for.
fn calling_over_tls(nginx: &Nginx, roots: &str) -> (Place, String) {
    let url = format!("https://localhost:{}", nginx.address.port());
    let place = Place::new()
        .env("TIDINGS_URL", &url)
        .env("TIDINGS_TOKEN", tidings_server::auth::demo::TOKEN);
    (place.env("SSL_CERT_FILE", roots), url)
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn over_tls_the_doctor_uses_http_2_as_browsers_do() {
    let server = Place::new().env("HEARTBEAT_INTERVAL", "10s").serve().await;
    let nginx = Nginx::with_tls_for("localhost", server.address, Nginx::RIGHT).await;
    let (place, _) = calling_over_tls(&nginx, &nginx.certificate());
    let (bad, code, report) = findings(&place, &[]).await;
    assert!(bad.is_empty(), "{report}");
    assert_eq!(
        (code, &report["healthy"], &report["proxy"]),
        (Some(0), &true.into(), &"nginx".into())
    );
    assert_eq!(
        finding(&report, "http-version")["message"],
        "HTTP/2.0",
        "{report}"
    );
    for check in [
        "first-byte",
        "buffering",
        "authorization",
        "last-event-id",
        "resume",
        "clock",
    ] {
        is_well(&report, check);
    }
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn an_untrusted_certificate_is_the_reported_problem() {
    let server = Place::new().serve().await;
    let right = Nginx::with_tls_for("localhost", server.address, Nginx::RIGHT).await;
    let wrong = Nginx::with_tls_for("events.example.com", server.address, Nginx::RIGHT).await;
    for (nginx, roots, words) in [
        (&right, wrong.certificate(), "UnknownIssuer"),
        (&wrong, wrong.certificate(), "events.example.com"),
    ] {
        let (place, url) = calling_over_tls(nginx, &roots);
        let (bad, code, report) = findings(&place, &[]).await;
        assert_eq!(
            (bad, code),
            (vec!["reach: problem".to_owned()], Some(2)),
            "{report}"
        );
        let found = finding(&report, "reach");
        let message = found["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("can't trust {url}: ")) && message.contains(words),
            "{message}"
        );
        assert!(
            found["meaning"].as_str().unwrap().contains("SSL_CERT_FILE"),
            "{found}"
        );
    }
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn the_lines_that_fix_the_named_proxy_are_printed() {
    let server = Place::new().serve().await;
    let nginx = Nginx::before(
        server.address,
        &format!("{} gzip on; gzip_types *;", Nginx::RIGHT),
    )
    .await;
    let url = format!("http://{}", nginx.address);
    let place = Place::new().env("TIDINGS_TOKEN", tidings_server::auth::demo::TOKEN);
    let output = place.run(&["doctor", &url, "--proxy=caddy"]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.starts_with("problem  compression    Content-Encoding: gzip\n"),
        "{shown}"
    );
    assert!(
        shown.contains("  Caddy:\n    # ") && shown.contains("\n    @calls not path"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// Answers every connection with the same bytes.
async fn answering(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn if_nothing_can_be_measured_the_exit_code_is_2() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for (address, words) in [
        (closed, "can't reach "),
        (
            answering(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            )
            .await,
            "this is not a Tidings server: ",
        ),
        (
            answering("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n")
                .await,
            "this is not a Tidings server: ",
        ),
        (
            answering(
                "HTTP/1.1 302 Found\r\nLocation: /realtime/stream\r\nContent-Length: 0\r\n\r\n",
            )
            .await,
            "the server has moved to /realtime/stream (302)",
        ),
        (
            answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await,
            "Unauthorized (401)",
        ),
        (answering("nonsense\r\n\r\n").await, "no answer from "),
    ] {
        let (bad, code, report) = in_time(findings(&Place::new().calling(address), &[])).await;
        assert_eq!(
            (bad, code),
            (vec!["reach: problem".to_owned()], Some(2)),
            "{report}"
        );
        let message = finding(&report, "reach")["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{message}");
    }
}
