//! One file for each group of calls: whoever knows the URL knows the file.

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
pub(crate) mod topics;

use http::Uri;
use serde::{Serialize, Serializer};
use tidings_edge::error::{Code, Error};
use tidings_edge::fields::{self, Fields};
use tidings_edge::query::{self, Params};
use tidings_hub::{Stats, UserId};

use crate::app::App;
use crate::http::extract;

/// The answer to a path that is none of ours.
pub(crate) async fn not_found(method: http::Method, uri: Uri) -> Error {
    Error::new(Code::NotFound, format!("Cannot {method} {}", uri.path()))
}

/// The answer to a method that a path does not have; the router adds `Allow`.
pub(crate) async fn method_not_allowed(method: http::Method, uri: Uri) -> Error {
    Error::new(Code::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}

/// Counts as existing front ends know them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamCounts {
    total_connections: usize,
    authenticated_connections: usize,
    #[serde(serialize_with = "as_map")]
    connections_by_type: Vec<(&'static str, usize)>,
}

fn as_map<S: Serializer>(counts: &[(&'static str, usize)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().copied())
}

impl From<Stats> for StreamCounts {
    fn from(Stats { total, authenticated, by_kind }: Stats) -> Self {
        Self { total_connections: total, authenticated_connections: authenticated, connections_by_type: by_kind }
    }
}

/// The counts of now.
pub(crate) fn current_stats(app: &App) -> StreamCounts {
    app.hub.connections().stats().into()
}

/// The user that a call is aimed at: named in the query or in the body, and the same if in both.
///
/// A target that was lost on the way – empty, misspelled, or named twice – must not become "everybody".
pub(crate) fn target(params: &Params, fields: &mut Fields<'_>) -> Result<Option<UserId>, Error> {
    const FIELD: &str = query::TARGET.as_str();
    let of_query = params.get(FIELD).map(|text| extract::user(FIELD, text)).transpose()?;
    fields.only_spelled(FIELD)?;
    let of_body = fields.maybe_text(FIELD, 0..=usize::MAX).map(|text| extract::user(FIELD, &text)).transpose()?;
    if of_query.is_some() && of_body.is_some() && of_query != of_body {
        return Err(Error::field(FIELD, "differs between the query and the body"));
    }
    Ok(of_query.or(of_body))
}

/// A name in a path or a query.
pub(crate) fn name(field: &'static str, text: &str) -> Result<String, Error> {
    if fields::is_name(text) { Ok(text.to_owned()) } else { Err(Error::field(field, fields::NOT_A_NAME)) }
}
