//! The handlers of requests, one file for each group of URLs.

pub(crate) mod api;
pub(crate) mod chat;
pub(crate) mod connections;
pub(crate) mod dashboard;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod notifications;
pub(crate) mod page;
pub(crate) mod realtime;
pub(crate) mod reload;
pub(crate) mod status;
pub(crate) mod streams;
pub(crate) mod topics;
pub(crate) mod users;

use http::Uri;
use serde::{Serialize, Serializer};
use tidings_edge::error::{Code, Error};
use tidings_edge::fields::Fields;
use tidings_edge::query::{self, Params};
use tidings_hub::{Stats, UserId};

use crate::app::App;
use crate::calls;

/// The answer to a path that does not exist.
pub(crate) async fn not_found(method: http::Method, uri: Uri) -> Error {
    Error::new(Code::NotFound, format!("Cannot {method} {}", uri.path()))
}

/// The answer to a method that a path does not support. The router adds `Allow`.
pub(crate) async fn method_not_allowed(method: http::Method, uri: Uri) -> Error {
    Error::new(
        Code::MethodNotAllowed,
        format!("{} does not take {method}", uri.path()),
    )
}

/// The counts of open streams, in the fields that existing front ends know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamCounts {
    total_connections: usize,
    authenticated_connections: usize,
    #[serde(serialize_with = "as_map")]
    connections_by_type: Vec<(&'static str, usize)>,
}

fn as_map<S: Serializer>(
    counts: &[(&'static str, usize)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().copied())
}

impl From<Stats> for StreamCounts {
    fn from(
        Stats {
            total,
            authenticated,
            by_kind,
        }: Stats,
    ) -> Self {
        Self {
            total_connections: total,
            authenticated_connections: authenticated,
            connections_by_type: by_kind,
        }
    }
}

/// Returns the current counts of open streams.
pub(crate) fn current_stats(app: &App) -> StreamCounts {
    app.hub.connections().stats().into()
}

/// Reads the user to whom a call is addressed from its query or its body.
pub(crate) fn target(params: &Params, fields: &mut Fields<'_>) -> Result<Option<UserId>, Error> {
    calls::target(params.get(query::TARGET.as_str()), fields)
}
