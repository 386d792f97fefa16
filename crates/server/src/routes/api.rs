//! `GET /api` and `GET /openapi.json`: the calls of this server, described for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use tidings_edge::asset;
use tidings_edge::reply::Reply;

use super::current_stats;
use crate::VERSION;
use crate::app::App;
use crate::auth::demo;
use crate::stream_groups;
use crate::times::rfc3339;

/// All calls except the streams, each with its group and its name in `GET /api`, and its method and
/// path.
const CALLS: [(&str, &str, &str); 32] = [
    ("notifications", "send", "POST /notifications/send"),
    (
        "notifications",
        "broadcast",
        "POST /notifications/broadcast",
    ),
    ("realtime", "update", "POST /realtime/update"),
    (
        "realtime",
        "entityCreate",
        "POST /realtime/entity/:entity/create",
    ),
    (
        "realtime",
        "entityUpdate",
        "POST /realtime/entity/:entity/update",
    ),
    (
        "realtime",
        "entityDelete",
        "POST /realtime/entity/:entity/delete",
    ),
    ("chat", "sendMessage", "POST /chat/message"),
    ("chat", "joinRoom", "POST /chat/room/:roomId/join"),
    ("chat", "leaveRoom", "POST /chat/room/:roomId/leave"),
    ("chat", "members", "GET /chat/room/:roomId/members"),
    ("chat", "typing", "POST /chat/room/:roomId/typing"),
    ("system", "status", "GET /system/status"),
    ("system", "updateStatus", "POST /system/status/update"),
    ("system", "connections", "GET /system/connections"),
    ("system", "disconnect", "DELETE /system/connections/:id"),
    (
        "system",
        "disconnectUser",
        "DELETE /system/users/:userId/connections",
    ),
    (
        "system",
        "disconnectNamedUser",
        "DELETE /system/users/connections",
    ),
    ("system", "stats", "GET /system/stats"),
    ("system", "cleanup", "POST /system/cleanup"),
    ("system", "drain", "POST /system/drain"),
    ("system", "reload", "POST /system/reload"),
    ("system", "health", "GET /system/health"),
    ("system", "metrics", "GET /metrics"),
    ("events", "list", "GET /events"),
    ("events", "erase", "DELETE /events"),
    ("events", "eraseUser", "DELETE /users/:id"),
    ("events", "topics", "GET /system/topics"),
    ("health", "health", "GET /health"),
    ("health", "live", "GET /health/live"),
    ("health", "ready", "GET /health/ready"),
    ("api", "info", "GET /api"),
    ("api", "openapi", "GET /openapi.json"),
];

/// `GET /api`
pub(crate) async fn api(State(app): State<Arc<App>>) -> Reply {
    let mut endpoints = Map::new();
    let streams = stream_groups::streams(app.groups)
        .map(|(group, stream)| (group.name, stream.about.api, stream.call()));
    let calls = CALLS.map(|(group, name, call)| (group, name, call.to_owned()));
    for (group, name, call) in streams.chain(calls) {
        let group = endpoints
            .entry(group)
            .or_insert_with(|| Value::Object(Map::new()));
        group[name] = call.into();
    }
    let mut authentication = json!({
        "description": "Send a token as Authorization: Bearer, or as ?token= where no header can \
                        be set",
        "example": "Authorization: Bearer <token>",
        "tokenFormat": "a JWT (HS256, HS384 or HS512)",
    });
    if app.config.auth.demo {
        authentication["example"] = "Authorization: Bearer <base64-encoded-token>".into();
        authentication["tokenFormat"] = "base64(userId:username:email:roles)".into();
        authentication["testToken"] = demo::TOKEN.into();
    }
    Reply::json(&json!({
        "name": "Tidings",
        "version": VERSION,
        "description": "Notifications, entity updates, chat rooms and status over Server-Sent \
                        Events",
        "endpoints": endpoints,
        "authentication": authentication,
        "currentStats": current_stats(&app),
        "timestamp": rfc3339(app.now()),
    }))
}

/// The committed `OpenAPI` document. A test of `crate::openapi` fails if it differs from the
/// code.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// `GET /openapi.json`
pub(crate) async fn openapi(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let content = app
        .pages
        .openapi
        .get_or_init(|| asset::Content::new(document(app.config.http.base_path.as_deref())));
    asset::answer(
        &headers,
        "application/json; charset=utf-8",
        "no-cache",
        content,
    )
}

/// Returns the `OpenAPI` document. Its paths are relative to the URL of its only server, which is
/// the base path `base`, or `/`.
fn document(base: Option<&str>) -> Bytes {
    match base {
        Some(base) => OPENAPI
            .replacen(r#""url": "/""#, &format!(r#""url": {}"#, json!(base)), 1)
            .into(),
        None => Bytes::from_static(OPENAPI.as_bytes()),
    }
}
