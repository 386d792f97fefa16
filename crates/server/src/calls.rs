//! Turns the forms of the stream groups' calls into events: defines the fields of each form, the
//! rights that its caller needs, and the event that it becomes.
//!
//! The routes use this for calls over HTTP, and [`Handle`](crate::Handle) uses it for calls of the
//! application. Rights are checked before the fields, so that a caller that may not publish does
//! not learn which fields are invalid.

pub(crate) mod message;
pub(crate) mod notification;
pub(crate) mod status;
pub(crate) mod update;

use tidings_hub::{Publication, UserId};

use crate::http::extract;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::query;

/// An event that is ready to be published.
pub(crate) struct Event {
    /// The id within its data, by which front ends refer to it. The log assigns another id.
    pub(crate) id: String,
    /// The event itself, and its topics.
    pub(crate) publication: Publication,
}

/// Reads the user to whom a form is addressed from the query, from the body, or from both with the
/// same value. Returns `None` if neither names a user.
///
/// A target that is empty, misspelled or contradictory is an error: otherwise the event would go to
/// everybody.
pub(crate) fn target(
    in_query: Option<&str>,
    fields: &mut Fields<'_>,
) -> Result<Option<UserId>, Error> {
    const FIELD: &str = query::TARGET.as_str();
    let in_query = in_query
        .map(|text| extract::user(FIELD, text))
        .transpose()?;
    fields.check_spelling(FIELD)?;
    let in_body = fields
        .maybe_text(FIELD, 0..=usize::MAX)
        .map(|text| extract::user(FIELD, &text))
        .transpose()?;
    if in_query.is_some() && in_body.is_some() && in_query != in_body {
        return Err(Error::field(
            FIELD,
            "differs between the query and the body",
        ));
    }
    Ok(in_query.or(in_body))
}
