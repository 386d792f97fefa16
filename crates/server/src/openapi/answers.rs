//! The bodies of answers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::bodies::ServiceStatus;

/// The answer of every error. `docs/errors.md` lists each `code`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    status_code: u16,
    /// The name of the status.
    error: String,
    /// A description for people.
    message: String,
    /// An identifier for programs. Its meaning never changes.
    code: String,
    /// Each invalid field.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Problem>>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    field: String,
    problem: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Success {
    success: bool,
    message: String,
}

/// The event that was published. It is in the log, and every stream can see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Published {
    success: bool,
    message: String,
    /// The `id` in the event's data.
    id: String,
    /// The `id:` of the event on every stream.
    event_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Broadcast {
    success: bool,
    message: String,
    stats: Stats,
    id: String,
    event_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatMessageSent {
    success: bool,
    message: String,
    message_id: String,
    event_id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Members {
    members: Vec<Member>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    user_id: String,
    username: String,
    #[schema(format = DateTime)]
    joined_at: String,
    /// The number of the member's open streams that show the room.
    connections: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Services {
    services: Vec<Service>,
}

/// The latest status of a service, with all other fields that were published with it.
#[derive(Serialize, ToSchema)]
pub(super) struct Service {
    id: String,
    #[schema(format = DateTime)]
    timestamp: String,
    service: String,
    status: ServiceStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Value>,
}

/// The numbers of open streams.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    total_connections: u64,
    authenticated_connections: u64,
    /// By type. One stream may count under several types.
    connections_by_type: BTreeMap<String, u64>,
}

/// The numbers of open streams, and of those that were opened, refused and ended since the start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    total_connections: u64,
    authenticated_connections: u64,
    connections_by_type: BTreeMap<String, u64>,
    total_opened: u64,
    /// Streams that were opened, by type.
    opened: BTreeMap<String, u64>,
    /// Streams that were refused, by reason.
    refused: BTreeMap<String, u64>,
    /// Streams that ended, by reason.
    ended: BTreeMap<String, u64>,
    /// TCP connections that were closed, by reason.
    closed: BTreeMap<String, u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Connections {
    connections: Vec<Connection>,
    stats: Stats,
    /// The `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[schema(format = DateTime)]
    connected_at: String,
    #[schema(format = DateTime)]
    last_activity: String,
    subscriptions: Vec<String>,
    topics: Vec<String>,
    last_event_id: String,
    /// The number of bytes that are still to be sent to the stream; `null` while it receives events
    /// that it missed.
    #[schema(required)]
    lag_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    success: bool,
    message: String,
    /// The number of streams that were ended.
    ended: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Draining {
    success: bool,
    message: String,
    /// The number of open streams.
    streams: u64,
    /// The time over which the streams are ended.
    seconds: f64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reloaded {
    success: bool,
    message: String,
    /// The settings whose new values are in use now.
    changed: Vec<String>,
    /// The settings that were changed, too, but need a restart.
    needs_restart: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cleanup {
    success: bool,
    message: String,
    stats_before: Stats,
    stats_after: Stats,
}

/// A page of the stored events of a topic, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<Event>,
    /// The `after` of the next page. Only when reading forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The `before` of the next older page. Only when reading backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    /// Whether this is the last page: there are no newer events, or no older ones when reading
    /// backwards.
    end: bool,
    /// Why some of the requested events are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Erased {
    success: bool,
    message: String,
    topic: String,
    /// The topic has no events at or before this id any more. A client that resumes at an earlier
    /// event gets a `reset`.
    floor: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedUser {
    success: bool,
    message: String,
    /// The number of memberships of rooms that were ended.
    memberships: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Topics {
    topics: Vec<Topic>,
    /// The `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Topic {
    name: String,
    /// The number of stored events that were published to it. Events of other topics that it also
    /// shows are counted there: a message under its room, not under `chat`.
    events: u64,
    /// The size of these events in bytes.
    bytes: u64,
    /// The number of open streams that follow it.
    followers: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    id: String,
    topic: String,
    event: String,
    data: Value,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Gap {
    /// `trimmed`, `epoch` or `ahead`.
    reason: String,
    /// The oldest event that is still stored.
    #[schema(required)]
    oldest: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum HealthStatus {
    Ok,
    Degraded,
    Down,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: HealthStatus,
    #[schema(format = DateTime)]
    timestamp: String,
    /// The time since the start, in seconds.
    uptime: f64,
    /// `development` or `production`.
    environment: String,
    version: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SystemHealth {
    status: HealthStatus,
    #[schema(format = DateTime)]
    timestamp: String,
    version: String,
    /// The time since the start, in seconds.
    uptime: f64,
    connections: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Liveness {
    status: HealthStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Api {
    name: String,
    version: String,
    description: String,
    /// By group and name. A call is written as `GET /path`.
    endpoints: BTreeMap<String, BTreeMap<String, String>>,
    authentication: Authentication,
    current_stats: Stats,
    #[schema(format = DateTime)]
    timestamp: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authentication {
    description: String,
    example: String,
    token_format: String,
    /// A demo token, if these are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_token: Option<String>,
}
