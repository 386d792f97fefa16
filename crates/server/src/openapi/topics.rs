//! Which topics there are, and erasing what they hold.

use super::answers::{Erased, ErasedUser, Topics};

/// Which topics the log knows
#[utoipa::path(
    get,
    path = "/system/topics",
    operation_id = "listTopics",
    tag = "Log",
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "At most so many; 1,000 without it"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer"),
    ),
    responses((status = 200, description = "In the order of their names", body = Topics)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn list() {}

/// Erase what a topic holds, up to an event
///
/// The events go from every topic that shows them: those of a room from `chat` too, and those of `chat` from all rooms. Once this is answered nothing shows them, after any restart. A client that comes back from before one of them gets a `reset`. What was sent already can't be called back.
#[utoipa::path(
    delete,
    path = "/events",
    operation_id = "eraseEvents",
    tag = "Log",
    params(
        ("topic" = String, Query, description = "One topic, by its name", example = "chat/room/general"),
        ("until" = String, Query, description = "The id of the newest event that goes"),
    ),
    responses((status = 200, description = "They are gone", body = Erased)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn erase() {}

/// Erase all topics of a user, and end the user's memberships
///
/// That is what was sent to the user alone. What the user wrote in rooms is the rooms', and goes with them. Open streams stay open.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    operation_id = "eraseUser",
    tag = "Log",
    params(
        ("id" = String, Path, min_length = 1, description = "The user"),
    ),
    responses((status = 200, description = "They are gone", body = ErasedUser)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn erase_user() {}
