//! Opens the streams of the stream groups.
//!
//! Owns the order in which a request is checked: first the credential, then whether the caller may
//! open this kind of stream, then the query and the path, and last whether the caller may read the
//! topics that they name.

use axum::response::Response;
use axum::routing::{MethodRouter, get};

use crate::auth::rule::Audience;
use crate::http::extract::{InPath, Route};
use crate::stream_groups::{Group, Stream};
use crate::streams::open::{Spec, StreamCall};
use tidings_edge::error::Error;

/// Returns the handler of GET requests for `stream`.
pub(crate) fn route(group: &'static Group, stream: &'static Stream) -> MethodRouter<Route> {
    let audience = group.audience(stream);
    if stream.is_narrowed_by_path() {
        get(move |call: StreamCall, name: Result<InPath, Error>| {
            open(stream, audience, call, Some(name))
        })
    } else {
        get(move |call: StreamCall| open(stream, audience, call, None))
    }
}

async fn open(
    stream: &'static Stream,
    audience: Audience,
    call: StreamCall,
    in_path: Option<Result<InPath, Error>>,
) -> Result<Response, Error> {
    let visitor = call.visitor()?;
    call.guard()
        .is_among(&visitor, audience)
        .map_err(|denied| call.denied(denied))?;
    let in_path = in_path.transpose()?;
    let me = visitor.identity.as_ref().map(|me| &me.id);
    let topics = stream.topics(
        me,
        call.params(),
        in_path.as_ref().map(|name| name.0.as_str()),
    )?;
    for topic in &topics {
        call.guard()
            .may_read(&visitor, topic)
            .map_err(|denied| call.denied(denied))?;
    }
    let Stream {
        counted_as,
        retry,
        snapshot,
        pulse,
        ..
    } = *stream;
    call.open(
        Spec {
            counted_as,
            topics,
            retry,
            snapshot,
            pulse,
        },
        visitor,
    )
    .await
}
