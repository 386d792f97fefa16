//! How the server is, for people, for load balancers and for orchestrators.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::{App, Phase, rfc3339};
use crate::http::error::Error;
use crate::http::reply::Reply;

/// The server's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `GET /health`
pub(crate) async fn brief(State(app): State<Arc<App>>) -> Reply {
    Reply::json(&json!({
        "status": status(&app),
        "timestamp": rfc3339(app.now()),
        "uptime": app.started.elapsed().as_secs_f64(),
        "environment": app.config.mode.as_str(),
        "version": VERSION,
    }))
}

/// `GET /system/health`
pub(crate) async fn system(State(app): State<Arc<App>>) -> Reply {
    Reply::json(&json!({
        "status": status(&app),
        "timestamp": rfc3339(app.now()),
        "version": VERSION,
        "uptime": app.started.elapsed().as_secs_f64(),
        "connections": app.hub.connections().stats().total,
    }))
}

/// `GET /health/live`
pub(crate) async fn live() -> Reply {
    Reply::json(&json!({ "status": "ok" }))
}

/// `GET /health/ready`: whether new streams should be sent here.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.phase() != Phase::Serving {
        return Error::draining(app.left_of_drain()).into_response();
    }
    match app.hub.health() {
        Ok(()) => Reply::json(&json!({ "status": "ok" })).into_response(),
        Err(error) => Error::from(error).into_response(),
    }
}

fn status(app: &App) -> &'static str {
    match app.phase() {
        Phase::Serving if app.hub.health().is_ok() => "ok",
        Phase::Serving | Phase::Draining => "degraded",
        Phase::Closing => "down",
    }
}
