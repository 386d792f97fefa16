//! What is HTTP about the server: the checks that come before a route and the answers that come after.

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod arrival;
pub(crate) mod asset;
pub(crate) mod base_path;
pub(crate) mod client_ip;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod fields;
pub(crate) mod guard;
mod host;
pub(crate) mod i_json;
pub(crate) mod idempotency;
pub(crate) mod json;
mod list;
pub(crate) mod observe;
pub(crate) mod publisher;
pub(crate) mod query;
pub(crate) mod rates;
pub(crate) mod reply;
pub(crate) mod request_id;
pub(crate) mod router;
pub(crate) mod stream;
pub(crate) mod stream_response;
pub(crate) mod words;
