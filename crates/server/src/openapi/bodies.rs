//! What calls take.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Other fields are passed on to subscribers as they came.
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
    /// Anything; passed on digit by digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// Without it, `info`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum NotificationType {
    Info,
    Success,
    Warning,
    Error,
}

/// Other fields are passed on to subscribers as they came.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"entity": "order", "action": "update", "data": {"id": 7, "state": "paid"}}))]
pub(super) struct Update {
    /// `entityType` is taken too.
    #[schema(min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$")]
    entity: String,
    action: Action,
    /// Anything; passed on digit by digit.
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
    #[schema(min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$")]
    room_id: String,
    /// Trimmed; then of this length.
    #[schema(min_length = 1, max_length = 4_000)]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<ChatType>,
    /// Anything; other fields are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// Without it, `text`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ChatType {
    Text,
    Image,
    File,
}

/// Other fields are passed on to subscribers as they came.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"service": "database", "status": "degraded", "message": "Slow queries"}))]
pub(super) struct StatusUpdate {
    #[schema(min_length = 1, max_length = 128, pattern = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$")]
    service: String,
    status: ServiceStatus,
    #[schema(min_length = 1, max_length = 10_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Anything.
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
