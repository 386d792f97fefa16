//! The calls of `/events`: lists and erases the events of a topic.

use super::answers::{Erased, Events};

/// List the stored events of a topic, in pages
///
/// Requires the same rights as the stream that shows the topic. Reads forwards from `after`, or
/// backwards from `before`; the answer then has `prev` instead of `next`.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listEvents",
    tag = "Log",
    params(
        ("topic" = String, Query, description = "Replaced by a text that is generated from the \
                                                 table of stream groups", example = "notifications"),
        ("after" = Option<String>, Query, description = "Only events after the one with this id; \
            from the oldest by default"),
        ("before" = Option<String>, Query, description = "Instead of `after`: the newest events \
            before the one with this id, or `latest` for the newest of all"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "The maximum \
            number of events in the answer; 100 by default. A page may have fewer: only `end` \
            says that it is the last one"),
    ),
    responses((status = 200, description = "The events, oldest first; at most about 1 MiB", body = Events)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn list() {}

/// Erase the events of a topic up to an event
///
/// The events are erased from every topic that shows them: those of a room from `chat` too, and
/// those of `chat` from all rooms. After the answer nothing shows them any more, not even after a
/// restart. A client that resumes at an earlier event gets a `reset`. What was already sent can't
/// be recalled.
#[utoipa::path(
    delete,
    path = "/events",
    operation_id = "eraseEvents",
    tag = "Log",
    params(
        ("topic" = String, Query, description = "The name of one topic", example = "chat/room/general"),
        ("until" = String, Query, description = "The id of the newest event to erase"),
    ),
    responses((status = 200, description = "The events are erased", body = Erased)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn erase() {}
