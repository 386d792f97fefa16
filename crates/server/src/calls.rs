//! The events that the calls of the stream groups publish: the fields of a form, the rights that
//! its caller needs, and the event that it becomes.
//!
//! A route reads a request and answers it, and a [`Handle`](crate::Handle) takes a value from the
//! application. What both do in between is here. Rights are checked before the form: a caller who
//! may not publish does not learn what is wrong with a form.

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
    /// The id within its data, by which front ends refer to it. The log gives the event another id.
    pub(crate) id: String,
    pub(crate) publication: Publication,
}

/// Returns the user to whom a form is addressed: named in the query, in the body, or in both with
/// the same value.
///
/// A target that got lost (because it is empty, misspelled, or named twice) must not make an event
/// go to everybody.
pub(crate) fn target(in_query: Option<&str>, fields: &mut Fields<'_>) -> Result<Option<UserId>, Error> {
    const FIELD: &str = query::TARGET.as_str();
    let in_query = in_query.map(|text| extract::user(FIELD, text)).transpose()?;
    fields.check_spelling(FIELD)?;
    let in_body = fields.maybe_text(FIELD, 0..=usize::MAX).map(|text| extract::user(FIELD, &text)).transpose()?;
    if in_query.is_some() && in_body.is_some() && in_query != in_body {
        return Err(Error::field(FIELD, "differs between the query and the body"));
    }
    Ok(in_query.or(in_body))
}
