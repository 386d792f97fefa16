//! The bodies of requests.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Subscribers also get all other fields, unchanged.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"title": "Hello", "message": "It works", "type": "info"}))]
pub(super) struct Notification {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(min_length = 1, max_length = 10_000)]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<NotificationType>,
    /// Any JSON. Numbers are passed on digit by digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// `info` by default.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum NotificationType {
    Info,
    Success,
    Warning,
    Error,
}

/// Subscribers also get all other fields, unchanged.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"entity": "order", "action": "update", "data": {"id": 7, "state": "paid"}}))]
pub(super) struct Update {
    /// The field may also be called `entityType`.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$"
    )]
    entity: String,
    action: Action,
    /// Any JSON. Numbers are passed on digit by digit.
    data: Value,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    Create,
    Update,
    Delete,
    Created,
    Updated,
    Deleted,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"roomId": "general", "message": "Hi all"}))]
pub(super) struct ChatMessage {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$"
    )]
    room_id: String,
    /// White space at both ends is removed before the length is checked.
    #[schema(min_length = 1, max_length = 4_000)]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<ChatType>,
    /// Any JSON. Unlike the other calls, this one drops fields that are not listed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// `text` by default.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ChatType {
    Text,
    Image,
    File,
}

/// Subscribers also get all other fields, unchanged.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"service": "database", "status": "degraded", "message": "Slow queries"}))]
pub(super) struct StatusUpdate {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$"
    )]
    service: String,
    status: ServiceStatus,
    #[schema(min_length = 1, max_length = 10_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ServiceStatus {
    Online,
    Offline,
    Degraded,
    Maintenance,
}
