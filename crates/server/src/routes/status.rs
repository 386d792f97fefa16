//! `/system/status` and `/system/heartbeat`: how services are, and that the server is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use tidings_edge::error::Error;
use tidings_edge::json::Object;
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::{After, Publication};
use tidings_sse::EventName;

use crate::app::App;
use crate::http::extract::JsonBody;
use crate::http::publisher::{Publisher, Unit};
use crate::streams::open::{Spec, StreamCall};
use crate::times::{mint_id, rfc3339};
use crate::topics;

/// `GET /system/status/stream`
pub(crate) async fn stream(call: StreamCall) -> Result<Response, Error> {
    let visitor = call.visitor()?;
    let spec = Spec::new(&["system-status", "heartbeat"], vec![topics::status()]);
    call.open(Spec { retry: Duration::from_secs(5), snapshot: true, ..spec }, visitor).await
}

/// `GET /system/heartbeat`
pub(crate) async fn heartbeat(call: StreamCall) -> Result<Response, Error> {
    let visitor = call.visitor()?;
    let spec = Spec::new(&["heartbeat"], Vec::new());
    call.open(Spec { retry: Duration::from_secs(30), pulse: true, ..spec }, visitor).await
}

/// `POST /system/status/update`
pub(crate) async fn update(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    publisher.app.may_publish_to_all(&publisher.caller)?;
    let mut fields = body.fields()?;
    let service = fields.name("service");
    if !fields.has("status") {
        fields.problem("status", "is required");
    }
    let status = fields.maybe_choice("status", &["online", "offline", "degraded", "maintenance"]);
    let message = fields.maybe_text("message", 1..=10_000);
    let metrics = fields.maybe_raw("metrics");
    let rest = fields.rest();
    fields.finish()?;
    let now = publisher.app.now();
    let id = mint_id("status", now);
    let data = Object::new()
        .text("id", &id)
        .text("timestamp", &rfc3339(now))
        .text("service", &service)
        .maybe_text("status", status)
        .maybe_text("message", message.as_deref())
        .maybe_raw("metrics", metrics.as_ref())
        .raws(&rest)
        .finish();
    let event = EventName::from_static("system-status");
    let publication = Publication::new([topics::status()], event, data).keyed(service.as_str());
    let message = format!("System status updated for {service}");
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher.publish(None, body.bytes(), Unit::new(publication, draft)).await
}

/// `GET /system/status`: the latest of each service.
pub(crate) async fn latest(State(app): State<Arc<App>>) -> Result<Reply, Error> {
    let (mut entries, mut after) = (Vec::new(), After::Earliest);
    loop {
        let piece = app.hub.history(vec![topics::status()], &after, usize::MAX).await?;
        entries.extend(piece.entries);
        if piece.end {
            break;
        }
        after = After::Id(piece.next.to_string());
    }
    let mut latest: Vec<_> = entries.iter().map(|entry| &entry.record).collect();
    latest.sort_by(|a, b| a.key.cmp(&b.key));
    let services: Vec<_> = latest.iter().map(|record| String::from_utf8_lossy(&record.data)).collect();
    Ok(Reply::written(format!("{{\"services\":[{}]}}", services.join(","))))
}
