//! Generates `docs/openapi.json`: every call and every stream as `OpenAPI` 3.1, for programs and
//! for the reference on the web page. Compiled for tests only; the binary contains the committed
//! file.
//!
//! Owns the descriptions. Handlers read a body field by field (`tidings_edge::fields`), so that an
//! answer can report all problems at once; so no type of the server describes a body, and the types
//! here do. Three tests keep the document true: its paths and methods are those of the router; the
//! committed file is the output of this module; and schemathesis calls a running server by it
//! (`tests/it/openapi.rs` of the binary).

#![expect(
    dead_code,
    reason = "macros read these types and functions; nothing constructs or calls them"
)]
#![expect(
    clippy::struct_field_names,
    reason = "the fields are named as they are on the wire"
)]

mod about;
mod answers;
mod bodies;
mod chat;
mod events;
mod health;
mod notifications;
mod realtime;
mod streams;
mod system;
mod topics;
mod users;

use serde_json::json;
use tidings_edge::error::Code;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::stream_groups::Group;

/// The document without its streams and its errors, which [`document`] adds.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidings",
        description = "An event server for the web: notifications, entity updates, chat rooms and \
                       status over Server-Sent Events",
        license(name = "MIT", identifier = "MIT"), contact()),
    servers((url = "/")),
    tags(
        (name = "Notifications", description = "Messages to everybody, or to all connections of \
                                                one user"),
        (name = "Entity updates", description = "Messages that an entity was created, updated or \
                                                 deleted"),
        (name = "Chat", description = "Rooms, their members and their messages"),
        (name = "System status", description = "The status of services"),
        (name = "Connections", description = "Open streams, and the server as a whole"),
        (name = "Log", description = "Stored events and their topics"),
        (name = "Health", description = "The health of the server"),
        (name = "About", description = "The calls of this server"),
    ),
    paths(
        notifications::send, notifications::broadcast,
        realtime::update, realtime::created, realtime::updated, realtime::deleted,
        chat::message, chat::join, chat::leave, chat::members, chat::typing,
        system::update_status, system::status,
        system::connections, system::disconnect, system::disconnect_user, system::disconnect_named_user, system::stats, system::cleanup,
        system::drain,
        system::reload,
        events::list, events::erase, users::erase, topics::list,
        health::health, health::live, health::ready, health::system_health,
        about::api, about::openapi, health::metrics,
    ),
    components(schemas(answers::Failure)),
    modifiers(&Credentials),
)]
struct Document;

/// Adds the two ways to send a token.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(components) = document.components.as_mut() else {
            return;
        };
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("A JWT; in development also a demo token".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let token = ApiKeyValue::with_description(
            "token",
            "The token in the query, for clients that can't set a header",
        );
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Query(token)));
    }
}

/// Adds the errors that a call may answer. They follow from the rest of its description, so the
/// descriptions need not list them.
fn add_errors(path: &str, operation: &mut Operation) {
    let described = serde_json::to_value(&*operation).unwrap_or_default();
    let security = described["security"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let for_admins = security.iter().any(|one| one["bearer"] == json!(["admin"]));
    let parameters = described["parameters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let publishes = parameters
        .iter()
        .any(|one| one["name"] == "Idempotency-Key");
    let is_stream = !described["responses"]["200"]["content"]["text/event-stream"].is_null();
    let mut codes = Vec::new();
    if !parameters.is_empty() || operation.request_body.is_some() {
        codes.push(Code::ValidationFailed);
    }
    if operation.request_body.is_some() {
        codes.extend([
            Code::InvalidJson,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
        ]);
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
        codes.extend([
            Code::IdempotencyConflict,
            Code::Draining,
            Code::JournalUnavailable,
        ]);
    }
    if ["/chat/room/{roomId}/join", "/system/status/update"].contains(&path) {
        codes.push(Code::TooManyKeys); // these calls create keys in the log
    }
    if !security.is_empty() {
        // A publish may exceed its rate, and any other call may follow too many refused
        // credentials.
        codes.push(Code::RateLimited);
    }
    if is_stream {
        codes.extend([
            Code::NotAcceptable,
            Code::TooManyConnections,
            Code::Draining,
            Code::JournalUnavailable,
        ]);
    }
    if path == "/health/ready" {
        codes.extend([Code::Draining, Code::JournalUnavailable]);
    }
    if ["/events", "/users/{id}", "/system/status"].contains(&path) {
        codes.push(Code::JournalUnavailable);
    }
    let mut by_status = std::collections::BTreeMap::<u16, Vec<Code>>::new();
    for code in codes {
        by_status
            .entry(code.status().as_u16())
            .or_default()
            .push(code);
    }
    for (status, codes) in by_status {
        let names: Vec<_> = codes
            .iter()
            .map(|code| format!("`{}`", code.as_str()))
            .collect();
        let schema = RefOr::Ref(Ref::from_schema_name("Failure"));
        let response = ResponseBuilder::new()
            .description(names.join(", "))
            .content("application/json", Content::new(Some(schema)))
            .build();
        operation
            .responses
            .responses
            .insert(status.to_string(), RefOr::T(response));
    }
}

/// Returns the document of a server with these stream groups.
pub(crate) fn document(groups: &'static [Group]) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for (path, described) in streams::paths(groups) {
        document.paths.paths.insert(path.to_owned(), described);
    }
    let events = document
        .paths
        .paths
        .get_mut("/events")
        .and_then(|path| path.get.as_mut());
    for parameter in events
        .and_then(|get| get.parameters.as_mut())
        .into_iter()
        .flatten()
    {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "topic"
        {
            parameter.description = Some(streams::topics_of_events(groups));
        }
    }
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post, &mut item.delete]
            .into_iter()
            .flatten()
        {
            add_errors(path, operation);
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

    use crate::router;
    use crate::stream_groups::GROUPS;

    #[test]
    fn the_committed_openapi_document_is_fresh() {
        let mut document = serde_json::to_value(document(GROUPS)).unwrap();
        join_lines(&mut document);
        let written = serde_json::to_string_pretty(&document).unwrap();
        tidings_fresh::assert_fresh("docs/openapi.json", &format!("{written}\n"));
    }

    /// Joins the lines of each paragraph of the descriptions: where a comment is wrapped in the code
    /// has no meaning in the document.
    fn join_lines(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) if !text.contains("\n- ") => {
                let paragraphs: Vec<_> = text
                    .split("\n\n")
                    .map(|one| one.replace('\n', " "))
                    .collect();
                *text = paragraphs.join("\n\n");
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(join_lines),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(join_lines),
            _ => {}
        }
    }

    #[test]
    fn exactly_the_paths_of_the_router_are_described() {
        let page = ["/", "/assets/{file}"];
        let mut routed: Vec<_> = router::paths()
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| !page.contains(path))
            .collect();
        routed.sort_unstable();
        let document = document(GROUPS);
        let mut described: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!(described, routed);
    }

    #[test]
    fn the_described_query_parameters_of_a_path_are_those_that_it_accepts() {
        let document = serde_json::to_value(document(GROUPS)).unwrap();
        for (path, known) in router::paths() {
            let mut described = std::collections::BTreeSet::new();
            let methods = document["paths"][path].as_object().into_iter().flatten();
            for (_, call) in methods {
                let parameters = call["parameters"].as_array().into_iter().flatten();
                described.extend(
                    parameters
                        .filter(|one| one["in"] == "query")
                        .map(|one| one["name"].as_str().unwrap()),
                );
                let security = call["security"].as_array().into_iter().flatten();
                described.extend(
                    security
                        .filter(|one| one.get("token").is_some())
                        .map(|_| "token"),
                );
            }
            let names = known.iter().map(query::Name::as_str);
            // Tickets don't exist yet. A broadcast accepts a target only to refuse it.
            let undescribed = |name: &&str| {
                *name == "ticket" || (path == "/notifications/broadcast" && *name == "targetUserId")
            };
            let known: std::collections::BTreeSet<_> =
                names.filter(|name| !undescribed(name)).collect();
            assert_eq!(known, described, "{path}");
        }
    }

    #[test]
    fn pages_of_other_origins_may_send_every_described_header() {
        let document = serde_json::to_value(document(GROUPS)).unwrap();
        let allowed = cors::ALLOWED_HEADERS;
        for call in document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
        {
            for parameter in call["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|one| one["in"] == "header")
            {
                let name = parameter["name"].as_str().unwrap().to_ascii_lowercase();
                assert!(
                    allowed.iter().any(|allowed| *allowed == name.as_str()),
                    "{name}"
                );
            }
        }
    }
}
