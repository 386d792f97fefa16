//! Whether what stands behind the `?` of a URL arrives.

use tidings_client::Client;

use super::finding::{Finding, Level};
use super::probe::{Asked, FIRST, NoStream, Stream};
use super::trial::PATH;
use crate::proxies::Trouble;

/// A place that no log has: a server that reads it says that it can't go on there.
const NOWHERE: &str = "lastEventId=tidings-doctor";

/// Asks for a stream after a place that can't be, in the query alone.
pub(super) async fn check(client: &Client) -> Finding {
    let opened = Stream::open(client, &format!("{PATH}&{NOWHERE}"), Asked::default()).await;
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(NoStream::Held) => return Finding::skipped("query", format!("no answer came for {} s", FIRST.as_secs())),
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
