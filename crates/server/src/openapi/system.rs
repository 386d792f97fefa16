//! The calls below `/system`.

use super::answers::{Cleanup, Connections, Draining, Ended, Published, Reloaded, Services, Tally};
use super::bodies::StatusUpdate;

/// Publish the status of a service
#[utoipa::path(
    post,
    path = "/system/status/update",
    operation_id = "updateStatus",
    tag = "System status",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A key of the client's choice: if the call is repeated with the same key within 5 minutes, it publishes nothing and gets the first answer again"),
    ),
    request_body = StatusUpdate,
    responses((status = 200, description = "The event is in the log, and every stream can see it", body = Published)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn update_status() {}

/// Get the latest status of each service
#[utoipa::path(
    get,
    path = "/system/status",
    operation_id = "latestStatus",
    tag = "System status",
    responses((status = 200, description = "The services, in the order of their names", body = Services)),
    security(),
)]
pub(super) fn status() {}

/// List the open streams
#[utoipa::path(
    get,
    path = "/system/connections",
    operation_id = "listConnections",
    tag = "Connections",
    params(
        ("userId" = Option<String>, Query, min_length = 1, description = "Only the streams of \
            this user"),
        ("topic" = Option<String>, Query, min_length = 1, description = "Only the streams that \
            follow this topic", example = "notifications"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1_000, description = "The maximum \
            number of streams in the answer; 1,000 by default"),
        ("cursor" = Option<String>, Query, description = "The `next` of an earlier answer, to get \
            the page after it"),
    ),
    responses((status = 200, description = "The streams, in the order in which they were opened", body = Connections)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn connections() {}

/// End one stream
///
/// The token stays valid, so the client is told to reconnect.
#[utoipa::path(
    delete,
    path = "/system/connections/{id}",
    operation_id = "disconnect",
    tag = "Connections",
    params(
        ("id" = String, Path, description = "The `connectionId` in the first event of the stream"),
    ),
    responses((status = 200, description = "The stream ends", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect() {}

/// End all streams of a user
///
/// The user's tokens stay valid, so the clients are told to reconnect.
#[utoipa::path(
    delete,
    path = "/system/users/{userId}/connections",
    operation_id = "disconnectUser",
    tag = "Connections",
    params(
        ("userId" = String, Path, min_length = 1, description = "The id of the user"),
    ),
    responses((status = 200, description = "The streams end", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect_user() {}

/// End all streams of a user whose id cannot be part of a path
///
/// Does what the call with the id in its path does. That call can't be used for every id: browsers
/// remove `.` and `..` from paths, and some proxies decode `%2F`.
#[utoipa::path(
    delete,
    path = "/system/users/connections",
    operation_id = "disconnectNamedUser",
    tag = "Connections",
    params(
        ("userId" = String, Query, min_length = 1, description = "The id of the user"),
    ),
    responses((status = 200, description = "The streams end", body = Ended)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn disconnect_named_user() {}

/// Count the streams: open, opened, refused and ended
#[utoipa::path(
    get,
    path = "/system/stats",
    operation_id = "stats",
    tag = "Connections",
    responses((status = 200, description = "The open streams, and the totals since the start of \
                                            the server", body = Tally)),
    security(),
)]
pub(super) fn stats() {}

/// End all streams, then stop the server
///
/// Does what SIGTERM does: the streams are ended one by one over `DRAIN_SECONDS`, and their clients
/// are told to reconnect; then the server stops. A repeated call changes nothing.
#[utoipa::path(
    post,
    path = "/system/drain",
    operation_id = "drain",
    tag = "Connections",
    responses((status = 202, description = "The shutdown has begun", body = Draining)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn drain() {}

/// Reload the settings
///
/// Does what SIGHUP does: reads the flags, the environment, `.env` and `tidings.toml` again, and
/// applies `LOG_LEVEL` and `CORS_ORIGIN`. A reload that is refused changes nothing.
#[utoipa::path(
    post,
    path = "/system/reload",
    operation_id = "reload",
    tag = "Connections",
    responses((status = 200, description = "The settings were reloaded", body = Reloaded)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn reload() {}

/// Do nothing; kept for old clients
///
/// Streams end without this call.
#[utoipa::path(
    post,
    path = "/system/cleanup",
    operation_id = "cleanup",
    tag = "Connections",
    responses((status = 200, description = "Nothing was changed", body = Cleanup)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn cleanup() {}
