//! The calls that report the health and the metrics of the server.

use super::answers::{Health, Liveness, SystemHealth};

/// Get the health of the server in short
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "Health",
    responses((status = 200, description = "The server answers", body = Health)),
    security(),
)]
pub(super) fn health() {}

/// Check whether the process answers
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "live",
    tag = "Health",
    responses((status = 200, description = "The process answers", body = Liveness)),
    security(),
)]
pub(super) fn live() {}

/// Check whether the server takes new streams
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "ready",
    tag = "Health",
    responses((status = 200, description = "The server takes new streams", body = Liveness)),
    security(),
)]
pub(super) fn ready() {}

/// Get the health of the server and the number of open streams
#[utoipa::path(
    get,
    path = "/system/health",
    operation_id = "systemHealth",
    tag = "Health",
    responses((status = 200, description = "The server answers", body = SystemHealth)),
    security(),
)]
pub(super) fn system_health() {}

/// Get the metrics of the server for Prometheus
///
/// OpenMetrics text. If `METRICS_TOKEN` is set, the call requires it as `Authorization: Bearer`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Health",
    responses((status = 200, description = "The current values", body = String, content_type = "application/openmetrics-text")),
    security(),
)]
pub(super) fn metrics() {}
