//! The calls below `/realtime`.

use super::answers::Published;
use super::bodies::Update;

/// Send an entity update to one user, or to everybody
///
/// With `targetUserId`, in the query or in the body, it goes to all connections of that user.
/// Without it, it goes to everybody, which requires the role admin. If the body has a `userId`, the
/// caller's id replaces it in the event.
#[utoipa::path(
    post,
    path = "/realtime/update",
    operation_id = "updateEntity",
    tag = "Entity updates",
    params(
        ("targetUserId" = Option<String>, Query, min_length = 1, description = "The id of the \
            user to whom the update is sent"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body = Update,
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn update() {}

/// Tell everybody that an entity was created
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/create",
    operation_id = "entityCreated",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body(content = Value, description = "Any JSON. It becomes the `data` of the event", example = json!({"id": 7})),
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn created() {}

/// Tell everybody that an entity was updated
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/update",
    operation_id = "entityUpdated",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body(content = Value, description = "Any JSON. It becomes the `data` of the event", example = json!({"id": 7})),
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn updated() {}

/// Tell everybody that an entity was deleted
#[utoipa::path(
    post,
    path = "/realtime/entity/{entity}/delete",
    operation_id = "entityDeleted",
    tag = "Entity updates",
    params(
        ("entity" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The kind of entity", example = "order"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body(content = Value, description = "Any JSON. It becomes the `data` of the event", example = json!({"id": 7})),
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn deleted() {}
