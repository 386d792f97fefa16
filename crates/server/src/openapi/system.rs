//! `/system/…`, but for its streams.

use super::answers::{Cleanup, Connections, Draining, Ended, Published, Reloaded, Services, Tally};
use super::bodies::StatusUpdate;

/// Report how a service is
#[utoipa::path(
    post,
    path = "/system/status/update",
    operation_id = "updateStatus",
    tag = "System status",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "The same call with the same key publishes once, for 5 minutes"),
    ),
    request_body = StatusUpdate,
    responses((status = 200, description = "It is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn update_status() {}

/// The latest status of each service
#[utoipa::path(
    get,
    path = "/system/status",
    operation_id = "latestStatus",
    tag = "System status",
    responses((status = 200, description = "In the order of their names", body = Services)),
    security(),
)]
pub(super) fn status() {}

/// Who is connected
#[utoipa::path(
    get,
    path = "/system/connections",
    operation_id = "listConnections",
    tag = "Connections",
    params(
        ("userId" = Option<String>, Query, min_length = 1, description = "Only this user's"),
        ("topic" = Option<String>, Query, min_length = 1, description = "Only those that follow this topic", example = "notifications"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "At most so many; 1,000 without it"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer"),
    ),
    responses((status = 200, description = "In the order of opening", body = Connections)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn connections() {}

/// End one stream
///
/// Its token stays good, so its client is told to come back.
#[utoipa::path(
    delete,
    path = "/system/connections/{id}",
    operation_id = "disconnect",
    tag = "Connections",
    params(
        ("id" = String, Path, description = "The `connectionId` that the stream was told"),
    ),
    responses((status = 200, description = "It was told", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect() {}

/// End all streams of a user
///
/// Their token stays good, so their clients are told to come back.
#[utoipa::path(
    delete,
    path = "/system/users/{userId}/connections",
    operation_id = "disconnectUser",
    tag = "Connections",
    params(
        ("userId" = String, Path, min_length = 1, description = "The user"),
    ),
    responses((status = 200, description = "They were told", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect_user() {}

/// End all streams of a user whose id no path can carry
///
/// The same as with the id in the path: browsers take `.` and `..` out of a path, and some proxies decode `%2F`.
#[utoipa::path(
    delete,
    path = "/system/users/connections",
    operation_id = "disconnectNamedUser",
    tag = "Connections",
    params(
        ("userId" = String, Query, min_length = 1, description = "The user"),
    ),
    responses((status = 200, description = "They were told", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect_named_user() {}

/// How many streams are open, and what became of all
#[utoipa::path(
    get,
    path = "/system/stats",
    operation_id = "stats",
    tag = "Connections",
    responses((status = 200, description = "Counted since the start", body = Tally)),
    security(),
)]
pub(super) fn stats() {}

/// End all streams, then the server
///
/// As a signal to the process would: streams are ended one by one over `DRAIN_SECONDS` and told to come back, then the server stops. To ask again changes nothing.
#[utoipa::path(
    post,
    path = "/system/drain",
    operation_id = "drain",
    tag = "Connections",
    responses((status = 202, description = "It has begun", body = Draining)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn drain() {}

/// Take over changed settings
///
/// Reads flags, environment, `.env` and `tidings.toml` again, as SIGHUP has the process do, and takes over `LOG_LEVEL` and `CORS_ORIGIN`. A reload that is refused changes nothing.
#[utoipa::path(
    post,
    path = "/system/reload",
    operation_id = "reload",
    tag = "Connections",
    responses((status = 200, description = "It was done", body = Reloaded)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn reload() {}

/// Kept for old clients; there is nothing to clean up
#[utoipa::path(
    post,
    path = "/system/cleanup",
    operation_id = "cleanup",
    tag = "Connections",
    responses((status = 200, description = "Nothing happened", body = Cleanup)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn cleanup() {}
