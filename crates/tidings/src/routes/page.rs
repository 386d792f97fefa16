//! `GET /` and `GET /api`: what there is here, for people and for programs.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::current_stats;
use super::health::VERSION;
use crate::app::{App, rfc3339};
use crate::auth::demo;
use crate::http::reply::Reply;

/// Every call: its group and name in `GET /api`, what to write to reach it, who may, and what it does.
const CALLS: [(&str, &str, &str, &str, &str); 30] = [
    (
        "notifications",
        "stream",
        "GET /notifications/stream",
        "anyone",
        "Notifications as they come; with a token, your own too",
    ),
    (
        "notifications",
        "send",
        "POST /notifications/send",
        "token",
        "Notify one user (?targetUserId=); everybody, as admin",
    ),
    (
        "notifications",
        "broadcast",
        "POST /notifications/broadcast",
        "admin",
        "Notify everybody, and learn how many are connected",
    ),
    ("realtime", "stream", "GET /realtime/stream", "anyone", "Entity updates; ?entities=order,user for some"),
    (
        "realtime",
        "update",
        "POST /realtime/update",
        "token",
        "Tell one user of an update (?targetUserId=); everybody, as admin",
    ),
    ("realtime", "entityCreate", "POST /realtime/entity/:entity/create", "admin", "The body was created"),
    ("realtime", "entityUpdate", "POST /realtime/entity/:entity/update", "admin", "The body was updated"),
    ("realtime", "entityDelete", "POST /realtime/entity/:entity/delete", "admin", "The body was deleted"),
    ("chat", "stream", "GET /chat/stream", "token", "All rooms, or one with ?roomId="),
    ("chat", "roomStream", "GET /chat/room/:roomId/stream", "token", "One room"),
    ("chat", "sendMessage", "POST /chat/message", "token", "Say something in a room"),
    ("chat", "joinRoom", "POST /chat/room/:roomId/join", "token", "Become a member"),
    ("chat", "leaveRoom", "POST /chat/room/:roomId/leave", "token", "Stop being one"),
    ("chat", "members", "GET /chat/room/:roomId/members", "token", "Who is in a room"),
    ("chat", "typing", "POST /chat/room/:roomId/typing", "token", "Show that you are typing"),
    (
        "system",
        "statusStream",
        "GET /system/status/stream",
        "anyone",
        "The latest status of each service, then changes",
    ),
    ("system", "heartbeat", "GET /system/heartbeat", "anyone", "Signs of life"),
    ("system", "status", "GET /system/status", "anyone", "The latest status of each service"),
    ("system", "updateStatus", "POST /system/status/update", "admin", "Report how a service is"),
    ("system", "connections", "GET /system/connections", "admin", "Who is connected"),
    ("system", "disconnect", "DELETE /system/connections/:id", "admin", "End one stream"),
    ("system", "disconnectUser", "DELETE /system/users/:userId/connections", "admin", "End all streams of a user"),
    ("system", "stats", "GET /system/stats", "anyone", "How many are connected"),
    ("system", "cleanup", "POST /system/cleanup", "admin", "Kept for old clients; there is nothing to clean up"),
    ("system", "health", "GET /system/health", "anyone", "How the server is"),
    ("events", "list", "GET /events", "as the topic's stream", "What is kept of a topic, page by page"),
    ("health", "health", "GET /health", "anyone", "How the server is, in short"),
    ("health", "live", "GET /health/live", "anyone", "The process answers"),
    ("health", "ready", "GET /health/ready", "anyone", "New streams are welcome"),
    ("api", "info", "GET /api", "anyone", "This list as JSON"),
];

/// The page's looks; no script, nothing from elsewhere.
const STYLE: &str = include_str!("page.css");

/// `GET /api`
pub(crate) async fn api(State(app): State<Arc<App>>) -> Reply {
    let mut endpoints = Map::new();
    for (group, name, call, _, _) in CALLS {
        let group = endpoints.entry(group).or_insert_with(|| Value::Object(Map::new()));
        group[name] = call.into();
    }
    let mut authentication = json!({
        "description": "Send a token as Authorization: Bearer, or as ?token= where no header can be set",
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
        "description": "Notifications, entity updates, chat rooms and status over Server-Sent Events",
        "endpoints": endpoints,
        "authentication": authentication,
        "currentStats": current_stats(&app),
        "timestamp": rfc3339(app.now()),
    }))
}

/// `GET /`
pub(crate) async fn page(State(app): State<Arc<App>>) -> Response {
    let base = app.config.http.base_path.as_deref().unwrap_or_default();
    let mut rows = String::new();
    for (_, _, call, who, what) in CALLS {
        let (method, path) = call.split_once(' ').unwrap_or_default();
        let path = if method == "GET" && !path.contains(':') && who == "anyone" {
            format!("<a href=\"{base}{path}\">{path}</a>")
        } else {
            path.to_owned()
        };
        let kind = if call.ends_with("stream") || call.ends_with("heartbeat") { "stream" } else { "call" };
        let _ = writeln!(
            rows,
            "<tr class={kind}><td><b>{method}</b> <code>{path}</code></td><td>{who}</td><td>{what}</td></tr>"
        );
    }
    let token = if app.config.auth.demo {
        format!(
            "<h2>The test token</h2><p>User <code>test123</code>, an admin. In development only.</p>\
             <pre>{}</pre>\
             <h2>Try it</h2><p>Follow the notifications in one terminal …</p>\
             <pre>curl -N http://localhost:{port}{base}/notifications/stream \\\n  -H 'Authorization: Bearer {0}'</pre>\
             <p>… and send one from another.</p>\
             <pre>curl http://localhost:{port}{base}/notifications/send \\\n  -H 'Authorization: Bearer {0}' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{{\"title\":\"Hello\",\"message\":\"It works\"}}'</pre>",
            demo::TOKEN,
            port = app.port,
        )
    } else {
        "<p>Calls that need a token take a JWT as <code>Authorization: Bearer …</code>, streams also as \
         <code>?token=…</code>.</p>"
            .to_owned()
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Tidings</title><style>{STYLE}</style>\
         <main><h1>Tidings</h1><p>Version {VERSION}. Live notifications, entity updates, chat rooms and status over plain \
         Server-Sent Events.</p>{token}\
         <h2>Streams and calls</h2><div class=wide><table><thead><tr><th>call<th>who<th>what\
         <tbody>{rows}</table></div></main></html>\n"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // Only the inline style: no script at all, nothing from elsewhere, no frame around it.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    (headers, page).into_response()
}
