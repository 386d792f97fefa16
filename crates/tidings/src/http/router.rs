//! Every path and every layer, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_request;
use axum::routing::{MethodRouter, delete, get, post};
use http::Request;

use super::{accept, base_path, cors, guard, observe};
use crate::app::App;
use crate::routes::{
    self, api, chat, connections, dashboard, events, health, metrics, notifications, page, realtime, status,
};
use crate::traces::Tracer;

/// Every stream. The router and the parked lane both go by this table, so that they never differ.
fn streams() -> [(&'static str, MethodRouter<Arc<App>>); 7] {
    [
        ("/notifications/stream", get(notifications::stream)),
        ("/realtime/stream", get(realtime::stream)),
        ("/chat/stream", get(chat::stream)),
        ("/chat/room/{roomId}/stream", get(chat::room_stream)),
        ("/system/status/stream", get(status::stream)),
        ("/system/heartbeat", get(status::heartbeat)),
        ("/system/dashboard/stream", get(dashboard::stream)),
    ]
}

/// Every call that publishes.
fn publishes() -> [(&'static str, MethodRouter<Arc<App>>); 11] {
    [
        ("/notifications/send", post(notifications::send)),
        ("/notifications/broadcast", post(notifications::broadcast)),
        ("/realtime/update", post(realtime::update)),
        ("/realtime/entity/{entity}/create", post(realtime::created)),
        ("/realtime/entity/{entity}/update", post(realtime::updated)),
        ("/realtime/entity/{entity}/delete", post(realtime::deleted)),
        ("/chat/message", post(chat::message)),
        ("/chat/room/{roomId}/join", post(chat::join)),
        ("/chat/room/{roomId}/leave", post(chat::leave)),
        ("/chat/room/{roomId}/typing", post(chat::typing)),
        ("/system/status/update", post(status::update)),
    ]
}

/// Every other call.
fn calls() -> [(&'static str, MethodRouter<Arc<App>>); 18] {
    [
        ("/", get(page::index)),
        ("/assets/{file}", get(page::file)),
        ("/api", get(api::api)),
        ("/openapi.json", get(api::openapi)),
        ("/chat/room/{roomId}/members", get(chat::members)),
        ("/system/status", get(status::latest)),
        ("/system/stats", get(connections::counts)),
        ("/system/connections", get(connections::list)),
        ("/system/connections/{id}", delete(connections::end)),
        ("/system/users/{userId}/connections", delete(connections::end_user)),
        ("/system/cleanup", post(connections::cleanup)),
        ("/system/drain", post(connections::drain)),
        ("/system/health", get(health::system)),
        ("/events", get(events::list)),
        ("/health", get(health::brief)),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
        ("/metrics", get(metrics::scrape)),
    ]
}

/// The routes, without layers but that of spans, which is around those alone that have one.
fn routes(tracer: &Tracer) -> Router<Arc<App>> {
    let traced = streams().into_iter().chain(publishes()).map(|(path, route)| (path, tracer.around(path, route)));
    traced.chain(calls()).fold(Router::new(), |router, (path, route)| router.route(path, route))
}

/// Every path there is, for the document that describes them.
#[cfg(test)]
pub(crate) fn paths() -> Vec<&'static str> {
    streams().into_iter().chain(publishes()).chain(calls()).map(|(path, _)| path).collect()
}

/// The routes with their layers; the last is the outermost. None of them wraps, times or counts a body, because the
/// body of a stream may never be polled.
pub(crate) fn router(app: Arc<App>, more: Router) -> Result<Router, cors::Error> {
    let cors = cors::layer(&cors::Options {
        origins: app.config.cors.origins.clone(),
        credentials: app.config.cors.credentials,
        development: app.config.mode == crate::config::Mode::Development,
    })?;
    let base = app.config.http.base_path.clone();
    let counts = app.counts.clone();
    let routed = routes(&app.tracer)
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .with_state(app)
        .merge(more)
        // In one: each `layer` has a box and two clones around every route.
        .layer((observe::layer(counts), cors, guard::layer()));
    Ok(match base {
        // Around the whole router: a path must be rewritten before it is looked up.
        Some(base) => Router::new()
            .fallback_service(routed)
            .layer(map_request(move |request| std::future::ready(base_path::strip(&base, request)))),
        None => routed,
    })
}

/// Which requests open a stream, as far as their head tells.
#[derive(Clone)]
pub(crate) struct StreamPaths {
    paths: Arc<matchit::Router<()>>,
    base: Option<Arc<str>>,
}

impl StreamPaths {
    /// The paths of the table, below `base` and without it.
    pub(crate) fn new(base: Option<&str>) -> Self {
        let mut paths = matchit::Router::new();
        for (path, _) in streams() {
            // The router was built from the same table, and would have panicked; here a path that is left out is only
            // carried by the other lane.
            let _ = paths.insert(path, ());
        }
        Self { paths: Arc::new(paths), base: base.map(Arc::from) }
    }

    /// Whether a GET is for a stream, and allowed to be answered by one.
    pub(crate) fn takes(&self, request: &Request<()>) -> bool {
        let path = request.uri().path();
        let below = self.base.as_deref().and_then(|base| base_path::below(base, path));
        self.paths.at(below.unwrap_or(path)).is_ok() && accept::accepts_event_stream(request.headers())
    }
}
