//! As much of HTTP/1.1 as a load generator speaks.
//!
//! Owns how a request is found in the bytes that came, and how an event is framed. Must never take
//! a request apart whose end has not come yet.

use std::io::Write as _;

/// What was asked for.
pub(crate) enum Request {
    /// A stream.
    Stream,
    /// To publish what is encoded here.
    Publish(Vec<u8>),
}

/// The first request in `bytes`, and how many of them it takes; `None` while it is not there as a
/// whole.
///
/// # Errors
/// It is no request that this program understands.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<(Request, usize)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes)? else {
        return Ok(None);
    };
    if head.method == Some("GET") {
        return Ok(Some((Request::Stream, length)));
    }
    let declared = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize = declared
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or(httparse::Error::HeaderValue)?;
    let end = length.saturating_add(body);
    Ok(bytes
        .get(length..end)
        .map(|body| (Request::Publish(encode(body)), end)))
}

/// An event as a chunk of a body. A line break in `data` ends the event; nobody publishes any here.
fn encode(data: &[u8]) -> Vec<u8> {
    const AROUND: usize = "data: \n\n".len();
    let mut chunk = Vec::with_capacity(data.len() + 32);
    // Writing into memory does not fail.
    let _ = write!(chunk, "{:x}\r\ndata: ", data.len() + AROUND);
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\n\n\r\n");
    chunk
}
