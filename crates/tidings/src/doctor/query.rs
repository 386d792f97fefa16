//! Checks whether the query of a URL reaches the server.

use tidings_client::Client;

use super::finding::{Finding, Level};
use super::probe::{FIRST_EVENT_TIMEOUT, NoStream, RequestOptions, Stream};
use super::test_events::PATH;
use crate::proxies::Trouble;

/// An id that no log has: a server that receives it answers that it can't resume there.
const UNKNOWN_ID: &str = "lastEventId=tidings-doctor";

/// Asks for a stream that resumes after an impossible id, which is only in the query.
pub(super) async fn check(client: &Client) -> Finding {
    let opened = Stream::open(
        client,
        &format!("{PATH}&{UNKNOWN_ID}"),
        RequestOptions::default(),
    )
    .await;
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(NoStream::TimedOut) => {
            return Finding::skipped(
                "query",
                format!("no answer within {} s", FIRST_EVENT_TIMEOUT.as_secs()),
            );
        }
        Err(NoStream::Failed(failure)) => return Finding::skipped("query", failure.to_string()),
    };
    match stream.connected().await {
        Ok(connected) if connected.resumed.is_some() => Finding::ok("query", "it arrived"),
        Ok(_) => Finding::trouble(
            Trouble::Query,
            Level::Problem,
            "lastEventId was sent in the query, but did not reach the server",
        ),
        Err(_) => Finding::skipped("query", "the stream did not begin with `connected`"),
    }
}
