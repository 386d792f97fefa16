//! `docs/openapi.json`: every call and every stream as `OpenAPI` 3.1, for programs and for the page's reference.
//!
//! Owns the description, beside the code that it describes: bodies are read field by field (`http/fields.rs`), so that all
//! problems are told at once, and no type of the server's own says what may be in one. Three things keep it true: a test
//! that its paths and methods are the router's, one that the committed file is what is said here, and schemathesis, which
//! calls a running server by it (`tests/it/openapi.rs`). Compiled for the tests alone; the binary carries the file.

#![expect(dead_code, reason = "what is described is read by macros, never built and never called")]
#![expect(clippy::struct_field_names, reason = "the fields are named as they are on the wire")]

mod answers;
mod bodies;
mod chat;
mod meta;
mod notifications;
mod realtime;
mod streams;
mod system;
mod topics;

use serde_json::json;
use tidings_edge::error::Code;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::groups::Group;

/// Live notifications, entity updates, chat rooms and status over plain Server-Sent Events. Errors answer `statusCode`, `error` and `message` for people and `code` for programs.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidings",
        description = "An event server for the web: notifications, entity updates, chat rooms and status over Server-Sent Events",
        license(name = "MIT", identifier = "MIT"), contact()),
    servers((url = "/")),
    tags(
        (name = "Notifications", description = "To everybody, or to one user on all of their connections"),
        (name = "Entity updates", description = "What was created, updated or deleted"),
        (name = "Chat", description = "Rooms, who is in them, and what is said there"),
        (name = "System status", description = "How services are"),
        (name = "Connections", description = "Who is connected, and ending it"),
        (name = "Log", description = "What is kept"),
        (name = "Health", description = "How the server is"),
        (name = "About", description = "What there is"),
    ),
    paths(
        notifications::send, notifications::broadcast,
        realtime::update, realtime::created, realtime::updated, realtime::deleted,
        chat::message, chat::join, chat::leave, chat::members, chat::typing,
        system::update_status, system::status,
        system::connections, system::disconnect, system::disconnect_user, system::disconnect_named_user, system::stats, system::cleanup,
        system::drain,
        system::reload,
        meta::events, topics::erase, topics::erase_user, topics::list,
        meta::health, meta::live, meta::ready, meta::system_health,
        meta::api, meta::openapi, meta::metrics,
    ),
    components(schemas(answers::Failure)),
    modifiers(&Credentials),
)]
struct Document;

/// The ways to say who calls.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(components) = document.components.as_mut() else { return };
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("A JWT; in development also a demo token".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let token = ApiKeyValue::with_description("token", "The same, where no header can be set");
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Query(token)));
    }
}

/// Says what a call may be refused with. It follows from what the call takes, so it is not written at each.
fn refuse(path: &str, operation: &mut Operation) {
    let described = serde_json::to_value(&*operation).unwrap_or_default();
    let security = described["security"].as_array().cloned().unwrap_or_default();
    let for_admins = security.iter().any(|one| one["bearer"] == json!(["admin"]));
    let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
    let publishes = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
    let is_stream = !described["responses"]["200"]["content"]["text/event-stream"].is_null();
    let mut codes = Vec::new();
    if !parameters.is_empty() || operation.request_body.is_some() {
        codes.push(Code::ValidationFailed);
    }
    if operation.request_body.is_some() {
        codes.extend([Code::InvalidJson, Code::RequestTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    if security.iter().any(|one| *one == json!({})) {
        codes.extend([Code::TokenInvalid, Code::TokenExpired]);
    } else if !security.is_empty() {
        codes.extend([Code::TokenMissing, Code::TokenInvalid, Code::TokenExpired]);
    }
    if for_admins || ["/notifications/send", "/realtime/update", "/events"].contains(&path) {
        codes.push(Code::Forbidden);
    }
    if path == "/system/connections/{id}" {
        codes.push(Code::NotFound);
    }
    if path == "/system/reload" {
        codes.extend([Code::ValidationFailed, Code::NotFound]);
    }
    if publishes {
        codes.extend([Code::IdempotencyConflict, Code::Draining, Code::JournalUnavailable]);
    }
    if ["/chat/room/{roomId}/join", "/system/status/update"].contains(&path) {
        codes.push(Code::TooManyKeys); // each makes one in the log
    }
    if !security.is_empty() {
        codes.push(Code::RateLimited); // of publishes the rate, of all others a credential after many that were refused
    }
    if is_stream {
        codes.extend([Code::NotAcceptable, Code::TooManyConnections, Code::Draining, Code::JournalUnavailable]);
    }
    if path == "/health/ready" {
        codes.extend([Code::Draining, Code::JournalUnavailable]);
    }
    if ["/events", "/users/{id}", "/system/status"].contains(&path) {
        codes.push(Code::JournalUnavailable);
    }
    let mut by_status = std::collections::BTreeMap::<u16, Vec<Code>>::new();
    for code in codes {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let names: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
        let schema = RefOr::Ref(Ref::from_schema_name("Failure"));
        let response = ResponseBuilder::new()
            .description(names.join(", "))
            .content("application/json", Content::new(Some(schema)))
            .build();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response));
    }
}

/// The document of a server with these groups.
pub(crate) fn document(groups: &'static [Group]) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for (path, described) in streams::paths(groups) {
        document.paths.paths.insert(path.to_owned(), described);
    }
    let events = document.paths.paths.get_mut("/events").and_then(|path| path.get.as_mut());
    for parameter in events.and_then(|get| get.parameters.as_mut()).into_iter().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "topic"
        {
            parameter.description = Some(streams::listed(groups));
        }
    }
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
            refuse(path, operation);
        }
    }
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.contact = None;
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_edge::{cors, query};

    use crate::groups::GROUPS;
    use crate::router;

    #[test]
    fn the_committed_openapi_document_is_fresh() {
        let written = serde_json::to_string_pretty(&document(GROUPS)).unwrap();
        tidings_fresh::assert_fresh("docs/openapi.json", &format!("{written}\n"));
    }

    #[test]
    fn every_path_of_the_router_is_described_and_no_other() {
        let page = ["/", "/assets/{file}"];
        let mut routed: Vec<_> =
            router::paths().into_iter().map(|(path, _)| path).filter(|path| !page.contains(path)).collect();
        routed.sort_unstable();
        let document = document(GROUPS);
        let mut described: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!(described, routed);
    }

    #[test]
    fn what_a_path_knows_of_a_query_is_described_and_nothing_else() {
        let document = serde_json::to_value(document(GROUPS)).unwrap();
        for (path, known) in router::paths() {
            let mut described = std::collections::BTreeSet::new();
            let methods = document["paths"][path].as_object().into_iter().flatten();
            for (_, call) in methods {
                let parameters = call["parameters"].as_array().into_iter().flatten();
                described
                    .extend(parameters.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()));
                let security = call["security"].as_array().into_iter().flatten();
                described.extend(security.filter(|one| one.get("token").is_some()).map(|_| "token"));
            }
            let names = known.iter().map(query::Name::as_str);
            // Tickets are yet to come; a broadcast knows the target that it refuses.
            let untold =
                |name: &&str| *name == "ticket" || (path == "/notifications/broadcast" && *name == "targetUserId");
            let known: std::collections::BTreeSet<_> = names.filter(|name| !untold(name)).collect();
            assert_eq!(known, described, "{path}");
        }
    }

    #[test]
    fn every_header_that_is_described_may_be_sent_by_a_page() {
        let document = serde_json::to_value(document(GROUPS)).unwrap();
        let allowed = cors::ALLOWED_HEADERS;
        for call in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
        {
            for parameter in call["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "header") {
                let name = parameter["name"].as_str().unwrap().to_ascii_lowercase();
                assert!(allowed.iter().any(|allowed| *allowed == name.as_str()), "{name}");
            }
        }
    }
}
