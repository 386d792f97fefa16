//! Bytes that are not a request are answered with an error like every other.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::http::raw;
use crate::support::{Answer, in_time, start};

const ORIGIN: &str = "http://localhost:5173";

/// Bytes that are not a request, with the status and the code of the answer.
fn no_requests() -> Vec<(String, u16, &'static str)> {
    let origin = format!("Origin: {ORIGIN}\r\n");
    let large = "x".repeat(20 << 10);
    vec![
        (
            format!("GET /a b HTTP/1.1\r\n{origin}\r\n"),
            400,
            "malformed_request",
        ),
        (
            format!("GET / HTTP/9.9\r\n{origin}\r\n"),
            400,
            "malformed_request",
        ),
        (
            format!("GET / HTTP/1.1\r\n{origin}no colon\r\n\r\n"),
            400,
            "malformed_request",
        ),
        (
            format!("POST / HTTP/1.1\r\n{origin}Content-Length: -1\r\n\r\n"),
            400,
            "malformed_request",
        ),
        (
            format!("GET /notifications/stream HTTP/1.1\r\n{origin}A: {large}\r\n\r\n"),
            431,
            "head_too_large",
        ),
        (
            format!("POST /notifications/send HTTP/1.1\r\n{origin}A: {large}\r\n\r\n"),
            431,
            "head_too_large",
        ),
    ]
}

#[tokio::test]
async fn a_malformed_request_gets_the_same_form_of_error_as_others() {
    let server = start().await;
    let live = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for before in ["", live] {
        for (said, status, code) in no_requests() {
            let bytes = in_time(raw(server.address, format!("{before}{said}").as_bytes())).await;
            let last = bytes
                .windows(9)
                .rposition(|window| window == b"HTTP/1.1 ")
                .unwrap_or_else(|| panic!("{said}"));
            let answer = Answer::parse(&bytes[last..]);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (status, code),
                "{said}"
            );
            assert_eq!(answer.json()["statusCode"], status);
            assert!(answer.json()["message"].is_string() && answer.json()["error"].is_string());
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some(ORIGIN),
                "{said}"
            );
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(answer.header("x-request-id").is_some());
        }
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_over_http2_too() {
    let server = start().await;
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    for (length, status) in [(20 << 10, 431), (1 << 10, 200)] {
        let request = http::Request::get(format!("http://{}/health/live", server.address))
            .header("Origin", ORIGIN)
            .header("A", "x".repeat(length));
        let answer = in_time(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()))
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            String::from_utf8_lossy(&body).contains("head_too_large"),
            status == 431
        );
    }
    connection.abort();
}
