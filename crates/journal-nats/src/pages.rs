//! Reading the log by direct gets, which any server that has a copy answers.

use async_nats::header::{NATS_SEQUENCE, NATS_TIME_STAMP};
use async_nats::{HeaderMap, Message};
use futures_util::StreamExt as _;
use serde_json::json;
use tidings_journal_shared::broker::{Failure, Mark, Raw};
use tokio::time::timeout;

use crate::connection::{Connection, REQUEST_TIMEOUT};
use crate::options::Names;

/// How many groups a page has at most.
const MAX_GROUPS: usize = 1_024;

/// Returns the groups after `after`, see
/// [`Broker::page`](tidings_journal_shared::broker::Broker::page).
pub(crate) async fn page(
    connection: &Connection,
    names: &Names,
    after: Mark,
    bytes: usize,
) -> Result<Vec<Raw>, Failure> {
    let unsure = |text: &str| Failure::Unsure(text.to_owned());
    let inbox = connection.client.new_inbox();
    let mut answers = connection
        .client
        .subscribe(inbox.clone())
        .await
        .map_err(|_| unsure("the connection was lost"))?;
    let body =
        json!({ "seq": after.0 + 1, "batch": MAX_GROUPS, "max_bytes": bytes.max(1) }).to_string();
    let subject = format!("$JS.API.DIRECT.GET.{}", names.log);
    connection
        .client
        .publish_with_reply_and_headers(subject, inbox, HeaderMap::new(), body.into())
        .await
        .map_err(|_| unsure("the connection was lost"))?;
    let mut groups: Vec<Raw> = Vec::new();
    loop {
        let message = timeout(REQUEST_TIMEOUT, answers.next())
            .await
            .map_err(|_| unsure("there was no answer in time"))?
            .ok_or_else(|| unsure("the connection was lost"))?;
        match message.status.map(|status| status.as_u16()) {
            None | Some(200) => {}
            Some(204 | 404) => return Ok(groups),
            Some(status) => {
                return Err(Failure::Unsure(format!(
                    "a direct get was answered with {status}"
                )));
            }
        }
        let Some(raw) = read(message) else {
            return Err(unsure("a direct get was answered without a sequence"));
        };
        let expected = groups.last().map_or(after.0, |last| last.mark.0) + 1;
        if raw.mark.0 != expected {
            // Truncated. A hole further on ends the page, and the next page begins with it.
            return if groups.is_empty() {
                Err(Failure::Gone(format!("the group {expected}")))
            } else {
                Ok(groups)
            };
        }
        groups.push(raw);
    }
}

/// Reads a stored message, which names its sequence and the time when it was stored.
pub(crate) fn read(message: Message) -> Option<Raw> {
    let headers = message.headers.as_ref()?;
    let sequence = headers.get(NATS_SEQUENCE)?.as_str().parse().ok()?;
    let stored: jiff::Timestamp = headers.get(NATS_TIME_STAMP)?.as_str().parse().ok()?;
    Some(Raw {
        mark: Mark(sequence),
        previous: None,
        ms: stored.as_millisecond(),
        bytes: message.payload,
    })
}
