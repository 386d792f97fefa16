//! The calls below `/chat`.

use super::answers::{ChatMessageSent, Members, Success};
use super::bodies::ChatMessage;

/// Send a message to a room
#[utoipa::path(
    post,
    path = "/chat/message",
    operation_id = "sendChatMessage",
    tag = "Chat",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body = ChatMessage,
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = ChatMessageSent)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn message() {}

/// Join a room
///
/// The room gets a message about it, unless the caller is a member already. A membership ends when
/// the member leaves, or 60 s (`PRESENCE_GRACE`) after the member's last stream of the room has
/// closed.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/join",
    operation_id = "joinRoom",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The id of the room", example = "general"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    responses((status = 200, description = "The caller is a member", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn join() {}

/// Leave a room
///
/// The room gets a message about it, unless the caller is not a member.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/leave",
    operation_id = "leaveRoom",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The id of the room", example = "general"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    responses((status = 200, description = "The caller is not a member", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn leave() {}

/// List the members of a room
#[utoipa::path(
    get,
    path = "/chat/room/{roomId}/members",
    operation_id = "roomMembers",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The id of the room", example = "general"),
    ),
    responses((status = 200, description = "The members, in the order in which they joined", body = Members)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn members() {}

/// Show that the caller is typing
///
/// Sends an event `typing`, which has no id and is not stored.
#[utoipa::path(
    post,
    path = "/chat/room/{roomId}/typing",
    operation_id = "typing",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The id of the room", example = "general"),
    ),
    responses((status = 200, description = "The event was sent to all open streams of the room", body = Success)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn typing() {}
