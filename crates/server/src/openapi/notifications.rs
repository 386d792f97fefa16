//! `POST /notifications/…`.

use super::answers::{Broadcast, Published};
use super::bodies::Notification;

/// Notify one user, or everybody
///
/// To one user on all of their connections with `targetUserId`, in the query or in the body; without it to everybody, which needs the role admin.
#[utoipa::path(
    post,
    path = "/notifications/send",
    operation_id = "sendNotification",
    tag = "Notifications",
    params(
        ("targetUserId" = Option<String>, Query, min_length = 1, description = "The one user to notify; 1–128 bytes of UTF-8 without control characters"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body = Notification,
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn send() {}

/// Notify everybody, and learn how many are connected
#[utoipa::path(
    post,
    path = "/notifications/broadcast",
    operation_id = "broadcastNotification",
    tag = "Notifications",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body = Notification,
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Broadcast)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn broadcast() {}
