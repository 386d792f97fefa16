//! The streams. An event stream has no schema in `OpenAPI` 3.1: its answer is text, and the description names the events.

/// Notifications as they come
///
/// Those for everybody, and with a token those for its user.
#[utoipa::path(
    get,
    path = "/notifications/stream",
    operation_id = "notificationStream",
    tag = "Notifications",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `notification`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn notifications() {}

/// Entity updates as they come
///
/// Those for everybody, and with a token those for its user; of all entities, or of some.
#[utoipa::path(
    get,
    path = "/realtime/stream",
    operation_id = "realtimeStream",
    tag = "Entity updates",
    params(
        ("entities" = Option<String>, Query, description = "Up to 64 kinds of entities, separated by commas or as repeats of the parameter; empty is all", example = "order,user"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `realtime-update`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn realtime() {}

/// What is said in all rooms, or in one
#[utoipa::path(
    get,
    path = "/chat/stream",
    operation_id = "chatStream",
    tag = "Chat",
    params(
        ("roomId" = Option<String>, Query, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The one room to hear; `room` is the same"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `chat-message`, `typing`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn chat() {}

/// What is said in one room
#[utoipa::path(
    get,
    path = "/chat/room/{roomId}/stream",
    operation_id = "roomStream",
    tag = "Chat",
    params(
        ("roomId" = String, Path, min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$", description = "The room", example = "general"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `chat-message`, `typing`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security(("bearer" = []), ("token" = [])),
)]
pub(super) fn room() {}

/// The latest status of each service, then changes
#[utoipa::path(
    get,
    path = "/system/status/stream",
    operation_id = "statusStream",
    tag = "System status",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `system-status`, `synced` after the present; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn status() {}

/// Signs of life, one at once
#[utoipa::path(
    get,
    path = "/system/heartbeat",
    operation_id = "heartbeatStream",
    tag = "System status",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `heartbeat`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security((), ("bearer" = []), ("token" = [])),
)]
pub(super) fn heartbeat() {}

/// What the server does, each second
///
/// Never stored, without ids; costs nothing while nobody watches.
#[utoipa::path(
    get,
    path = "/system/dashboard/stream",
    operation_id = "dashboardStream",
    tag = "Connections",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen; `earliest` for all that is kept"),
        ("lastEventId" = Option<String>, Query, description = "The same, where no header can be set; also `last_event_id` and `lastEventID`"),
    ),
    responses((status = 200, description = "Events: `connected`, `stats`; `heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, `revoked`, `expired`, `slow`, `busy`) says why and whether to come back", content_type = "text/event-stream", body = String)),
    security(("bearer" = ["admin"]), ("token" = ["admin"])),
)]
pub(super) fn dashboard() {}
