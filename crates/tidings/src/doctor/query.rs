//! Checks whether the query of a URL reaches the server.

use tidings_client::Client;

use super::finding::{Finding, Level};
use super::probe::{Asked, FIRST_EVENT_TIMEOUT, NoStream, Stream};
use super::test_events::PATH;
use crate::proxies::Trouble;

/// An id that no log has: a server that reads it answers that it can't resume there.
const UNKNOWN_ID: &str = "lastEventId=tidings-doctor";

/// Asks to resume after an impossible id, in the query alone.
pub(super) async fn check(client: &Client) -> Finding {
    let opened = Stream::open(client, &format!("{PATH}&{UNKNOWN_ID}"), Asked::default()).await;
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(NoStream::Held) => {
            return Finding::skipped("query", format!("no answer came for {} s", FIRST_EVENT_TIMEOUT.as_secs()));
        }
        Err(NoStream::Failed(failure)) => return Finding::skipped("query", failure.to_string()),
    };
    match stream.connected().await {
        Ok(connected) if connected.resumed.is_some() => Finding::ok("query", "it arrived"),
        Ok(_) => Finding::trouble(
            Trouble::Query,
            Level::Problem,
            "lastEventId was sent in the query, and the server did not see one",
        ),
        Err(_) => Finding::skipped("query", "the second stream did not begin as the first did"),
    }
}
