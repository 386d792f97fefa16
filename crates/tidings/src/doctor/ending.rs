//! Checks whether a body that the server cuts off, so that clients reconnect, arrives here as cut
//! off.

use http::{Method, StatusCode};
use tidings_client::Client;
use tokio::time::{Instant, timeout};

use super::finding::{Finding, Level};
use super::probe::{FIRST_EVENT_TIMEOUT, Next, NoStream, RequestOptions, Stream};
use super::test_events::PATH;
use crate::proxies::Trouble;

const CHECK: &str = "ending";

/// Opens a stream and has the server end it, as an administrator may. The client must use HTTP/1.1,
/// where a complete body and one that was cut off can be distinguished.
pub(super) async fn check(client: &Client) -> Finding {
    examine(client)
        .await
        .unwrap_or_else(|why| Finding::skipped(CHECK, why))
}

async fn examine(client: &Client) -> Result<Finding, String> {
    let late = || format!("no answer within {} s", FIRST_EVENT_TIMEOUT.as_secs());
    let mut stream = Stream::open(client, PATH, RequestOptions::default())
        .await
        .map_err(|error| match error {
            NoStream::TimedOut => late(),
            NoStream::Failed(failure) => failure.to_string(),
        })?;
    let connected = stream
        .connected()
        .await
        .map_err(|_| "the stream did not begin with `connected`".to_owned())?;
    let path = format!("/system/connections/{}", connected.connection_id);
    let asked = client.ask(Method::DELETE, &path, RequestOptions::default().headers());
    let answer = timeout(FIRST_EVENT_TIMEOUT, asked)
        .await
        .map_err(|_| late())?
        .map_err(|failure| failure.to_string())?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err("this needs the token of an administrator".to_owned()),
        status => {
            return Err(format!(
                "the call that ends a stream was answered with {}",
                status.as_u16()
            ));
        }
    }
    let deadline = Instant::now() + FIRST_EVENT_TIMEOUT;
    loop {
        match stream.next(deadline).await {
            Next::Event(..) => {}
            Next::Silence => {
                let message = format!(
                    "the server ended a stream, but it was still open {} s later",
                    FIRST_EVENT_TIMEOUT.as_secs()
                );
                return Ok(Finding::trouble(Trouble::Ending, Level::Problem, message));
            }
            Next::End if stream.finished => {
                let message = "the server cut off a stream, but its body arrived as complete";
                return Ok(Finding::trouble(Trouble::Ending, Level::Warning, message));
            }
            Next::End => {
                return Ok(Finding::ok(
                    CHECK,
                    "a stream that the server cut off arrived as cut off",
                ));
            }
        }
    }
}
