//! `/system/status`: publishes and returns the status of services.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use tidings_edge::error::Error;
use tidings_edge::reply::{Draft, Reply};
use tidings_hub::After;

use crate::app::App;
use crate::calls::Event;
use crate::calls::status::Status;
use crate::http::extract::JsonBody;
use crate::http::publisher::{Publisher, Unit};
use crate::topic_names;

/// `POST /system/status/update`
pub(crate) async fn update(publisher: Publisher, body: JsonBody) -> Result<Response, Error> {
    let status = Status::read(body.bytes(), publisher.by(), &publisher.app.guard)?;
    let message = format!("System status updated for {}", status.service);
    let Event { id, publication } = status.event(publisher.app.now());
    let draft = Draft::naming_event(&message, |reply| reply.text("id", &id));
    publisher
        .publish(None, body.bytes(), Unit::new(publication, draft))
        .await
}

/// `GET /system/status`: returns the latest status of each service.
pub(crate) async fn latest(State(app): State<Arc<App>>) -> Result<Reply, Error> {
    let (mut entries, mut after) = (Vec::new(), After::Earliest);
    loop {
        let piece = app
            .hub
            .history(vec![topic_names::status()], &after, usize::MAX)
            .await?;
        entries.extend(piece.entries);
        if piece.end {
            break;
        }
        after = After::Id(piece.next.to_string());
    }
    let mut latest: Vec<_> = entries.iter().map(|entry| &entry.record).collect();
    latest.sort_by(|a, b| a.key.cmp(&b.key));
    let services: Vec<_> = latest
        .iter()
        .map(|record| String::from_utf8_lossy(&record.data))
        .collect();
    Ok(Reply::written(format!(
        "{{\"services\":[{}]}}",
        services.join(",")
    )))
}
