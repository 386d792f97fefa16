//! What calls answer.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::bodies::ServiceStatus;

/// What every error answers. `docs/errors.md` has each `code`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    status_code: u16,
    /// The status in words.
    error: String,
    /// For people.
    message: String,
    /// For programs; never changes its meaning.
    code: String,
    /// Each field at fault.
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

/// The event is in the log, and every stream can see it.
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
pub(super) struct Said {
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
    /// Open streams on which the member hears the room.
    connections: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Services {
    services: Vec<Service>,
}

/// The latest that was said of a service, with every other field it came with.
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

/// How many streams are open.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    total_connections: u64,
    authenticated_connections: u64,
    /// A stream may count under several.
    connections_by_type: BTreeMap<String, u64>,
}

/// The same, and what became of all streams since the start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    total_connections: u64,
    authenticated_connections: u64,
    connections_by_type: BTreeMap<String, u64>,
    total_opened: u64,
    /// By type.
    opened: BTreeMap<String, u64>,
    /// By reason.
    refused: BTreeMap<String, u64>,
    /// By reason.
    ended: BTreeMap<String, u64>,
    /// Connections that were closed, by reason.
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
    /// How many bytes of its topics it has yet to be sent; `null` while it catches up with what it missed.
    #[schema(required)]
    lag_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    success: bool,
    message: String,
    /// How many streams were ended.
    ended: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Draining {
    success: bool,
    message: String,
    /// How many streams are open.
    streams: u64,
    /// Over how long they are ended.
    seconds: f64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reloaded {
    success: bool,
    message: String,
    /// The settings that have other values from now on.
    changed: Vec<String>,
    /// The settings that were changed too, and need a restart.
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

/// A page of the log, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<Event>,
    /// Where the next page begins: its `after`. When reading forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Where the next older page ends: its `before`. When reading backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    /// Whether nothing newer is there, or nothing older when reading backwards.
    end: bool,
    /// What was asked for can't be had whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Erased {
    success: bool,
    message: String,
    topic: String,
    /// Nothing at or before this id is left in the topic; a client that comes back from before it gets a `reset`.
    floor: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedUser {
    success: bool,
    message: String,
    /// How many memberships of rooms were ended.
    memberships: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Topics {
    topics: Vec<Topic>,
    /// If there are more: the `cursor` that asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Topic {
    name: String,
    /// What was published to it and is kept. What it shows of other topics is counted there: each message under its room, and none under `chat`.
    events: u64,
    /// What they take, in bytes.
    bytes: u64,
    /// Streams that follow it.
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
    /// What could still be had.
    #[schema(required)]
    oldest: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Condition {
    Ok,
    Degraded,
    Down,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: Condition,
    #[schema(format = DateTime)]
    timestamp: String,
    /// In seconds.
    uptime: f64,
    /// `development` or `production`.
    environment: String,
    version: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SystemHealth {
    status: Condition,
    #[schema(format = DateTime)]
    timestamp: String,
    version: String,
    /// In seconds.
    uptime: f64,
    connections: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    status: Condition,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Api {
    name: String,
    version: String,
    description: String,
    /// By group and name, as `GET /path`.
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
    /// While demo tokens are on.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_token: Option<String>,
}
