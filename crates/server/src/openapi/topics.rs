//! The call that lists topics.

use super::answers::Topics;

/// List the topics of the log
#[utoipa::path(
    get,
    path = "/system/topics",
    operation_id = "listTopics",
    tag = "Log",
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "The maximum \
            number of topics in the answer; 1,000 by default"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer, to get \
            the page after it"),
    ),
    responses((status = 200, description = "The topics, in the order of their names", body = Topics)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn list() {}
