//! The call that erases the topics of a user.

use super::answers::ErasedUser;

/// Erase the topics of a user, and end the user's memberships
///
/// Erases what was sent to this user alone. Messages that the user wrote in rooms belong to the
/// rooms, and are erased with the topics of these. Open streams stay open.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    operation_id = "eraseUser",
    tag = "Log",
    params(
        ("id" = String, Path, min_length = 1, description = "The id of the user"),
    ),
    responses((status = 200, description = "The topics are erased", body = ErasedUser)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn erase() {}
