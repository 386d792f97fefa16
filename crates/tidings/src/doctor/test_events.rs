//! The events that the doctor publishes in order to measure their delivery.
//!
//! Guarantees that they disturb nobody: they are updates of an entity that no application has, to
//! the caller alone.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tidings_client::Client;
use tidings_sse::Message;
use tokio::time::timeout;

use crate::publish::with_target;

/// The stream that carries the events.
pub(super) const PATH: &str = "/realtime/stream?entities=tidings-doctor";

/// A publish that takes longer is reported as failed; the server answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes test events, and recognises them on a stream.
pub(super) struct TestEvents<'a> {
    client: &'a Client,
    path: String,
    /// A random id of this run, so that two doctors of one user can distinguish their events.
    run: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: String,
}

#[derive(Deserialize)]
struct Update {
    data: Body,
}

#[derive(Deserialize)]
struct Body {
    run: String,
}

impl<'a> TestEvents<'a> {
    pub(super) fn new(client: &'a Client, user: &str) -> Self {
        let run = format!("{:032x}", rand::random::<u128>());
        Self {
            client,
            path: with_target("/realtime/update", Some(user)),
            run,
        }
    }

    /// Publishes one event. Returns its id, or why it could not be published.
    pub(super) async fn publish(&self) -> Result<String, String> {
        let body =
            json!({ "entity": "tidings-doctor", "action": "update", "data": { "run": self.run } });
        let key = HeaderValue::try_from(format!("{:032x}", rand::random::<u128>()))
            .map_err(|e| e.to_string())?;
        let posted = timeout(
            ANSWER_TIMEOUT,
            self.client
                .post(&self.path, Bytes::from(body.to_string()), &key),
        )
        .await;
        let answer = posted.map_err(|_| {
            format!(
                "a publish was not answered within {} s",
                ANSWER_TIMEOUT.as_secs()
            )
        })?;
        let answer = answer.map_err(|failure| format!("publishing failed: {failure}"))?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| "the answer to a publish did not contain an event id".to_owned())?;
        Ok(answer.event_id)
    }

    /// Returns whether an event is one of these.
    pub(super) fn contain(&self, message: &Message) -> bool {
        serde_json::from_str::<Update>(&message.data)
            .is_ok_and(|update| update.data.run == self.run)
    }
}
