//! `/chat/…`, but for its streams.

use super::answers::{Members, Said, Success};
use super::bodies::ChatMessage;

/// Say something in a room
#[utoipa::path(
    post,
    path = "/chat/message",
    operation_id = "sendChatMessage",
    tag = "Chat",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body = ChatMessage,
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Said)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn message() {}

/// Become a member of a room
///
/// The room is told, unless the caller was a member already. Membership ends by leaving, or 60 s after the member's last stream of the room closed.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/join",
    operation_id = "joinRoom",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The room", example = "general"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    responses((status = 200, description = "The caller is a member", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn join() {}

/// Stop being a member of a room
///
/// The room is told, unless the caller was none.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/leave",
    operation_id = "leaveRoom",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The room", example = "general"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    responses((status = 200, description = "The caller is no member", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn leave() {}

/// Who is in a room
#[utoipa::path(
    get,
    path = "/chat/room/{roomId}/members",
    operation_id = "roomMembers",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The room", example = "general"),
    ),
    responses((status = 200, description = "In the order of joining", body = Members)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn members() {}

/// Show that one is typing
///
/// An event without an id, never stored.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/typing",
    operation_id = "typing",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The room", example = "general"),
    ),
    responses((status = 200, description = "Who listens now was told", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn typing() {}
