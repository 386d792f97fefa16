//! Checks whether a stream that the server cuts, so that its client comes back, arrives here as
//! cut.

use http::{Method, StatusCode};
use tidings_client::Client;
use tokio::time::{Instant, timeout};

use super::finding::{Finding, Level};
use super::probe::{Asked, FIRST_EVENT_TIMEOUT, Next, NoStream, Stream};
use super::test_events::PATH;
use crate::proxies::Trouble;

const CHECK: &str = "ending";

/// Opens a stream and ends it as an administrator does. It uses HTTP/1.1, where a complete and an
/// incomplete end can be told apart.
pub(super) async fn check(client: &Client) -> Finding {
    examine(client).await.unwrap_or_else(|why| Finding::skipped(CHECK, why))
}

async fn examine(client: &Client) -> Result<Finding, String> {
    let late = || format!("no answer came for {} s", FIRST_EVENT_TIMEOUT.as_secs());
    let mut stream = Stream::open(client, PATH, Asked::default()).await.map_err(|error| match error {
        NoStream::Held => late(),
        NoStream::Failed(failure) => failure.to_string(),
    })?;
    let connected = stream.connected().await.map_err(|_| "the stream did not begin as the first did".to_owned())?;
    let path = format!("/system/connections/{}", connected.connection_id);
    let asked = client.ask(Method::DELETE, &path, Asked::default().headers());
    let answer =
        timeout(FIRST_EVENT_TIMEOUT, asked).await.map_err(|_| late())?.map_err(|failure| failure.to_string())?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err("only an administrator's token may end a stream".to_owned()),
        status => return Err(format!("ending a stream of this user was answered with {}", status.as_u16())),
    }
    let deadline = Instant::now() + FIRST_EVENT_TIMEOUT;
    loop {
        match stream.next(deadline).await {
            Next::Event(..) => {}
            Next::Silence => {
                let message =
                    format!("the server ended a stream, and no end came for {} s", FIRST_EVENT_TIMEOUT.as_secs());
                return Ok(Finding::trouble(Trouble::Ending, Level::Problem, message));
            }
            Next::End if stream.finished => {
                let message = "a stream that the server cut arrives as one that is finished";
                return Ok(Finding::trouble(Trouble::Ending, Level::Warning, message));
            }
            Next::End => return Ok(Finding::ok(CHECK, "a stream that the server cut arrives as one that was cut")),
        }
    }
}
