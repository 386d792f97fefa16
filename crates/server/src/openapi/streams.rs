//! The `OpenAPI` paths of the streams, generated from the table of stream groups.
//!
//! `OpenAPI` 3.1 has no schema for an event stream. Its answer is text, and the description names
//! the events.

use serde_json::{Value, json};
use utoipa::openapi::path::PathItem;

use crate::auth::rule::Audience;
use crate::stream_groups::{self, Group, Narrowing, Stream};

/// The events that any stream may send in addition to its own, as a text.
const ALWAYS: &str = "`heartbeat` at an interval; `reset` if not all missed events can be \
                      replayed; and at the end `draining`, `revoked`, `expired`, `slow` or \
                      `busy`, which says why the stream ends and whether to reconnect";

/// A regular expression for the names of entities and rooms.
const NAME: &str = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$";

/// Returns the path of every stream, with its description.
pub(super) fn paths(groups: &'static [Group]) -> impl Iterator<Item = (&'static str, PathItem)> {
    stream_groups::streams(groups).map(|(group, stream)| {
        let described = serde_json::from_value(json!({ "get": operation(group, stream) }));
        (
            stream.path,
            described.expect("`operation` returns a valid operation"),
        )
    })
}

/// Returns the description of the parameter `topic` of `GET /events`: the patterns of all topics
/// that it accepts.
pub(super) fn topics_of_events(groups: &'static [Group]) -> String {
    let rules = stream_groups::rules(groups)
        .map(|(rule, _)| rule)
        .filter(|rule| rule.publish != Audience::Server);
    let patterns: Vec<_> = rules.map(|rule| format!("`{}`", rule.pattern)).collect();
    format!(
        "One of {}. `*` stands for a name, and `{{me}}` for the caller's own id",
        patterns.join(", ")
    )
}

fn operation(group: &Group, stream: &Stream) -> Value {
    let about = &stream.about;
    let events: Vec<_> = std::iter::once(&"connected")
        .chain(about.events)
        .map(|event| format!("`{event}`"))
        .collect();
    let parameters: Vec<_> = stream
        .narrowing
        .iter()
        .map(|narrowing| narrowing_parameter(stream, narrowing))
        .chain(cursor_parameters())
        .collect();
    let mut operation = json!({
        "tags": [group.heading],
        "summary": about.title,
        "operationId": about.operation,
        "parameters": parameters,
        "responses": { "200": {
            "description": format!("Events: {}; {ALWAYS}", events.join(", ")),
            "content": { "text/event-stream": { "schema": { "type": "string" } } },
        } },
        "security": security(group.audience(stream)),
    });
    if !about.more.is_empty() {
        operation["description"] = about.more.into();
    }
    operation
}

/// Returns the parameter that narrows a stream.
fn narrowing_parameter(stream: &Stream, narrowing: &Narrowing) -> Value {
    let is_in_path = stream.is_narrowed_by_path();
    let schema = if narrowing.max_names == 1 {
        json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": NAME })
    } else {
        json!({ "type": "string" })
    };
    json!({
        "name": narrowing.parameter,
        "in": if is_in_path { "path" } else { "query" },
        "description": narrowing.about,
        "required": is_in_path,
        "schema": schema,
        "example": narrowing.example,
    })
}

/// Returns the two parameters by which a client says after which id a stream resumes.
fn cursor_parameters() -> [Value; 2] {
    [
        json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The id of the last event that the client received. `earliest` replays \
                            all stored events",
            "required": false,
            "schema": { "type": ["string", "null"] },
        }),
        json!({
            "name": "lastEventId",
            "in": "query",
            "description": "The value of `Last-Event-ID`, for clients that can't set a header. \
                            May also be called `last_event_id` or `lastEventID`",
            "required": false,
            "schema": { "type": "string" },
        }),
    ]
}

fn security(audience: Audience) -> Value {
    match audience {
        Audience::Public => json!([{}, { "bearer": [] }, { "token": [] }]),
        Audience::Authenticated | Audience::Me => json!([{ "bearer": [] }, { "token": [] }]),
        Audience::Admin | Audience::Server => {
            json!([{ "bearer": ["admin"] }, { "token": ["admin"] }])
        }
    }
}
