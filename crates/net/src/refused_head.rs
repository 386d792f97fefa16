//! Answers to a head that can't be read or is too large, and therefore is no request.
//!
//! hyper refuses such a head with a status and nothing else, and a page of another origin may not
//! even see the status. `Cuttable` does not send that answer. In its place goes an answer like
//! every other, with the JSON body of an error and with the headers of the layers for errors, CORS
//! among them.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::ORIGIN;
use http::{HeaderName, HeaderValue, StatusCode, Version};
use tidings_edge::error::{Code, Error};
use tidings_edge::request_id;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::connection_server::ConnectionServer;
use crate::{parked, peer};

/// The fields that are read even from a head that can't be read as a whole: the origin that may see
/// the answer, and the id of the request.
const READ_FIELDS: [HeaderName; 2] = [ORIGIN, request_id::HEADER];

/// The status with which a request is refused. It is one of the request's extensions.
#[derive(Clone, Copy)]
struct RefusedWith(StatusCode);

/// Marks a request as refused.
pub(crate) fn mark(request: &mut Request, status: StatusCode) {
    request.extensions_mut().insert(RefusedWith(status));
}

/// Answers a request that was marked as refused. This is the only route of the router for refusals.
pub async fn answer(request: Request) -> Response {
    let status = request
        .extensions()
        .get::<RefusedWith>()
        .map_or(StatusCode::BAD_REQUEST, |refused| refused.0);
    let error = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Error::new(
            Code::HeadTooLarge,
            "The head of the request is larger than the server accepts",
        ),
        StatusCode::URI_TOO_LONG => Error::new(
            Code::HeadTooLarge,
            "The path of the request is longer than the server accepts",
        ),
        _ => Error::new(
            Code::MalformedRequest,
            "What was sent is not a valid request of HTTP/1.1",
        ),
    };
    error.with_status(status).into_response()
}

impl ConnectionServer {
    /// Answers a head that hyper could not read, and closes the connection.
    pub(crate) async fn refuse(&self, mut socket: TcpStream, status: StatusCode, head: &[u8]) {
        let mut request = Request::new(Body::empty());
        for line in head
            .split(|byte| *byte == b'\n')
            .take_while(|line| !line.trim_ascii().is_empty())
        {
            if let Some((name, value)) = field(line) {
                request.headers_mut().append(name, value);
            }
        }
        mark(&mut request, status);
        let response = self
            .calls
            .refusals
            .clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {});
        let answer = parked::write_answer(&mut socket, Version::HTTP_11, response);
        if matches!(
            tokio::time::timeout(self.write_timeout, answer).await,
            Ok(Ok(()))
        ) {
            peer::close(socket).await;
        }
    }
}

/// Parses a header line. Returns `None` unless it is one of the fields in [`READ_FIELDS`].
fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = READ_FIELDS.into_iter().find(|name| {
        name.as_str()
            .as_bytes()
            .eq_ignore_ascii_case(&line[..colon])
    })?;
    Some((
        name,
        HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
    ))
}

/// Creates the router for refusals, without its layers.
pub fn routes() -> Router {
    Router::new().fallback(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_fields_are_read_from_a_head_that_cant_be_parsed() {
        assert_eq!(
            field(b"oRigin:  https://a.example \r").unwrap(),
            (ORIGIN, HeaderValue::from_static("https://a.example"))
        );
        for line in [
            &b"Host: x"[..],
            b"Origin",
            b": x",
            b"Origin: a\0b",
            b"Origin : x",
        ] {
            assert!(field(line).is_none(), "{line:?}");
        }
    }
}
