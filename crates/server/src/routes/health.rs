//! `/health` and `/system/health`: reports the health of the server, to people, load balancers and
//! orchestrators.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tidings_edge::error::{Code, Error};
use tidings_edge::reply::Reply;
use tidings_journal_disk::Sync;

use crate::VERSION;
use crate::app::{App, Phase};
use crate::times::rfc3339;

/// How long a readiness probe waits for a server that has just started. Probes usually time out
/// after one second.
const STARTUP_WAIT: Duration = Duration::from_millis(500);

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

/// `GET /health/ready`: whether new streams should be opened on this server.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.phase() != Phase::Serving {
        return Error::draining(app.remaining_drain()).into_response();
    }
    if let Err(error) = app.hub.health() {
        return Error::from(error).into_response();
    }
    // The folds read their topics just after the start. Nothing is delivered before they have.
    if !matches!(
        tokio::time::timeout(STARTUP_WAIT, app.hub.folds_ready()).await,
        Ok(Ok(()))
    ) {
        let message = "The server has not read its own state from the log yet, and delivers \
                       nothing before that";
        return Error::new(Code::JournalUnavailable, message)
            .retry_after(Duration::from_secs(5))
            .into_response();
    }
    // With `always`, events behind damage break the promise that no acknowledged event is lost. An
    // operator should know of it before clients rely on this server.
    if app.config.journal.sync == Sync::Always
        && app.hub.vitals().disk.is_some_and(|disk| disk.cut > 0)
    {
        let message =
            "The log has lost acknowledged events to damage; the server's own log says what to do";
        return Error::new(Code::JournalUnavailable, message).into_response();
    }
    Reply::json(&json!({ "status": "ok" })).into_response()
}

/// Whether damage was found in the log. The server then serves the undamaged rest.
fn is_damaged(app: &App) -> bool {
    app.hub
        .vitals()
        .disk
        .is_some_and(|disk| disk.damaged > 0 || disk.cut > 0)
}

fn status(app: &App) -> &'static str {
    match app.phase() {
        Phase::Serving if app.hub.health().is_ok() && !is_damaged(app) => "ok",
        Phase::Serving | Phase::Draining => "degraded",
        Phase::Closing => "down",
    }
}
