//! `POST /realtime/…`.

use super::answers::Published;
use super::bodies::Update;

/// Tell one user of an update, or everybody
///
/// To one user with `targetUserId`; without it to everybody, which needs the role admin. Where the body names a `userId`, the event names the caller.
#[utoipa::path(
    post,
    path = "/realtime/update",
    operation_id = "updateEntity",
    tag = "Entity updates",
    params(
        ("targetUserId" = Option<String>, Query, min_length = 1, description = "The one user to tell"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body = Update,
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn update() {}

/// The body was created
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/create",
    operation_id = "entityCreated",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body(content = Value, description = "Any JSON: it becomes the event's `data`", example = json!({"id": 7})),
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn created() {}

/// The body was updated
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/update",
    operation_id = "entityUpdated",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body(content = Value, description = "Any JSON: it becomes the event's `data`", example = json!({"id": 7})),
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn updated() {}

/// The body was deleted
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/delete",
    operation_id = "entityDeleted",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body(content = Value, description = "Any JSON: it becomes the event's `data`", example = json!({"id": 7})),
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn deleted() {}
