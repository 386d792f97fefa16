//! The edge of the server: what came over HTTP becomes checked values here, and what goes back becomes an answer.
//!
//! - [`auth`]: who is asking
//! - [`client_ip`]: from where; [`rates`]: how much one user and one address may do
//! - [`query`], [`fields`], [`body_budget`]: parameters, bodies; [`i_json`], [`json`]: the JSON in them and in answers
//! - [`error`], [`reply`], [`asset`]: answers; [`accept`]: which of them a client takes
//! - [`cors`], [`host`], [`base_path`], [`guard`]: layers around the routes; [`request_id`]: what ties an answer to the log
//!
//! Knows neither streams nor routes nor the state that they share: whatever it needs of the settings it is told in options.

pub mod accept;
pub mod asset;
pub mod auth;
pub mod base_path;
pub mod body_budget;
mod bucket;
pub mod client_ip;
pub mod cors;
pub mod error;
pub mod fields;
pub mod guard;
pub mod host;
pub mod i_json;
pub mod json;
mod list;
pub mod query;
mod rate_limit;
pub mod rates;
pub mod reply;
pub mod request_id;
