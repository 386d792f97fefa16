//! The calls below `/notifications`.

use super::answers::{Broadcast, Published};
use super::bodies::Notification;

/// Send a notification to one user, or to everybody
///
/// With `targetUserId`, in the query or in the body, it goes to all connections of that user.
/// Without it, it goes to everybody, which requires the role admin.
#[utoipa::path(
    post,
    path = "/notifications/send",
    operation_id = "sendNotification",
    tag = "Notifications",
    params(
        ("targetUserId" = Option<String>, Query, min_length = 1, description = "The id of the \
            user to notify: 1–128 bytes of UTF-8 without control characters"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body = Notification,
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn send() {}

/// Send a notification to everybody, and get the number of open streams
#[utoipa::path(
    post,
    path = "/notifications/broadcast",
    operation_id = "broadcastNotification",
    tag = "Notifications",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body = Notification,
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Broadcast)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn broadcast() {}
