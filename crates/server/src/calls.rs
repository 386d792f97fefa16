//! What the calls of the stream groups publish: which fields a form has, who may send it, and which event it becomes.
//!
//! A route reads a request and answers it, a [`Handle`](crate::Handle) takes a value of the application; what lies between is
//! here, once. Rights are asked for before a form is checked: who may not publish learns nothing of what is wrong with it.

pub(crate) mod message;
pub(crate) mod notification;
pub(crate) mod status;
pub(crate) mod update;

use tidings_hub::{Publication, UserId};

use crate::http::extract;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::query;

/// An event that is about to be published.
pub(crate) struct Event {
    /// The id within its data, by which front ends know it. The log gives it another one.
    pub(crate) id: String,
    pub(crate) publication: Publication,
}

/// The user that a form is aimed at: named in the query or in the body, and the same if in both.
///
/// A target that was lost on the way – empty, misspelled, or named twice – must not become "everybody".
pub(crate) fn target(in_query: Option<&str>, fields: &mut Fields<'_>) -> Result<Option<UserId>, Error> {
    const FIELD: &str = query::TARGET.as_str();
    let in_query = in_query.map(|text| extract::user(FIELD, text)).transpose()?;
    fields.only_spelled(FIELD)?;
    let in_body = fields.maybe_text(FIELD, 0..=usize::MAX).map(|text| extract::user(FIELD, &text)).transpose()?;
    if in_query.is_some() && in_body.is_some() && in_query != in_body {
        return Err(Error::field(FIELD, "differs between the query and the body"));
    }
    Ok(in_query.or(in_body))
}
