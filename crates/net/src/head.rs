//! Reads the head of a request, just far enough to know which lane carries it.
//!
//! Only a request that may open a stream is read whole here. Everything else goes to hyper as soon
//! as it is recognized: another method, HTTP/2, garbage, or a head that is too large. hyper gets
//! every byte that was read, and answers as if it had read the whole request itself.

use std::io;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most header lines that are parsed here. A request with more goes to hyper.
const MAX_HEADERS: usize = 64;

/// The first bytes of a request that may open a stream.
const START: &[u8] = b"GET /";

/// The beginning of every HTTP/2 connection (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection or of its next request, and what they are.
pub(crate) struct Head {
    /// Everything that was read, including the bytes behind the head.
    pub(crate) bytes: Vec<u8>,
    /// A complete GET without a body; `None` for everything that hyper serves.
    pub(crate) get: Option<Request<()>>,
    /// Whether the bytes begin with the preface of HTTP/2.
    pub(crate) is_http2: bool,
}

/// Reads a head, whose beginning `before` was read earlier, until it is clear which lane carries
/// the request. The caller has to set a time limit. Fails if the connection fails or ends before
/// that.
pub(crate) async fn read(
    socket: &mut (impl AsyncRead + Unpin),
    before: Vec<u8>,
    max_bytes: usize,
) -> io::Result<Head> {
    let (mut bytes, mut searched) = (before, 0);
    loop {
        let is_http2 = bytes.starts_with(PREFACE);
        let is_undecided = agree_so_far(&bytes, START) || agree_so_far(&bytes, PREFACE);
        if is_http2 || !is_undecided || bytes.len() > max_bytes {
            return Ok(Head {
                bytes,
                get: None,
                is_http2,
            });
        }
        // A head ends with an empty line. Only the bytes that can contain a new one are searched,
        // so that the work stays linear for a head that comes byte by byte.
        if bytes.starts_with(START) && has_empty_line(&bytes[usize::saturating_sub(searched, 3)..])
        {
            let get = parse(&bytes);
            return Ok(Head {
                bytes,
                get,
                is_http2,
            });
        }
        searched = bytes.len();
        bytes.reserve(1_024);
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Whether the bytes contain an empty line, with CRLF or with the bare LF that RFC 9112 section 2.2
/// lets a recipient accept.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| window == b"\n\r\n")
        || bytes.windows(2).any(|window| window == b"\n\n")
}

/// Whether one of the two byte strings is the beginning of the other.
fn agree_so_far(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Parses a head. Returns `None` for every request that hyper should judge.
fn parse(bytes: &[u8]) -> Option<Request<()>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(_)) = head.parse(bytes) else {
        return None;
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = Uri::try_from(head.path?).ok()?;
    *request.version_mut() = if head.version? == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let map = request.headers_mut();
    for header in head.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    (!has_body_or_upgrade(map)).then_some(request)
}

fn has_body_or_upgrade(headers: &HeaderMap) -> bool {
    let body = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .any(|length| length != "0");
    body || headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(UPGRADE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    async fn head(text: &[u8]) -> io::Result<Head> {
        let (mut client, mut server) = tokio::io::duplex(64 << 10);
        client.write_all(text).await.unwrap();
        client.shutdown().await.unwrap();
        read(&mut server, Vec::new(), 16 << 10).await
    }

    #[tokio::test]
    async fn a_plain_get_is_read_whole_even_byte_by_byte() {
        let text =
            b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nLast-Event-ID: 1\r\n\r\n";
        let (mut client, mut server) = tokio::io::duplex(1);
        let writing = tokio::spawn(async move { client.write_all(text).await });
        let head = read(&mut server, Vec::new(), 16 << 10).await.unwrap();
        let request = head.get.unwrap();
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers()["last-event-id"], "1");
        assert_eq!(head.bytes, text);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn hyper_gets_every_other_request_with_each_byte_that_was_read() {
        for text in [
            &b"POST /a HTTP/1.1\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"HEAD /a HTTP/1.1\r\n\r\n",
            b"GET /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"GET /a HTTP/9.9\r\n\r\n",
            b"GET /a\x00 HTTP/1.1\r\n\r\n",
            b"GET /a HTTP/1.1\r\n: x\r\n\r\n",
        ] {
            let head = head(text).await.unwrap();
            assert!(head.get.is_none(), "{:?}", String::from_utf8_lossy(text));
            assert_eq!(head.bytes, text);
            assert_eq!(head.is_http2, text.starts_with(b"PRI"));
        }
    }

    #[tokio::test]
    async fn bytes_that_were_read_earlier_belong_to_the_head() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(b"x: y\r\n\r\n").await.unwrap();
        let before = b"GET /a HTTP/1.1\r\n".to_vec();
        assert_eq!(
            read(&mut server, before, 16 << 10)
                .await
                .unwrap()
                .get
                .unwrap()
                .headers()["x"],
            "y"
        );
        let whole = read(&mut server, b"GET /b HTTP/1.1\r\n\r\n".to_vec(), 16 << 10)
            .await
            .unwrap();
        assert_eq!(whole.get.unwrap().uri(), "/b");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_left_to_hyper() {
        let text = [b"GET /a HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 20 << 10]].concat();
        let head = head(&text).await.unwrap();
        assert!(head.get.is_none());
        assert!(head.bytes.len() > 16 << 10);
    }

    #[tokio::test]
    async fn bare_line_feeds_end_a_head_too() {
        assert!(
            head(b"GET /a HTTP/1.1\nHost: x\n\n")
                .await
                .unwrap()
                .get
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_connection_that_ends_within_a_head_is_an_error() {
        assert!(head(b"GET /a HTTP/1.1\r\nHost:").await.is_err());
        assert!(head(b"").await.is_err());
    }
}
