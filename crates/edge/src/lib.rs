//! The edge of the server: turns what comes over HTTP into checked values, and results into
//! answers.
//!
//! - [`auth`]: verified identities, and what they may do
//! - [`client_ip`]: the addresses of clients; [`rates`]: the rate limits of users and addresses
//! - [`query`], [`fields`], [`body_budget`]: parameters and bodies; [`i_json`], [`json`]: the JSON
//!   in them and in answers
//! - [`error`], [`reply`], [`asset`]: answers; [`accept_header`]: whether a client accepts an event
//!   stream
//! - [`cors`], [`host`], [`base_path`], [`catch_panic`]: layers around the routes; [`request_id`]:
//!   the id that ties an answer to the log
//!
//! Must know neither streams nor routes nor the state that they share. Each module that has
//! settings takes them as its `Options`.

pub mod accept_header;
pub mod asset;
pub mod auth;
pub mod base_path;
pub mod body_budget;
mod bucket;
pub mod catch_panic;
pub mod client_ip;
pub mod cors;
pub mod error;
pub mod fields;
mod header_list;
pub mod host;
pub mod i_json;
pub mod json;
pub mod query;
mod rate_limit_headers;
pub mod rates;
pub mod reply;
pub mod request_id;
