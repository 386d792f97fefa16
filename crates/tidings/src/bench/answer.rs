//! Parses the answers on a connection that is read without a client library: where an answer ends,
//! its status and body, and whether another one may follow.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::Status;
use memchr::memmem;
use tidings_client::{Refusal, is_event_stream};

/// The largest number of header lines in an answer.
const MAX_HEADERS: usize = 64;

/// The longest answer that is read, in bytes. Streams are not read as answers.
const MAX_BYTES: usize = 1024 * 1024;

/// Bytes that are not an answer of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server answered with something other than HTTP/1")]
pub(super) struct Malformed;

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    /// Whether the server closes the connection after this answer.
    pub(super) closes: bool,
    /// The length of the whole answer in bytes.
    pub(super) length: usize,
    head: &'a [u8],
    body: Cow<'a, [u8]>,
}

/// How the end of a body is found (RFC 9112, section 6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The head of an answer.
struct Head {
    status: StatusCode,
    length: usize,
    framing: Framing,
    closes: bool,
}

/// The first answer on a stream's connection.
pub(super) enum Opening {
    /// The stream is open. The head has this many bytes; everything after it belongs to the stream.
    Stream(usize),
    /// The answer is not a stream: read it with [`read`].
    None,
}

/// Returns whether a stream opened, or `None` while the head is incomplete.
pub(super) fn opening(bytes: &[u8]) -> Result<Option<Opening>, Malformed> {
    let Some(Head { status, length, .. }) = head(bytes)? else {
        return Ok(None);
    };
    let opened = status == StatusCode::OK && is_event_stream(&headers(&bytes[..length]));
    Ok(Some(if opened {
        Opening::Stream(length)
    } else {
        Opening::None
    }))
}

/// Reads the first answer in `bytes`; returns `None` while it is incomplete. `ended` means that no
/// more bytes will arrive.
pub(super) fn read(bytes: &[u8], ended: bool) -> Result<Option<Answer<'_>>, Malformed> {
    let mut start = 0;
    let head = loop {
        match head(&bytes[start..])? {
            Some(head) if head.status.is_informational() => start += head.length,
            Some(head) => break head,
            None => return Ok(None),
        }
    };
    let Head {
        status,
        length,
        framing,
        closes,
    } = head;
    let (head, rest) = bytes[start..].split_at(length);
    let (body_length, body) = match framing {
        Framing::Length(length) if rest.len() >= length => (length, Cow::Borrowed(&rest[..length])),
        Framing::Chunked => match chunks(rest)? {
            Some((body_length, body)) => (body_length, Cow::Owned(body)),
            None => return Ok(None),
        },
        Framing::UntilClose if ended => (rest.len(), Cow::Borrowed(rest)),
        _ => return Ok(None),
    };
    Ok(Some(Answer {
        status,
        closes,
        length: start + length + body_length,
        head,
        body,
    }))
}

impl Answer<'_> {
    /// Returns the server's message and code, for a call that did not succeed.
    pub(super) fn refusal(&self) -> String {
        Refusal::read(self.status, &headers(self.head), &self.body).with_code()
    }
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_BYTES => return Ok(None),
        _ => return Err(Malformed),
    };
    let status = parsed
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(Malformed)?;
    let mut framing = Framing::UntilClose;
    let mut closes = parsed.version == Some(0);
    for httparse::Header { name, value } in parsed.headers.iter() {
        if name.eq_ignore_ascii_case("content-length") && !matches!(framing, Framing::Chunked) {
            let length = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            framing = Framing::Length(
                length
                    .filter(|length| *length <= MAX_BYTES)
                    .ok_or(Malformed)?,
            );
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = has_token(value, "close") || (closes && !has_token(value, "keep-alive"));
        }
    }
    if status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        framing = Framing::Length(0);
    }
    let closes = closes || matches!(framing, Framing::UntilClose);
    Ok(Some(Head {
        status,
        length,
        framing,
        closes,
    }))
}

fn has_token(value: &[u8], token: &str) -> bool {
    String::from_utf8_lossy(value)
        .split(',')
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}

/// Returns the length of a chunked body in bytes, and its decoded content; `None` while it is
/// incomplete.
fn chunks(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Malformed> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let (line, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(Status::Complete(found)) => found,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        at += line;
        if size == 0 {
            let trailers = &bytes[at..];
            let end = if trailers.starts_with(b"\r\n") {
                Some(2)
            } else {
                memmem::find(trailers, b"\r\n\r\n").map(|end| end + 4)
            };
            return Ok(end.map(|end| (at + end, body)));
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_BYTES)
            .ok_or(Malformed)?;
        let Some(chunk) = bytes.get(at..at + size) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        at += size + 2;
        if at > bytes.len() {
            return Ok(None);
        }
    }
}

/// Returns the headers of a head that was parsed before.
fn headers(head: &[u8]) -> HeaderMap {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let _ = parsed.parse(head);
    let pair = |header: &httparse::Header<'_>| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value).ok()?))
    };
    parsed.headers.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns status, length, body, and whether the connection closes.
    fn parts(bytes: &[u8], ended: bool) -> Option<(u16, usize, String, bool)> {
        let answer = read(bytes, ended).unwrap()?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Some((answer.status.as_u16(), answer.length, body, answer.closes))
    }

    #[test]
    fn the_end_of_an_answer_is_found_however_it_is_framed() {
        for (text, body, closes) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                "abc",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: \
                 chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
                "abc",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
                "",
                false,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", false),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: a, \
                 Close\r\ncontent-length: 0\r\n\r\n",
                "",
                true,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", true),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
                "a",
                false,
            ),
        ] {
            let followed = format!("{text}HTTP/1.1 ");
            let (_, length, found_body, found_closes) = parts(followed.as_bytes(), false).unwrap();
            assert_eq!(
                (length, &*found_body, found_closes),
                (text.len(), body, closes),
                "{text}"
            );
            for cut in 0..text.len() {
                assert_eq!(
                    parts(&text.as_bytes()[..cut], false),
                    None,
                    "{text} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn an_answer_without_a_length_ends_when_the_connection_closes() {
        let text = b"HTTP/1.1 200 OK\r\n\r\nabc";
        assert_eq!(parts(text, false), None);
        assert_eq!(
            parts(text, true),
            Some((200, text.len(), "abc".to_owned(), true))
        );
    }

    #[test]
    fn bytes_that_are_not_an_answer_are_an_error() {
        for text in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 099 X\r\n\r\n",
        ] {
            assert_eq!(
                read(text.as_bytes(), false).unwrap_err(),
                Malformed,
                "{text}"
            );
        }
        let huge = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(read(huge.as_bytes(), false).unwrap_err(), Malformed);
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        assert_eq!(read(chunk.as_bytes(), false).unwrap_err(), Malformed);
    }

    #[test]
    fn only_a_200_with_an_event_stream_opens_a_stream() {
        let opened = |text: &str| match opening(text.as_bytes()).unwrap() {
            Some(Opening::Stream(length)) => Some(length),
            _ => None,
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        assert_eq!(opened(&format!("{head}5\r\n")), Some(head.len()));
        assert_eq!(opened(&head[..head.len() - 1]), None);
        assert_eq!(
            opened("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"),
            None
        );
        assert_eq!(opened(&head.replace("200", "429")), None);
    }

    #[test]
    fn a_refusal_contains_the_message_and_the_code_of_the_server() {
        let text = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: \
                    43\r\n\r\n{\"message\":\"too many\",\"code\":\"rate_limited\"}";
        let text = text.replace("43", "44");
        assert_eq!(
            read(text.as_bytes(), false).unwrap().unwrap().refusal(),
            "too many (429, rate_limited)"
        );
    }
}
