//! The events that are published in order to be measured.
//!
//! Guarantees that they disturb nobody: they are updates of an entity of its own, to the caller
//! alone.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tidings_client::Client;
use tidings_sse::Message;
use tokio::time::timeout;

use crate::publish::aimed;

/// The stream that carries the events.
pub(super) const PATH: &str = "/realtime/stream?entities=tidings-doctor";

/// A publish that takes longer is reported as failed; the server answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes events and recognises them.
pub(super) struct TestEvents<'a> {
    client: &'a Client,
    path: String,
    /// Random, so that two doctors of one user do not mix up their events.
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
        Self { client, path: aimed("/realtime/update", Some(user)), run }
    }

    /// Publishes one event. Returns its id, or why it could not be published.
    pub(super) async fn publish(&self) -> Result<String, String> {
        let body = json!({ "entity": "tidings-doctor", "action": "update", "data": { "run": self.run } });
        let key = HeaderValue::try_from(format!("{:032x}", rand::random::<u128>())).map_err(|e| e.to_string())?;
        let posted = timeout(ANSWER_TIMEOUT, self.client.post(&self.path, Bytes::from(body.to_string()), &key)).await;
        let answer = posted.map_err(|_| format!("a publish was not answered in {} s", ANSWER_TIMEOUT.as_secs()))?;
        let answer = answer.map_err(|failure| format!("publishing failed: {failure}"))?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| "a publish was answered with something else than an event id".to_owned())?;
        Ok(answer.event_id)
    }

    /// Returns whether an event belongs to this trial.
    pub(super) fn knows(&self, message: &Message) -> bool {
        serde_json::from_str::<Update>(&message.data).is_ok_and(|update| update.data.run == self.run)
    }
}
