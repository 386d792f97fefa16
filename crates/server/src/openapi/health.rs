//! What is kept, how the server is, and what there is.

use super::answers::{Alive, Api, Events, Health, SystemHealth};

/// What is kept of a topic, page by page
///
/// With the rights of the stream that shows the topic. Forwards from `after`, or backwards from `before`: then the answer has `prev` instead of `next`.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listEvents",
    tag = "Log",
    params(
        ("topic" = String, Query, description = "Written from the table of stream groups", example = "notifications"),
        ("after" = Option<String>, Query, description = "Only what came after this id; the oldest kept without it"),
        ("before" = Option<String>, Query, description = "Instead of `after`: the newest of what came before this id, or `latest` for the newest of all"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "At most so many; 100 without it. A page may be shorter: only `end` says that it is the last"),
    ),
    responses((status = 200, description = "Oldest first; at most about 1 MiB", body = Events)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn events() {}

/// How the server is, in short
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "Health",
    responses((status = 200, description = "It answers", body = Health)),
    security(),
)]
pub(super) fn health() {}

/// Whether the process answers
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "Health",
    responses((status = 200, description = "It does", body = Alive)),
    security(),
)]
pub(super) fn live() {}

/// Whether new streams are welcome
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "Health",
    responses((status = 200, description = "They are", body = Alive)),
    security(),
)]
pub(super) fn ready() {}

/// How the server is
#[utoipa::path(
    get,
    path = "/system/health",
    operation_id = "systemHealth",
    tag = "Health",
    responses((status = 200, description = "It answers", body = SystemHealth)),
    security(),
)]
pub(super) fn system_health() {}

/// Every call in a list
#[utoipa::path(
    get,
    path = "/api",
    operation_id = "api",
    tag = "About",
    responses((status = 200, description = "What there is", body = Api)),
    security(),
)]
pub(super) fn api() {}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "About",
    responses((status = 200, description = "OpenAPI 3.1", body = Value)),
    security(),
)]
pub(super) fn openapi() {}

/// The numbers of the server, for a Prometheus
///
/// OpenMetrics text. Where `METRICS_TOKEN` is set, it is asked for as `Authorization: Bearer`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Health",
    responses((status = 200, description = "What is counted, now", body = String, content_type = "application/openmetrics-text")),
    security(),
)]
pub(super) fn metrics() {}
