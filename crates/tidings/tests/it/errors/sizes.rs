//! What is too large, too slow, or broken off.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::post_json;
use crate::support::{ADMIN, Answer, TestServer, http, in_time, start, start_with};

/// The head of a POST as an admin, without its end.
fn head(server: &TestServer, more: &str) -> String {
    format!(
        "POST /notifications/send HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\n{more}\r\n",
        server.address
    )
}

/// Sends bytes, leaves the socket open, and reads one answer with a `Content-Length`.
async fn exchange(server: &TestServer, bytes: &[u8]) -> Answer {
    in_time(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        read_answer(&mut socket).await
    })
    .await
}

async fn read_answer(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        assert!(socket.read_buf(&mut bytes).await.unwrap() > 0, "closed before the answer was complete");
        let Some((_, headers, head)) = http::parse_head(&bytes) else { continue };
        let length = headers.iter().find(|(name, _)| name == "content-length").expect("a length");
        if bytes.len() >= head + length.1.parse::<usize>().unwrap() {
            return Answer::parse(&bytes);
        }
    }
}

/// A notification of exactly this many bytes.
pub(super) fn sized(bytes: usize) -> Vec<u8> {
    let frame = r#"{"title":"T","message":"M","pad":""}"#;
    frame.replace(r#""pad":"""#, &format!(r#""pad":"{}""#, "x".repeat(bytes - frame.len()))).into_bytes()
}

/// The same bytes in chunks.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(10_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn a_body_of_more_than_max_body_bytes_is_refused_with_and_without_a_declared_length() {
    for (settings, limit) in [(&[][..], 256 * 1024), (&[("MAX_BODY_BYTES", "2KiB")], 2 * 1024)] {
        let server = start_with(settings).await;
        assert_eq!(post_json(&server, "/notifications/send", &sized(limit)).await.status, 200);
        post_json(&server, "/notifications/send", &sized(limit + 1)).await.assert_refused(413, "payload_too_large");
        for (bytes, status) in [(limit, 200), (limit + 1, 413)] {
            let head = head(&server, "Transfer-Encoding: chunked\r\n");
            let answer = exchange(&server, &[head.as_bytes(), &chunked(&sized(bytes))].concat()).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            if status == 413 {
                answer.assert_refused(413, "payload_too_large");
            }
        }
        assert_eq!(server.stored().await, 2);
    }
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_the_body_arrives() {
    let server = start().await;
    for length in ["262145", "1000000000000"] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let head = head(&server, &format!("Content-Length: {length}\r\n{expect}"));
            exchange(&server, head.as_bytes()).await.assert_refused(413, "payload_too_large");
        }
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn who_asks_before_sending_is_told_to_go_on() {
    let server = start().await;
    let body = sized(100);
    let head = head(&server, "Content-Length: 100\r\nExpect: 100-continue\r\n");
    in_time(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        socket.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(&body).await.unwrap();
        assert_eq!(read_answer(&mut socket).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_reaches_who_is_still_sending() {
    let server = start().await;
    let body = sized(4 << 20);
    let declared = head(&server, &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
    let in_chunks = head(&server, "Connection: close\r\nTransfer-Encoding: chunked\r\n");
    for bytes in [[declared.as_bytes(), &body].concat(), [in_chunks.as_bytes(), &chunked(&body)].concat()] {
        in_time(async {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            // Not reset in the middle of sending, which would destroy the answer on its way.
            socket.write_all(&bytes).await.unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer).assert_refused(413, "payload_too_large");
        })
        .await;
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(head(&server, "Content-Length: 100\r\n").as_bytes()).await.unwrap();
    socket.write_all(b"{\"title\":\"T\"").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_mins(1), read_answer(&mut socket)).await.unwrap();
    answer.assert_refused(408, "request_timeout");
}

#[tokio::test]
async fn a_body_that_breaks_off_publishes_nothing() {
    let server = start().await;
    let whole = br#"{"title":"T","message":"M"}"#;
    for more in [format!("Content-Length: {}\r\n", whole.len() + 1), "Transfer-Encoding: chunked\r\n".to_owned()] {
        let chunk = if more.starts_with("Content") { String::new() } else { format!("{:x}\r\n", whole.len()) };
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let head = head(&server, &more);
        socket.write_all(&[head.as_bytes(), chunk.as_bytes(), whole].concat()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = in_time(socket.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.stored().await, 0);
}

#[tokio::test]
async fn a_head_of_more_than_16_kib_is_refused_and_the_connection_closed() {
    let server = start().await;
    let sized = |bytes: usize| {
        let frame = format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-Pad: \r\n\r\n", server.address);
        frame.replace("X-Pad: ", &format!("X-Pad: {}", "x".repeat(bytes - frame.len())))
    };
    let good = exchange(&server, sized(16 * 1024).as_bytes()).await;
    assert_eq!(good.status, 200);
    for bytes in [16 * 1024 + 1, 17 * 1024, 64 * 1024] {
        let answer = in_time(http::raw(server.address, sized(bytes).as_bytes())).await;
        assert!(answer.starts_with(b"HTTP/1.1 431 "), "{bytes}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_10_seconds_to_arrive() {
    let server = start().await;
    let begun = tokio::time::Instant::now();
    for bytes in [&b""[..], b"GET", b"GET /health HTTP/1.1\r\nHost: x\r\n", b"PRI * HTTP/2"] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let (mut answer, from) = (Vec::new(), begun.elapsed());
        tokio::time::timeout(Duration::from_mins(1), socket.read_to_end(&mut answer)).await.unwrap().unwrap();
        let waited = begun.elapsed().saturating_sub(from).as_secs();
        assert!((9..=12).contains(&waited), "{waited} s for {}", String::from_utf8_lossy(bytes));
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}
