//! The table of all paths with their handlers, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_request;
use axum::routing::{MethodRouter, delete, get, post};
use tidings_edge::query::{Name, TARGET, TOKEN};
use tidings_edge::{base_path, catch_panic, host};

use crate::app::App;
use crate::http::extract::Route;
use crate::http::observe;
use crate::routes::{
    self, api, chat, connections, events, health, metrics, notifications, page, realtime, reload,
    status, topics, users,
};
use crate::stream_groups::{self, Group};
use tidings_net::refused_head;

/// A path, the query parameters that it accepts, and its handlers.
type Row = (&'static str, &'static [Name], MethodRouter<Route>);

/// For a path without query parameters.
const NO_QUERY: &[Name] = &[];

/// The paths of all streams.
fn streams(groups: &'static [Group]) -> impl Iterator<Item = Row> {
    stream_groups::streams(groups).map(|(group, stream)| {
        (
            stream.path,
            stream.query,
            routes::streams::route(group, stream),
        )
    })
}

/// The paths of all calls that publish.
fn publishes() -> [Row; 11] {
    [
        (
            "/notifications/send",
            &[TOKEN, TARGET],
            post(notifications::send),
        ),
        // The handler refuses a target. The parameter is listed so that a misspelled one is
        // refused, too.
        (
            "/notifications/broadcast",
            &[TOKEN, TARGET],
            post(notifications::broadcast),
        ),
        ("/realtime/update", &[TOKEN, TARGET], post(realtime::update)),
        (
            "/realtime/entity/{entity}/create",
            &[TOKEN],
            post(realtime::created),
        ),
        (
            "/realtime/entity/{entity}/update",
            &[TOKEN],
            post(realtime::updated),
        ),
        (
            "/realtime/entity/{entity}/delete",
            &[TOKEN],
            post(realtime::deleted),
        ),
        ("/chat/message", &[TOKEN], post(chat::message)),
        ("/chat/room/{roomId}/join", &[TOKEN], post(chat::join)),
        ("/chat/room/{roomId}/leave", &[TOKEN], post(chat::leave)),
        ("/chat/room/{roomId}/typing", &[TOKEN], post(chat::typing)),
        ("/system/status/update", &[TOKEN], post(status::update)),
    ]
}

/// The paths of all other calls.
fn calls() -> [Row; 22] {
    [
        ("/", NO_QUERY, get(page::index)),
        ("/assets/{file}", NO_QUERY, get(page::file)),
        ("/api", NO_QUERY, get(api::api)),
        ("/openapi.json", NO_QUERY, get(api::openapi)),
        ("/chat/room/{roomId}/members", &[TOKEN], get(chat::members)),
        ("/system/status", NO_QUERY, get(status::latest)),
        ("/system/stats", NO_QUERY, get(connections::counts)),
        (
            "/system/connections",
            connections::QUERY,
            get(connections::list),
        ),
        (
            "/system/connections/{id}",
            &[TOKEN],
            delete(connections::end),
        ),
        (
            "/system/users/{userId}/connections",
            &[TOKEN],
            delete(connections::end_user),
        ),
        (
            "/system/users/connections",
            connections::QUERY_OF_USER,
            delete(connections::end_named_user),
        ),
        ("/system/cleanup", &[TOKEN], post(connections::cleanup)),
        ("/system/drain", &[TOKEN], post(connections::drain)),
        ("/system/reload", &[TOKEN], post(reload::reload)),
        ("/system/health", NO_QUERY, get(health::system)),
        ("/system/topics", topics::QUERY, get(topics::list)),
        ("/users/{id}", &[TOKEN], delete(users::erase)),
        (
            "/events",
            events::QUERY,
            get(events::list).delete(events::erase),
        ),
        ("/health", NO_QUERY, get(health::brief)),
        ("/health/live", NO_QUERY, get(health::live)),
        ("/health/ready", NO_QUERY, get(health::ready)),
        ("/metrics", NO_QUERY, get(metrics::scrape)),
    ]
}

/// Creates the routes. The only layer here is the one that makes spans, which is around the streams
/// and the calls that publish.
fn routes(app: &Arc<App>) -> Router {
    let traced = streams(app.groups).chain(publishes());
    let traced = traced.map(|(path, query, route)| (path, query, app.tracer.around(path, route)));
    traced
        .chain(calls())
        .fold(Router::new(), |router, (path, query, route)| {
            router.route(
                path,
                route.with_state(Route {
                    app: app.clone(),
                    query,
                }),
            )
        })
}

/// Returns all paths with the query parameters that they accept, for the `OpenAPI` document.
#[cfg(test)]
pub(crate) fn paths() -> Vec<(&'static str, &'static [Name])> {
    streams(stream_groups::GROUPS)
        .chain(publishes())
        .chain(calls())
        .map(|(path, query, _)| (path, query))
        .collect()
}

/// Creates the routes with their layers, of which the last is the outermost. None of the layers
/// wraps, times or counts a body, because the body of a stream may never be polled.
pub(crate) fn router(app: &Arc<App>, more: Router) -> Router {
    let base = app.config.http.base_path.clone();
    let counts = app.counts.clone();
    let routed = routes(app)
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .merge(more)
        // One tuple for all layers, because each call of `layer` adds a box and two clones to every
        // route.
        .layer((
            observe::layer(counts),
            host::layer_for_preflights(),
            app.cors.clone().layer(),
            host::layer(),
            catch_panic::layer(),
        ));
    match base {
        // This layer is around the whole router, because a path must be rewritten before the router
        // looks it up.
        Some(base) => Router::new()
            .fallback_service(routed)
            .layer(map_request(move |request| {
                std::future::ready(base_path::strip(&base, request))
            })),
        None => routed,
    }
}

/// Creates the router for requests whose head can't be read or is too large: it answers in place of
/// [`router`].
pub(crate) fn refusals(app: &App) -> Router {
    refused_head::routes().layer((observe::layer(app.counts.clone()), app.cors.clone().layer()))
}
