//! The streams, as the table of groups has them. An event stream has no schema in `OpenAPI` 3.1: its answer is text, and the
//! description names the events.

use serde_json::{Value, json};
use utoipa::openapi::path::PathItem;

use crate::auth::rule::Audience;
use crate::groups::{self, Group, Narrowing, Stream};

/// What every stream may say beside its own events.
const ALWAYS: &str = "`heartbeat` on every stream, `reset` where what was missed can't be replayed whole; an ending (`draining`, \
                      `revoked`, `expired`, `slow`, `busy`) says why and whether to come back";

/// A name of an entity or a room, as a regular expression.
const NAME: &str = r"^(\.{0,2}[A-Za-z0-9_:@-]|\.{3})[A-Za-z0-9_.:@-]*$";

/// Every path of a stream, and what is said about it.
pub(super) fn paths(groups: &'static [Group]) -> impl Iterator<Item = (&'static str, PathItem)> {
    groups::streams(groups).map(|(group, stream)| {
        let described = serde_json::from_value(json!({ "get": operation(group, stream) }));
        (stream.path, described.expect("what is written here is an operation"))
    })
}

/// The topics of which `GET /events` lists what is kept.
pub(super) fn listed(groups: &'static [Group]) -> String {
    let rules = groups::rules(groups).map(|(rule, _)| rule).filter(|rule| rule.publish != Audience::Server);
    let patterns: Vec<_> = rules.map(|rule| format!("`{}`", rule.pattern)).collect();
    format!("One of {}, where `*` is a name and `{{me}}` one's own id", patterns.join(", "))
}

fn operation(group: &Group, stream: &Stream) -> Value {
    let about = &stream.about;
    let events: Vec<_> = std::iter::once(&"connected").chain(about.events).map(|event| format!("`{event}`")).collect();
    let parameters: Vec<_> =
        stream.narrowing.iter().map(|narrowing| named(stream, narrowing)).chain(cursor()).collect();
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

/// The parameter that narrows a stream.
fn named(stream: &Stream, narrowing: &Narrowing) -> Value {
    let is_in_path = stream.is_narrowed_by_path();
    let schema = if narrowing.most == 1 {
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

/// Where a stream goes on, in the two ways to say it.
fn cursor() -> [Value; 2] {
    [
        json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last id that was seen; `earliest` for all that is kept",
            "required": false,
            "schema": { "type": ["string", "null"] },
        }),
        json!({
            "name": "lastEventId",
            "in": "query",
            "description": "The same, where no header can be set; also `last_event_id` and `lastEventID`",
            "required": false,
            "schema": { "type": "string" },
        }),
    ]
}

fn security(audience: Audience) -> Value {
    match audience {
        Audience::Public => json!([{}, { "bearer": [] }, { "token": [] }]),
        Audience::Authenticated | Audience::Me => json!([{ "bearer": [] }, { "token": [] }]),
        Audience::Admin | Audience::Server => json!([{ "bearer": ["admin"] }, { "token": ["admin"] }]),
    }
}
