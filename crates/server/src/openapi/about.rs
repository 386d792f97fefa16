//! The calls that describe the calls of this server.

use super::answers::Api;

/// List all calls
#[utoipa::path(
    get,
    path = "/api",
    operation_id = "api",
    tag = "About",
    responses((status = 200, description = "The calls, by group and name", body = Api)),
    security(),
)]
pub(super) fn api() {}

/// Get this document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "About",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Value)),
    security(),
)]
pub(super) fn openapi() {}
